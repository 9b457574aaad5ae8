package worker

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// allStarts is how often a message may begin before it is told as poison: two
// starts are not marked.
const allStarts = poisonMarkedFrom - 1 + poisonAloneAfter + poisonAfter

func (w *world) wantPoison(starts int32) {
	w.t.Helper()
	e := w.wantFailure("soar", "bad", messages.ErrorPoison, 20*time.Minute)
	if starts != allStarts {
		w.t.Errorf("%d starts, want %d", starts, allStarts)
	}
	if e.Attempts != 0 || len(w.puts(666)) != 0 || !strings.Contains(e.Error.Detail, "stream sequence") {
		w.t.Errorf("%d PUTs, says %v", len(w.puts(666)), e.data)
	}
	w.pass(time.Minute)
	w.quiet()
	keys, err := w.control().ListKeysFiltered(w.t.Context(), "start.>")
	if err != nil {
		w.t.Fatal(err)
	}
	for k := range keys.Keys() {
		w.t.Errorf("start mark %s is left", k)
	}
}

// A handler that panics each time: the others go on in the same process.
func TestPanickingCommandIsDeadLettered(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		var starts atomic.Int32
		var worker *running
		worker = w.startHooked(func(at step) {
			worker.orders.mu.Lock()
			mine := worker.orders.busy[666] != nil && len(worker.orders.busy) == 1
			worker.orders.mu.Unlock()
			if at == stepPermitted && mine {
				starts.Add(1)
				panic("made to")
			}
		})
		w.publish(messages.LaneRevoke, "soar", revocation("bad", 666))
		for i := range 12 {
			w.pass(10 * time.Second)
			id := fmt.Sprint("c", i)
			w.publish(messages.LaneRevoke, "soar", revocation(id, int64(100+i), fields{"skip_approval": true}))
			w.waitFor("soar", id, messages.EventRevoked, 5*time.Second)
		}
		w.wantPoison(starts.Load())
	})
}

// A command at which the whole process dies each time.
func TestDeadlyCommandIsDeadLettered(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.publishLater(revocation("bad", 666))
		starts := int32(0)
		for range allStarts {
			var died atomic.Bool
			nc := w.env.Conn(nats.ReconnectBufSize(-1))
			worker := w.startOn(nc, func(at step) {
				if at == stepPermitted && died.CompareAndSwap(false, true) {
					nc.Close()
				}
				if died.Load() {
					runtime.Goexit() // nothing of this process goes on
				}
			})
			w.wait("the death", 2*time.Minute, died.Load)
			starts++
			worker.kill()
		}
		w.start()
		w.wantPoison(starts)
	})
}

// publishLater publishes as soon as there is a stream.
func (w *world) publishLater(body fields) {
	w.t.Helper()
	first := w.start()
	first.stop()
	w.publish(messages.LaneRevoke, "soar", body)
}

// A message at which the worker ends before it has looked into it, and again on
// the way to the dead letters.
func TestUnreadableDeadlyMessageIsDeadLettered(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.startHooked(func(step) { panic("made to, at every step") })
		w.publish(messages.LaneRevoke, "soar", revocation("bad", 666))
		w.wait("a dead letter", time.Hour, func() bool { return len(w.deadLetters()) == 1 })
		w.pass(time.Minute)
		said := w.read(w.names.EventSubject(messages.EventCommandRejected, messages.CommandName{Source: "soar", ID: "*"}))
		if len(said) != 1 || said[0].Error == nil || said[0].Error.Type != messages.ErrorPoison {
			t.Errorf("said %v", namesOf(said))
		}
		if n := len(w.puts(666)); n != 0 {
			t.Errorf("%d PUTs", n)
		}
	})
}
