package worker

import (
	"fmt"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

func short(c *Config) { c.RetryMaxElapsed = 3 * time.Minute }

func TestGaveUp(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 503, Times: -1},
			digicertsim.Fault{Op: digicertsim.OpDuplicates, Kind: digicertsim.FaultStatus, Status: 500, Times: -1})
		w.start(short)
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.publish(messages.LaneListDuplicates, "soar", fields{"id": "l", "order_id": 12})
		e := w.wantFailure("soar", "a", messages.ErrorGaveUp, 15*time.Minute)
		calls := w.puts(4711)
		if !e.Error.Retryable || e.Attempts != len(calls) || len(calls) < 2 {
			t.Errorf("%d PUTs, says %v", len(calls), e.data)
		}
		if took := e.Time.Sub(calls[0].At); took < 3*time.Minute {
			t.Errorf("gave up after %s", took)
		}
		for i := 1; i < len(calls); i++ {
			if gap := calls[i].At.Sub(calls[i-1].At); gap < 10*time.Second {
				t.Errorf("a PUT %s after the one before", gap)
			}
		}
		if e := w.waitFor("soar", "l", messages.EventListDuplicatesFailed, 15*time.Minute); e.Error.Type != messages.ErrorGaveUp || e.Attempts < 3 {
			t.Errorf("says %v", e.data)
		}
		w.pass(time.Minute)
		w.quiet()
	})
}

func TestOutcomeUnknown(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, OrderID: 4711, Kind: digicertsim.FaultResetAfter},
			digicertsim.Fault{Op: digicertsim.OpOrder, OrderID: 4711, Kind: digicertsim.FaultStatus, Status: 500, Times: -1})
		w.start(short)
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		e := w.wantFailure("soar", "a", messages.ErrorOutcomeUnknown, 15*time.Minute)
		if !e.Error.Retryable || e.Attempts != 1 || len(w.puts(4711)) != 1 {
			t.Errorf("%d PUTs, says %v", len(w.puts(4711)), e.data)
		}
		// The next command finds the truth first.
		w.sim.ClearFaults()
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4711))
		if e := w.waitFor("soar", "b", messages.EventRevokeRequested, 2*time.Minute); !e.Already || len(w.puts(4711)) != 1 {
			t.Errorf("%d PUTs, says %v", len(w.puts(4711)), e.data)
		}
	})
}

// A maintenance window costs few calls and no command.
func TestTwoHoursOutage(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.pass(time.Second)
		w.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultHTML, Status: 503, Times: -1})
		for i := range 100 {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("c", i), int64(100+i)))
		}
		w.pass(time.Minute)
		if r := worker.Ready(); !r.Ready || len(r.Reasons) != 1 || r.Reasons[0].Gate != string(gate.Circuit) {
			t.Errorf("readiness %+v", r)
		}
		w.pass(2 * time.Hour)
		if n := w.sim.CallCount(); n > 2*60*60/15+200 { // the probes, and what was in flight
			t.Errorf("%d calls into the dead API", n)
		}
		w.sim.ClearFaults()
		for i := range 100 {
			w.waitFor("soar", fmt.Sprint("c", i), messages.EventRevokeRequested, 6*time.Minute)
			if n := w.effective(int64(100 + i)); n != 1 {
				t.Errorf("order %d: %d effective PUTs", 100+i, n)
			}
		}
	})
}

// What holds everybody back is not taken from the command's time.
func TestPauseIsNotCounted(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 503, Times: 2})
		w.start(short)
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.pass(5 * time.Second)
		if err := gate.Pause(t.Context(), w.control(), gate.Revocations, gate.Order{By: "operator", Reason: "look first"}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		before := len(w.puts(4711))
		w.pass(time.Hour)
		w.publish(messages.LaneListDuplicates, "soar", fields{"id": "l", "order_id": 12})
		w.waitFor("soar", "l", messages.EventDuplicatesListed, time.Minute)
		if n := len(w.puts(4711)); n != before {
			t.Errorf("%d PUTs while paused", n-before)
		}
		if err := gate.Resume(t.Context(), w.control(), gate.Revocations, gate.Order{By: "operator", Reason: "seen"}); err != nil {
			t.Fatal(err)
		}
		if e := w.waitFor("soar", "a", messages.EventRevokeRequested, 5*time.Minute); e.Attempts != 3 {
			t.Errorf("says %v", e.data)
		}
	})
}

func TestThrottledHoldsEverybody(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		other := w.start()
		w.pass(time.Second)
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 429, RetryAfter: "90"})
		began := time.Now()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.pass(2 * time.Second)
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4712))
		w.pass(time.Second)
		if r := other.Ready(); !r.Ready || len(r.Reasons) != 1 || r.Reasons[0].Gate != string(gate.NotBefore) {
			t.Errorf("readiness %+v", r)
		}
		for _, id := range []string{"a", "b"} {
			e := w.waitFor("soar", id, messages.EventRevokeRequested, 3*time.Minute)
			if took := e.Time.Sub(began); took < 90*time.Second || took > 2*time.Minute || e.Attempts != 1 {
				t.Errorf("%s after %s: %v", id, took, e.data)
			}
		}
	})
}
