package worker

import (
	"sync/atomic"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// The memory of orders is lost under a running fleet, after a PUT whose worker
// froze before it could say so: the order is read before anything is sent again.
func TestLostMemoryIsReadBack(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		ice, frozen := &ice{env: w.env}, atomic.Bool{}
		w.startFrozen(ice, func(at step) {
			if at == stepAnswered && frozen.CompareAndSwap(false, true) {
				ice.freeze()
			}
			ice.pass()
		})
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.wait("the stall", time.Minute, frozen.Load)
		kv, err := w.js.KeyValue(t.Context(), w.names.OrdersBucket())
		if err != nil {
			t.Fatal(err)
		}
		if err := kv.Purge(t.Context(), "order.4711"); err != nil {
			t.Fatal(err)
		}
		w.start(hurried)
		e := w.waitFor("soar", "a", messages.EventRevokeRequested, 2*time.Minute)
		if n := len(w.puts(4711)); n != 1 || e.Already || e.RequestID == 0 {
			t.Errorf("%d PUTs, revoke-requested says %v", n, e.data)
		}
		ice.thaw()
		w.pass(time.Minute)
		if n := len(w.puts(4711)); n != 1 {
			t.Errorf("%d PUTs after the thaw", n)
		}
	})
}
