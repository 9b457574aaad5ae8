package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
	"certrecall/worker/status"
)

func TestFleetTellsLanesBudgetAndPauses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	limits, err := budget.ParseLimits("100/5s")
	if err != nil {
		t.Fatal(err)
	}
	s.send(revocation("a", 1))
	s.send(revocation("b", 2))
	s.bury(revocation("c", 3), messages.Event{Error: messages.NewError(messages.ErrorRefused, "no"), Name: messages.EventRevokeFailed, Source: "cli", ID: "c"})
	if err := gate.Pause(t.Context(), s.stores.Control, gate.Listings, gate.Order{By: "ada", Reason: "quiet"}); err != nil {
		t.Fatal(err)
	}
	f, err := s.reader().Fleet(t.Context(), limits)
	if err != nil {
		t.Fatal(err)
	}
	want := status.Fleet{
		Lanes: []status.LaneState{
			{Lane: messages.LaneRevokeUrgent}, {Lane: messages.LaneRevoke, Pending: 2}, {Lane: messages.LaneListDuplicates},
		},
		Budget:      []status.Window{{Calls: 100, Seconds: 5, Left: 100}},
		Pauses:      []status.Pause{{Kind: gate.Listings, By: "ada", Reason: "quiet"}},
		DeadLetters: 1,
	}
	if diff := cmp.Diff(want, f, cmpopts.IgnoreUnexported(status.Fleet{}), cmpopts.EquateApproxTime(time.Minute),
		cmpopts.IgnoreFields(status.Fleet{}, "At"), cmpopts.IgnoreFields(status.LaneState{}, "Oldest"),
		cmpopts.IgnoreFields(status.Pause{}, "Since")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, l := range f.Lanes {
		if empty := l.Lane != messages.LaneRevoke; l.Oldest.IsZero() != empty {
			t.Errorf("lane %s: the oldest is of %v", l.Lane, l.Oldest)
		}
	}
	if since := f.Pauses[0].Since; f.At.Sub(since).Abs() > time.Minute {
		t.Errorf("paused since %v", since)
	}
	if d := f.Estimate(101, 0); d != 5500*time.Millisecond {
		t.Errorf("estimate %v, want 5.5s", d)
	}
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.js.DeleteStream(t.Context(), s.names.EventsStream()); err != nil {
		t.Fatal(err)
	}
	_, err := status.Open(t.Context(), s.js, s.names)
	if err == nil || !strings.Contains(err.Error(), s.names.EventsStream()) {
		t.Errorf("error %v, want one that names %s", err, s.names.EventsStream())
	}
}
