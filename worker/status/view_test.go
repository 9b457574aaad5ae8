package status_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"certrecall/messages"
	"certrecall/worker/ledger"
	"certrecall/worker/status"
)

func TestCommandIsFollowedThroughItsStates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := revocation("INC-1-revoke-17", 17)
	c.CertificateID, c.RevocationReason, c.SkipApproval = 171, messages.ReasonKeyCompromise, true
	c.Deadline = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)
	want := status.Row{
		Source: "cli", ID: c.ID, Lane: messages.LaneRevoke, Action: messages.ActionRevoke, OrderID: 17, CertificateID: 171,
		Incident: "INC-1", Comments: "key leaked", Reason: messages.ReasonKeyCompromise, SkipApproval: true,
		RequestedBy: "ada", Deadline: c.Deadline, Digest: c.Digest(),
	}
	check := func(what string, want status.Row) {
		t.Helper()
		v := s.load(status.Filter{Incident: "INC-1", Digests: true})
		if diff := cmp.Diff(want, only(t, v), cmpopts.IgnoreUnexported(status.Row{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff(map[status.State]int{want.State: 1}, v.Counts()); diff != "" {
			t.Errorf("%s, counts (-want +got):\n%s", what, diff)
		}
	}

	s.send(c)
	queued := only(t, s.load(status.Filter{}))
	want.State, want.Since, want.Received = status.Queued, queued.Received, queued.Received
	if time.Since(queued.Received).Abs() > time.Minute {
		t.Errorf("received at %v", queued.Received)
	}
	check("queued", want)

	e := s.say(c, messages.EventRevokeAccepted)
	want.State, want.Since, want.Received, want.Accepted = status.Accepted, e.Time, e.ReceivedAt, e.Time
	check("accepted", want)

	e = s.say(c, messages.EventRevokeRequested, func(e *messages.Event) {
		e.RequestID, e.Status, e.Attempts = 900, "pending", 1
		e.Request = json.RawMessage(`{"id":900,"status":"pending"}`)
	})
	s.take(messages.LaneRevoke)
	want.State, want.Since, want.Requested = status.Waiting, e.Time, e.Time
	want.RequestID, want.Status, want.Attempts = 900, "pending", 1
	check("waiting", want)

	e = s.say(c, messages.EventRevoked, func(e *messages.Event) {
		e.RequestID, e.Status, e.Attempts = 900, "approved", 1
		e.Request = json.RawMessage(`{"id":900,"date_processed":"2026-03-01T10:00:00+01:00","processor_comment":"ok",
			"processor":{"first_name":"Grace","last_name":"Hopper","email":"grace@example.com"}}`)
	})
	want.State, want.Since, want.Finished, want.Status = status.Revoked, e.Time, e.Time, "approved"
	want.Decision = status.Decision{
		By: "Grace Hopper <grace@example.com>", At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Comment: "ok",
	}
	check("revoked", want)
}

func TestEachFinalEventHasItsState(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	listing := func(c messages.Command) messages.Command {
		return messages.Command{ID: c.ID, Source: c.Source, Lane: messages.LaneListDuplicates, OrderID: c.OrderID, Incident: c.Incident}
	}
	list := func(e *messages.Event) { e.Certificates, e.Count = json.RawMessage(`[]`), new(0) }
	same := func(c messages.Command) messages.Command { return c }
	want := map[status.State]int{}
	for i, test := range []struct {
		event  messages.EventName
		state  status.State
		as     func(messages.Command) messages.Command
		change func(*messages.Event)
	}{
		{messages.EventRevoked, status.Revoked, same, func(e *messages.Event) { e.Status = "revoked" }},
		{messages.EventRevokeRejected, status.Rejected, same, failedWith(messages.ErrorApprovalRejected, "no")},
		{messages.EventRevokeFailed, status.Failed, same, failedWith(messages.ErrorRefused, "no")},
		{messages.EventRevokeCancelled, status.Cancelled, same, func(*messages.Event) {}},
		{messages.EventRevokePlanned, status.Planned, same, func(e *messages.Event) {
			list(e)
			e.OrderStatus, e.ApprovalNeeded = "issued", new(true)
		}},
		{messages.EventDuplicatesListed, status.Listed, listing, list},
		{messages.EventListDuplicatesFailed, status.Failed, listing, failedWith(messages.ErrorOrderNotFound, "no")},
		{messages.EventListDuplicatesCancelled, status.Cancelled, listing, func(*messages.Event) {}},
		{messages.EventCommandRejected, status.Invalid, same, failedWith(messages.ErrorInvalidCommand, "no")},
	} {
		c := test.as(revocation(fmt.Sprintf("c-%d", i), int64(100+i)))
		s.say(c, test.event, test.change)
		row := only(t, s.load(status.Filter{Source: "cli", Incident: "INC-1", ID: c.ID}))
		if row.State != test.state || !row.State.Final() || row.Finished.IsZero() {
			t.Errorf("%s: state %q, finished at %v, want %q", test.event, row.State, row.Finished, test.state)
		}
		if well := test.state == status.Revoked || test.state == status.Planned || test.state == status.Listed; row.State.Well() != well {
			t.Errorf("%s: well is %v", test.event, row.State.Well())
		}
		if row.State.Failed() != (row.Error != nil) {
			t.Errorf("%s: failed is %v with the error %v", test.event, row.State.Failed(), row.Error)
		}
		want[test.state]++
	}
	if diff := cmp.Diff(want, s.load(status.Filter{}).Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestFilterSelects(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := revocation("a", 1), revocation("b", 12)
	b.Incident, b.Source = "INC-2", "soar"
	noIncident := revocation("INC-1", 3) // its events correlate by its id, which reads like the incident
	noIncident.Incident = ""
	queued := revocation("q", 1)
	for _, c := range []messages.Command{a, b, noIncident} {
		s.say(c, messages.EventRevokeAccepted)
	}
	s.send(queued)
	for _, test := range []struct {
		filter status.Filter
		want   []string
	}{
		{status.Filter{}, []string{"cli/INC-1", "cli/INC-1/a", "cli/INC-1/q", "soar/INC-2/b"}},
		{status.Filter{Incident: "INC-1"}, []string{"cli/INC-1/a", "cli/INC-1/q"}},
		{status.Filter{Incident: "INC-2"}, []string{"soar/INC-2/b"}},
		{status.Filter{Source: "cli"}, []string{"cli/INC-1", "cli/INC-1/a", "cli/INC-1/q"}},
		{status.Filter{Source: "cli", Incident: "INC-1", ID: "a"}, []string{"cli/INC-1/a"}},
		{status.Filter{OrderID: 1}, []string{"cli/INC-1/a", "cli/INC-1/q"}},
		{status.Filter{OrderID: 12}, []string{"soar/INC-2/b"}},
		{status.Filter{OrderID: 1, Source: "soar"}, nil},
	} {
		var got []string
		for _, r := range s.load(test.filter).Rows(time.Now()) {
			got = append(got, r.Key())
		}
		if diff := cmp.Diff(test.want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.filter, diff)
		}
	}
}

func TestCorrectedCommandGoesOnUnderTheIDOfARejectedMessage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := revocation("a", 1)
	rejected := s.say(c, messages.EventCommandRejected, failedWith(messages.ErrorInvalidCommand, "comments: missing"))
	letter := s.bury(c, rejected)
	if row := only(t, s.load(status.Filter{})); row.State != status.Invalid || row.DeadLetter != letter {
		t.Errorf("state %q, dead letter %d, want invalid and %d", row.State, row.DeadLetter, letter)
	}
	s.send(c)
	if row := only(t, s.load(status.Filter{})); row.State != status.Queued || row.Error != nil {
		t.Errorf("corrected and queued: state %q, error %v", row.State, row.Error)
	}
	s.say(c, messages.EventRevokeAccepted)
	v := s.load(status.Filter{})
	if row := only(t, v); row.State != status.Accepted || row.Error != nil || row.DeadLetter != 0 || !row.Finished.IsZero() {
		t.Errorf("corrected and accepted: %+v", row)
	}
	if diff := cmp.Diff(map[status.State]int{status.Accepted: 1}, v.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestLaterCommandForTheSameStandsInThePlaceOfOneThatFailed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	failed, plan, other := revocation("a", 1), revocation("plan", 1), revocation("b", 2)
	plan.DryRun = true
	replay := revocation("a-replay-7", 1)
	replay.ReplayOf = "a"
	s.say(other, messages.EventRevokeFailed, failedWith(messages.ErrorRefused, "no"))
	letter := s.bury(failed, s.say(failed, messages.EventRevokeFailed, failedWith(messages.ErrorRefused, "no")))
	s.received = s.received.Add(time.Second)
	s.say(plan, messages.EventRevokeFailed, failedWith(messages.ErrorGaveUp, "no"))
	if row, _ := s.load(status.Filter{}).Get(messages.CommandName{Source: "cli", Incident: "INC-1", ID: "a"}, time.Now()); row.State != status.Failed {
		t.Errorf("%s after a later plan", row.State)
	}
	s.received = s.received.Add(time.Second)
	s.send(replay)
	for _, step := range []func(){
		func() {},
		func() { s.say(replay, messages.EventRevokeAccepted) },
		func() { s.say(replay, messages.EventRevoked, func(e *messages.Event) { e.Status = "revoked" }) },
	} {
		step()
		v := s.load(status.Filter{Incident: "INC-1"})
		row, _ := v.Get(messages.CommandName{Source: "cli", Incident: "INC-1", ID: "a"}, time.Now())
		if row.State != status.Retried || row.RetriedAs != replay.ID || row.DeadLetter != letter || row.Error == nil {
			t.Errorf("%+v", row)
		}
		if row, _ := v.Get(messages.CommandName{Source: "cli", Incident: "INC-1", ID: "b"}, time.Now()); row.State != status.Failed {
			t.Errorf("another order is %s", row.State)
		}
	}
	// It fails too: then it is the one that failed.
	again := revocation("a-again2", 1)
	s.received = s.received.Add(time.Second)
	s.say(again, messages.EventRevokeAccepted)
	s.say(again, messages.EventRevokeFailed, failedWith(messages.ErrorRefused, "no"))
	want := map[status.State]int{status.Failed: 2, status.Revoked: 1, status.Retried: 2}
	if diff := cmp.Diff(want, s.load(status.Filter{}).Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestParkedCommandIsSeenWithoutItsEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := revocation("a", 1)
	body, err := messages.EncodeCommand(c)
	if err != nil {
		t.Fatal(err)
	}
	since := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Second)
	key := ledger.Waiting{
		Order: 1, Source: "cli", Incident: "INC-1", ID: "a", Phase: ledger.Parked, Subject: s.names.CommandSubject(c.Lane, c.Source), Body: body,
		ReceivedAt: since.Add(-time.Minute), Since: since, RequestID: 900,
	}
	l := ledger.New(s.stores.Orders)
	if err := l.Wait(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	row := only(t, s.load(status.Filter{Incident: "INC-1"}))
	if row.State != status.Waiting || !row.Since.Equal(since) || row.RequestID != 900 || row.Comments != "key leaked" {
		t.Errorf("%+v", row)
	}
	if v := s.load(status.Filter{Incident: "INC-2"}); v.Len() != 0 {
		t.Errorf("%d rows of another incident", v.Len())
	}
	// A key that outlives its command for a moment says nothing.
	s.say(c, messages.EventRevoked, func(e *messages.Event) { e.Status = "approved" })
	if row := only(t, s.load(status.Filter{})); row.State != status.Revoked {
		t.Errorf("state %q after the final event", row.State)
	}
}

func TestOverdueIsWhatHasNoFinalEventByItsDeadline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	late, inTime := revocation("late", 1), revocation("done", 2)
	deadline := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	late.Deadline, inTime.Deadline = deadline, deadline
	s.say(late, messages.EventRevokeAccepted)
	s.say(inTime, messages.EventRevoked, func(e *messages.Event) { e.Status = "revoked" })
	v := s.load(status.Filter{})
	for now, want := range map[time.Time]bool{deadline.Add(-time.Second): false, deadline.Add(time.Second): true} {
		if row, ok := v.Get(messages.CommandName{Source: "cli", Incident: "INC-1", ID: "late"}, now); !ok || row.Overdue != want {
			t.Errorf("late at %v: overdue is %v, want %v", now, row.Overdue, want)
		}
		if row, ok := v.Get(messages.CommandName{Source: "cli", Incident: "INC-1", ID: "done"}, now); !ok || row.Overdue {
			t.Errorf("done at %v: overdue is %v", now, row.Overdue)
		}
	}
}

func TestSentTellsWhatNothingCallsBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	queued, taken, sent, waiting := revocation("q", 1), revocation("t", 2), revocation("s", 3), revocation("w", 4)
	s.send(queued)
	s.say(taken, messages.EventRevokeAccepted)
	s.say(sent, messages.EventRevokeAccepted)
	s.say(waiting, messages.EventRevokeRequested, func(e *messages.Event) { e.RequestID, e.Status = 9, "pending" })
	record, err := json.Marshal(ledger.Record{Order: 3, Commands: map[string]*ledger.Note{"cli/INC-1/s": {Attempts: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.stores.Orders.Put(t.Context(), "order.3", record); err != nil {
		t.Fatal(err)
	}
	r := s.reader()
	for _, row := range s.load(status.Filter{}).Rows(time.Now()) {
		got, err := r.Sent(t.Context(), row)
		if err != nil {
			t.Fatal(err)
		}
		if want := row.ID == "s" || row.ID == "w"; got != want {
			t.Errorf("%s (%s): sent is %v, want %v", row.ID, row.State, got, want)
		}
	}
}
