package incident_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"certrecall/messages"
	"certrecall/worker/incident"
)

func TestFollowKeepsAViewUpToDateThroughARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b, c := revocation("a", 1), revocation("b", 2), revocation("c", 3)
	s.send(a)
	s.say(a, messages.EventRevokeAccepted)
	r := s.reader()
	v, err := r.Load(t.Context(), incident.Filter{Incident: "INC-1"})
	if err != nil {
		t.Fatal(err)
	}

	type change struct {
		before incident.State
		id     string
		after  incident.State
	}
	var mu sync.Mutex
	var changes []change
	ctx, cancel := context.WithCancel(t.Context())
	var followed sync.WaitGroup
	followed.Go(func() {
		err := r.Follow(ctx, v, func(before incident.State, after incident.Row) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, change{before, after.ID, after.State})
		})
		if err != nil {
			t.Errorf("following ended: %v", err)
		}
	})
	seen := func(want change) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(changes) > 0 && changes[len(changes)-1] == want
		}
	}

	s.say(a, messages.EventRevoked, func(e *messages.Event) { e.Status = "revoked" })
	within(t, "the end of a", seen(change{incident.Accepted, "a", incident.Revoked}))

	s.send(b)
	if err := r.Refresh(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if row, ok := v.Get("cli", "b", time.Now()); !ok || row.State != incident.Queued {
		t.Errorf("after a refresh b is %+v", row)
	}

	s.server.Restart()
	within(t, "an answer of the server", func() bool { _, err := s.stores.Events.Info(t.Context()); return err == nil })
	s.say(c, messages.EventRevokeFailed, failedWith(messages.ErrorRefused, "no"))
	within(t, "c after a restart", seen(change{"", "c", incident.Failed}))

	cancel()
	followed.Wait()
	if counts := v.Counts(); len(counts) != 3 || counts[incident.Revoked] != 1 || counts[incident.Queued] != 1 || counts[incident.Failed] != 1 {
		t.Errorf("counts %v", counts)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(changes) != 2 {
		t.Errorf("changes %v, want two: no event is told twice", changes)
	}
}
