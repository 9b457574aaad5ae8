package worker

import (
	"fmt"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

// When nearly everything is refused for the same code, the key is at fault and
// not the orders: a gate says so, and nothing is ended.
func TestMassRefusalEndsNothing(t *testing.T) {
	for name, op := range map[string]digicertsim.Operation{"revocations": digicertsim.OpRevokeOrder, "listings": digicertsim.OpDuplicates} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.sim.Script(digicertsim.Fault{Op: op, Kind: digicertsim.FaultStatus, Status: 403, Code: "access_denied|missing_permission", Times: -1})
				worker := w.start()
				for i := range int64(40) {
					if op == digicertsim.OpDuplicates {
						w.publish(messages.LaneListDuplicates, "soar", fields{"id": fmt.Sprint("c", i), "order_id": 100 + i})
					} else {
						w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("c", i), 100+i))
					}
				}
				w.pass(time.Hour)
				for _, e := range w.read(w.names.EventSubjects()) {
					if e.Name.Final() {
						t.Errorf("%s of %s is final: %v", e.Name, e.ID, e.data["error"])
					}
				}
				if ready := worker.Ready(); ready.Ready || len(ready.Reasons) != 1 || ready.Reasons[0].Gate != string(gate.NotPermitted) {
					t.Errorf("readiness %+v", ready)
				}
				if n := w.sim.CallCount(); n > 200 {
					t.Errorf("%d calls", n)
				}
				w.sim.ClearFaults()
				want := messages.EventRevokeRequested
				if op == digicertsim.OpDuplicates {
					want = messages.EventDuplicatesListed
				}
				for i := range 40 {
					w.waitFor("soar", fmt.Sprint("c", i), want, 15*time.Minute)
				}
			})
		})
	}
}

// The probes of an outage are the fleet's.
func TestProbesAreTheFleets(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		const workers = 8
		for range workers {
			w.start()
		}
		w.pass(5 * time.Second)
		if n := w.sim.CallCount(); n != 1 {
			t.Errorf("%d probes at the start of %d workers", n, workers)
		}
		w.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 503, Times: -1})
		for i := range int64(10 * workers) {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("c", i), 100+i))
		}
		w.pass(time.Minute)
		before := w.sim.CallCount()
		w.pass(10 * time.Minute)
		if n := w.sim.CallCount() - before; n > 10*60/7+5 || n < 20 {
			t.Errorf("%d probes of %d workers in ten minutes", n, workers)
		}
		w.sim.ClearFaults()
		for i := range 10 * workers {
			w.waitFor("soar", fmt.Sprint("c", i), messages.EventRevokeRequested, 10*time.Minute)
		}
	})
}
