package worker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// A worker that is cut off from NATS with a command in hand tries again at a
// steady pace: neither its watches, nor its dials, nor what the client says of
// them become more with the time.
func TestCutOffWorkerKeepsItsPace(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		ice := &ice{env: w.env}
		var problems, dials atomic.Int64
		nc, err := nats.Connect("", nats.InProcessServer(ice), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { problems.Add(1) }),
			nats.ReconnectErrHandler(func(*nats.Conn, error) { dials.Add(1) }))
		if err != nil {
			t.Fatal(err)
		}
		var frozen atomic.Bool
		w.startOn(nc, func(at step) {
			if at == stepBegun && frozen.CompareAndSwap(false, true) {
				ice.freeze()
			}
			ice.pass()
		})
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": true}))
		w.wait("the stall", time.Minute, frozen.Load)
		const most = 2000 // an hour: a dial each 2 s, and each watch misses its heartbeats each 10 s
		for hour := range 3 {
			problems.Store(0)
			dials.Store(0)
			w.pass(time.Hour)
			if p, d, subs := problems.Load(), dials.Load(), nc.NumSubscriptions(); p > most || d > most || subs > 20 {
				t.Errorf("hour %d: %d problems, %d dials, %d subscriptions", hour, p, d, subs)
			}
		}
		ice.thaw()
		w.waitFor("soar", "a", messages.EventRevoked, 5*time.Minute)
		w.pass(time.Minute)
		w.quiet()
		if n := w.effective(4711); n != 1 {
			t.Errorf("%d effective PUTs", n)
		}
	})
}
