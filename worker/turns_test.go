package worker

import (
	"fmt"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// callsSince counts the calls of the simulator that came before the first one
// for the order.
func (w *world) callsBefore(order int64, since int) int {
	for i, c := range w.sim.Calls()[since:] {
		if c.OrderID == order {
			return i
		}
	}
	return -1
}

// One source floods its lane; the single command of another begins within ten
// commands of its arrival, whatever the flood has waiting.
func TestSourcesTakeTurns(t *testing.T) {
	inWorld(t, digicertsim.Options{Latency: time.Second}, func(t *testing.T, w *world) {
		w.start().stop() // makes the streams
		for i := range 400 {
			w.publish(messages.LaneRevoke, "flood", revocation(fmt.Sprint("f", i), int64(1000+i), fields{"skip_approval": true}))
		}
		for i := range 48 { // others that were there before, and have nothing now
			w.publish(messages.LaneListDuplicates, fmt.Sprint("s", i), fields{"id": "l", "order_id": 3000 + i})
		}
		w.start(func(c *Config) { c.Concurrency = 8 })
		w.pass(30 * time.Second)
		before := len(w.sim.Calls())
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": true}))
		w.waitFor("soar", "a", messages.EventRevoked, time.Minute)
		if n := w.callsBefore(4711, before); n < 0 || n > 10 {
			t.Errorf("%d calls went before the other source's one, want 10 at most", n)
		}
		w.waitFor("flood", "f399", messages.EventRevoked, 5*time.Minute)
		w.pass(time.Minute)
		w.quiet()
	})
}

// A source whose orders are all unknown goes to the end of the line: others
// begin at once, its own commands are answered all the same.
func TestMadeUpOrdersWaitAtTheEnd(t *testing.T) {
	inWorld(t, digicertsim.Options{Latency: time.Second}, func(t *testing.T, w *world) {
		worker := w.start(func(c *Config) { c.Concurrency = 4 })
		const unknown = 1_000_000_000
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 404, Code: "not_found", Times: 60},
			digicertsim.Fault{Op: digicertsim.OpOrder, Kind: digicertsim.FaultStatus, Status: 404, Code: "not_found", Times: -1})
		for i := range 60 {
			w.publish(messages.LaneRevoke, "made-up", revocation(fmt.Sprint("m", i), int64(unknown+i)))
		}
		w.wait("the end of the line", 10*time.Minute, func() bool { return worker.unknown.atTheEnd("made-up") })
		for i := range 20 {
			w.waitFor("made-up", fmt.Sprint("m", i), messages.EventRevokeFailed, 10*time.Minute)
		}
	})
}

// The consumers of sources may be deleted by anybody at any time: nothing is
// lost, and nothing is done twice.
func TestConsumersMayBeDeletedAtAnyTime(t *testing.T) {
	inWorld(t, digicertsim.Options{Latency: 300 * time.Millisecond}, func(t *testing.T, w *world) {
		w.start()
		w.start()
		w.publishMany("a", 40)
		for range 20 {
			w.pass(700 * time.Millisecond)
			s, err := w.js.Stream(t.Context(), w.names.CommandsStream())
			if err != nil {
				t.Fatal(err)
			}
			for name := range s.ConsumerNames(t.Context()).Name() {
				if err := s.DeleteConsumer(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.answeredOnce("a", 40, 10*time.Minute)
		w.pass(5 * time.Minute)
		w.quiet()
	})
}

// A source that has nothing for long costs nothing any more, and is pulled for
// again when it comes back.
func TestIdleSourcesCostNothing(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": true}))
		w.waitFor("soar", "a", messages.EventRevoked, time.Minute)
		consumers := func() (n int) {
			s, err := w.js.Stream(t.Context(), w.names.CommandsStream())
			if err != nil {
				t.Fatal(err)
			}
			return s.CachedInfo().State.Consumers
		}
		if n := consumers(); n != 1 {
			t.Errorf("%d consumers, want 1", n)
		}
		w.pass(2 * time.Hour)
		if n := consumers(); n != 0 {
			t.Errorf("%d consumers of an idle source", n)
		}
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4712, fields{"skip_approval": true}))
		w.waitFor("soar", "b", messages.EventRevoked, 10*time.Second)
	})
}
