package worker

import (
	"slices"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

func count(events []said, name messages.EventName) int {
	n := 0
	for _, e := range events {
		if e.Name == name {
			n++
		}
	}
	return n
}

func TestOverdueIsSaidOnceAndFollowed(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"deadline": time.Now().Add(5 * time.Minute)}))
		e := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		w.pass(4 * time.Minute)
		if n := count(w.events("soar", "a"), messages.EventRevokeOverdue); n != 0 {
			t.Error("overdue before its deadline")
		}
		over := w.waitFor("soar", "a", messages.EventRevokeOverdue, 3*time.Minute)
		if over.RequestID != e.RequestID || over.Attempts != 1 || over.Deadline.IsZero() {
			t.Errorf("says %v", over.data)
		}
		w.pass(10 * time.Minute)
		if err := w.sim.Approve(e.RequestID); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "a", messages.EventRevoked, 3*time.Minute)
		w.pass(2 * time.Minute)
		wantEvents(t, w.events("soar", "a"), messages.EventRevokeAccepted, messages.EventRevokeRequested, messages.EventRevokeOverdue, messages.EventRevoked)
		w.quiet()
	})
}

// While gates are closed, and while DigiCert is down, a deadline passes all the same.
func TestOverdueWhileNothingIsBegun(t *testing.T) {
	for name, hold := range map[string]func(w *world){
		"paused": func(w *world) {
			if err := gate.Pause(w.t.Context(), w.control(), gate.Revocations, gate.Order{By: "operator", Reason: "look first"}); err != nil {
				w.t.Fatal(err)
			}
		},
		"down":        func(w *world) { w.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 503, Times: -1}) },
		"key refused": func(w *world) { w.sim.SetKeys([]string{"another-made-up-key"}, nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 503, Times: 2})
				w.start()
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"deadline": time.Now().Add(5 * time.Minute)}))
				w.waitFor("soar", "a", messages.EventRevokeAccepted, time.Minute)
				hold(w)
				w.waitFor("soar", "a", messages.EventRevokeOverdue, 8*time.Minute)
				w.sim.ClearFaults()
				w.sim.SetKeys([]string{testKey}, nil, nil)
				if err := gate.Resume(t.Context(), w.control(), gate.Revocations, gate.Order{By: "operator", Reason: "seen"}); err != nil {
					t.Fatal(err)
				}
				e := w.waitFor("soar", "a", messages.EventRevokeRequested, 10*time.Minute)
				if err := w.sim.Approve(e.RequestID); err != nil {
					t.Fatal(err)
				}
				w.waitFor("soar", "a", messages.EventRevoked, 3*time.Minute)
				w.pass(2 * time.Minute)
				if n := count(w.events("soar", "a"), messages.EventRevokeOverdue); n != 1 {
					t.Errorf("overdue %d times", n)
				}
				w.quiet()
			})
		})
	}
}

// A command that goes on from its waiting key, and cannot, is told overdue too.
func TestOverdueWhileTheSweepCannotGoOn(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("first", 4711))
		first := w.waitFor("soar", "first", messages.EventRevokeRequested, time.Minute)
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"deadline": time.Now().Add(10 * time.Minute)}))
		w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		// The request that it adopted is gone, and it cannot send its own.
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRequest, Kind: digicertsim.FaultStatus, Status: 404, Code: "not_found", Times: -1},
			digicertsim.Fault{Op: digicertsim.OpRequests, Kind: digicertsim.FaultStatus, Status: 200, Body: `{"requests":[]}`, Times: -1},
			digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 429, RetryAfter: "3600", Times: -1},
			digicertsim.Fault{Op: digicertsim.OpOrder, Kind: digicertsim.FaultStatus, Status: 200, Body: `{"id":4711,"status":"issued","requests":[]}`, Times: -1})
		failed := w.wantFailure("soar", "first", messages.ErrorRefused, 5*time.Minute)
		if failed.RequestID != first.RequestID {
			t.Errorf("says %v", failed.data)
		}
		w.waitFor("soar", "a", messages.EventRevokeOverdue, 15*time.Minute)
		w.sim.ClearFaults()
		w.wait("its own PUT", 2*time.Hour, func() bool {
			return slices.ContainsFunc(w.sim.Requests(), func(q digicertsim.Request) bool { return q.ID != first.RequestID })
		})
		if n := count(w.events("soar", "a"), messages.EventRevokeRequested); n != 1 {
			t.Errorf("revoke-requested %d times", n)
		}
	})
}
