package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

func wantEvents(t *testing.T, got []said, want ...messages.EventName) {
	t.Helper()
	var names []string
	for _, n := range want {
		names = append(names, string(n))
	}
	if diff := cmp.Diff(names, namesOf(got)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestRevocationWaitsAndIsApproved(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"incident": "INC-1", "context": fields{"ticket": 7}}))
		requested := w.waitFor("soar", "INC-1/a", messages.EventRevokeRequested, time.Second)
		if requested.RequestID == 0 || requested.Status != "pending" || requested.Already || requested.Attempts != 1 {
			t.Errorf("revoke-requested says %v", requested.data)
		}
		calls := w.puts(4711)
		if len(calls) != 1 {
			t.Fatalf("%d PUTs", len(calls))
		}
		if want := `{"comments":"INC-1: key leaked [certrecall soar/INC-1/a]","revocation_reason":"keyCompromise"}`; calls[0].Body != want {
			t.Errorf("body %s, want %s", calls[0].Body, want)
		}
		if err := w.sim.Approve(requested.RequestID); err != nil {
			t.Fatal(err)
		}
		revoked := w.waitFor("soar", "INC-1/a", messages.EventRevoked, 2*time.Minute)
		if revoked.RequestID != requested.RequestID || revoked.Status != "approved" || revoked.Already || revoked.Attempts != 1 || revoked.RevocationReason != "keyCompromise" {
			t.Errorf("revoked says %v", revoked.data)
		}
		wantEvents(t, w.events("soar", "INC-1/a"), messages.EventRevokeAccepted, messages.EventRevokeRequested, messages.EventRevoked)
		w.pass(time.Second)
		w.quiet()
	})
}

func TestSkipApprovalRevokesAtOnce(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevokeUrgent, "soar", revocation("a", 4711, fields{"skip_approval": true}))
		e := w.waitFor("soar", "a", messages.EventRevoked, time.Second)
		if e.RequestID != 0 || e.Status != "revoked" || e.Already || !e.SkipApproval || e.Comments == "" {
			t.Errorf("revoked says %v", e.data)
		}
		wantEvents(t, w.events("soar", "a"), messages.EventRevokeAccepted, messages.EventRevoked)
		w.quiet()
	})
}

func TestDuplicatesAreListed(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneListDuplicates, "cli", fields{"id": "l", "order_id": "0042"})
		e := w.waitFor("cli", "l", messages.EventDuplicatesListed, time.Second)
		if e.Count == nil || *e.Count != 2 || e.Attempts != 1 || e.OrderID != 42 {
			t.Errorf("duplicates-listed says %v", e.data)
		}
		// The same command again: no call, no event.
		before := w.sim.CallCount()
		w.publish(messages.LaneListDuplicates, "cli", fields{"order_id": 42, "id": "l"})
		w.pass(5 * time.Second)
		if n := w.sim.CallCount(); n != before {
			t.Errorf("%d more calls", n-before)
		}
		w.quiet()
	})
}

func TestLostCommitIsReadBack(t *testing.T) {
	for name, fault := range map[string]digicertsim.Fault{
		"reset":     {Kind: digicertsim.FaultResetAfter},
		"502":       {Kind: digicertsim.FaultStatus, Status: 502, Commit: true},
		"html 503":  {Kind: digicertsim.FaultHTML, Status: 503, Commit: true},
		"hang":      {Kind: digicertsim.FaultHang, Commit: true},
		"truncated": {Kind: digicertsim.FaultTruncate},
		"late":      {Kind: digicertsim.FaultLateCommit, Delay: 8 * time.Second},
		"late 502":  {Kind: digicertsim.FaultLateCommit, Delay: 8 * time.Second, Status: 502},
	} {
		for _, skip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s skip=%t", name, skip), func(t *testing.T) {
				inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
					fault.Op = digicertsim.OpRevokeOrder
					w.sim.Script(fault)
					w.start()
					w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": skip}))
					name := messages.EventRevokeRequested
					if skip {
						name = messages.EventRevoked
					}
					e := w.waitFor("soar", "a", name, 2*time.Minute)
					if e.Already || e.Attempts != 1 || !skip && e.RequestID == 0 {
						t.Errorf("%s says %v", name, e.data)
					}
					if n := len(w.puts(4711)); n != 1 {
						t.Errorf("%d PUTs", n)
					}
				})
			})
		}
	}
}

func TestEightSystemsRevokeOneOrder(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.start()
		for i := range 8 {
			w.publish(messages.LaneRevoke, fmt.Sprintf("system-%d", i), revocation("a", 4711))
		}
		requests, already := map[int64]bool{}, 0
		for i := range 8 {
			e := w.waitFor(fmt.Sprintf("system-%d", i), "a", messages.EventRevokeRequested, time.Minute)
			requests[e.RequestID] = true
			if e.Already {
				already++
			}
		}
		if len(w.puts(4711)) != 1 || len(requests) != 1 || already != 7 {
			t.Fatalf("%d PUTs, requests %v, %d say already", len(w.puts(4711)), requests, already)
		}
		for id := range requests {
			if err := w.sim.Approve(id); err != nil {
				t.Fatal(err)
			}
		}
		already = 0
		for i := range 8 {
			if e := w.waitFor(fmt.Sprintf("system-%d", i), "a", messages.EventRevoked, 3*time.Minute); e.Already {
				already++
			}
		}
		if already != 7 {
			t.Errorf("%d final events say already", already)
		}
		w.pass(time.Second)
		w.quiet()
	})
}
