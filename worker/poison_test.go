package worker

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/budget"
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
	if key := w.startMark(); key != "" {
		w.t.Errorf("start mark %s is left", key)
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

// A suspect that is to run alone meets commands that wait for permits for
// hours, and then waits for one itself: others wait for it for a minute at
// most, each time, and it keeps the mark of what it did.
func TestSuspectStopsWorkerForBoundedTime(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		const panics = poisonMarkedFrom - 1 + poisonAloneAfter
		var starts atomic.Int32
		var worker *running
		logs, log := observer.New(zap.WarnLevel)
		worker = w.startHooked(func(at step) {
			worker.orders.mu.Lock()
			mine := worker.orders.busy[666] != nil
			worker.orders.mu.Unlock()
			if at == stepClaimed && mine && starts.Add(1) <= panics {
				panic("made to")
			}
		}, func(c *Config) { c.Limits, c.Log = limitsOf(t, "1/12h"), zap.New(logs) }) // the probe takes it
		for i := range 3 {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("waits", i), int64(100+i), fields{"skip_approval": true}))
		}
		w.pass(time.Second)
		bad := w.publish(messages.LaneRevoke, "soar", revocation("bad", 666, fields{"skip_approval": true}))
		w.wait("the suspicion", 10*time.Minute, func() bool { return starts.Load() >= panics })
		var worst time.Duration
		for i := range 30 {
			id := fmt.Sprint("late", i)
			began := time.Now()
			w.publish(messages.LaneRevoke, "soar", revocation(id, int64(200+i), fields{"expires": "2000-01-01T00:00:00Z"}))
			w.waitFor("soar", id, messages.EventRevokeFailed, 10*time.Minute)
			worst = max(worst, time.Since(began))
			w.pass(15 * time.Second)
		}
		if worst > time.Minute+5*time.Second {
			t.Errorf("a command that needs no call was answered after %s", worst)
		}
		if n := log.FilterMessage("a message that ended its workers runs alone").Len(); n < 2 {
			t.Errorf("the suspect ran alone %d times, want 2 at least", n)
		}
		if e, err := worker.poison.marks().Get(t.Context(), "start.revoke."+worker.originOf(bad)); err != nil || e.Value.Starts != poisonAloneAfter || e.Value.Alone > 1 {
			t.Errorf("its mark says %+v, %v", e.Value, err)
		}
		worker.stop()
		w.start()
		w.waitFor("soar", "bad", messages.EventRevoked, 10*time.Minute)
		w.pass(5 * time.Minute)
		w.quiet()
		if n := len(w.puts(666)); n != 1 {
			t.Errorf("%d PUTs", n)
		}
		if key := w.startMark(); key != "" {
			t.Errorf("start mark %s is left", key)
		}
	})
}

func limitsOf(t *testing.T, text string) budget.Limits {
	t.Helper()
	limits, err := budget.ParseLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

// startMark is the key of the one start mark; "" if there is none.
func (w *world) startMark() (key string) {
	w.t.Helper()
	bucket, err := w.js.KeyValue(w.t.Context(), w.names.BudgetBucket())
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := bucket.ListKeysFiltered(w.t.Context(), "start.>")
	if err != nil {
		w.t.Fatal(err)
	}
	for k := range keys.Keys() {
		if key != "" {
			w.t.Errorf("start marks %s and %s", key, k)
		}
		key = k
	}
	return key
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
