package worker

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// wantFull checks that /readyz names the store.
func (w *world) wantFull(worker *running, store string) {
	w.t.Helper()
	for _, r := range worker.Ready().Reasons {
		if strings.Contains(r.Detail, store+" has no room") {
			return
		}
	}
	w.t.Errorf("/readyz does not name %s: %+v", store, worker.Ready())
}

// A full dead-letter stream keeps nobody from being carried out: not the lane
// of the commands that cannot be buried, and not the sweep.
func TestFullDeadLettersStopNobody(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("first", 1, fields{"expires": "2000-01-01T00:00:00Z"}))
		w.waitFor("soar", "first", messages.EventRevokeFailed, time.Minute)
		w.publish(messages.LaneRevoke, "soar", revocation("asks", 4711))
		w.publish(messages.LaneRevoke, "soar", revocation("refused", 4712))
		asks := w.waitFor("soar", "asks", messages.EventRevokeRequested, time.Minute)
		refused := w.waitFor("soar", "refused", messages.EventRevokeRequested, time.Minute)
		w.full(w.names.DeadLettersStream())
		for i := range 8 {
			w.publish(messages.LaneRevoke, "soar", fields{"id": fmt.Sprint("bad", i)})
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("late", i), int64(100+i), fields{"expires": "2000-01-01T00:00:00Z"}))
		}
		w.pass(5 * time.Second)
		w.publish(messages.LaneRevoke, "soar", revocation("good", 4713, fields{"skip_approval": true}))
		w.waitFor("soar", "good", messages.EventRevoked, 5*time.Second)
		if err := w.sim.Reject(refused.RequestID); err != nil {
			t.Fatal(err)
		}
		w.pass(5 * time.Minute)
		if err := w.sim.Approve(asks.RequestID); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "asks", messages.EventRevoked, 3*time.Minute)
		w.wantFull(worker, "stream "+w.names.DeadLettersStream())
		w.room(w.names.DeadLettersStream())
		for i := range 8 {
			w.waitFor("soar", fmt.Sprint("bad", i), messages.EventCommandRejected, 3*time.Minute)
			w.waitFor("soar", fmt.Sprint("late", i), messages.EventRevokeFailed, 3*time.Minute)
		}
		w.waitFor("soar", "refused", messages.EventRevokeRejected, 3*time.Minute)
		w.pass(time.Minute)
		w.quiet()
		if r := worker.Ready(); !r.Ready {
			t.Errorf("not ready: %+v", r)
		}
	})
}

// A list that finds no room is read again as seldom as one that cannot be
// read, for no longer than the retry budget, and is told once there is room.
func TestFullResultsKeepTheRetryBudget(t *testing.T) {
	for _, spent := range []bool{false, true} {
		t.Run(fmt.Sprint("spent ", spent), func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.largeList(4711)
				w.start().stop() // makes the bucket
				w.limit("OBJ_"+w.names.ResultsBucket(), func(c *jetstream.StreamConfig) { c.MaxBytes = 1000 })
				worker := w.start(func(c *Config) { c.RetryMaxElapsed = 30 * time.Minute })
				before := len(w.sim.Calls())
				w.publish(messages.LaneListDuplicates, "cli", fields{"id": "l", "order_id": 4711, "show_archived": true})
				w.pass(10 * time.Minute)
				w.wantFull(worker, "bucket "+w.names.ResultsBucket())
				if n := len(w.sim.Calls()) - before; n > 25 {
					t.Errorf("%d calls within ten minutes", n)
				}
				if spent {
					e := w.waitFor("cli", "l", messages.EventListDuplicatesFailed, time.Hour)
					if e.Error.Type != messages.ErrorGaveUp || !strings.Contains(e.Error.Detail, w.names.ResultsBucket()) {
						t.Errorf("says %v", e.data)
					}
				} else {
					w.limit("OBJ_"+w.names.ResultsBucket(), func(c *jetstream.StreamConfig) { c.MaxBytes = -1 })
					w.waitFor("cli", "l", messages.EventDuplicatesListed, 10*time.Minute)
				}
				w.pass(time.Minute)
				w.quiet()
				if r := worker.Ready(); !spent && !r.Ready {
					t.Errorf("not ready: %+v", r)
				}
			})
		})
	}
}

// Without room for records nothing is sent, few swaps are tried, and what
// waits goes on by itself.
func TestFullOrdersBucketIsPaced(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("first", 4710, fields{"skip_approval": true}))
		w.waitFor("soar", "first", messages.EventRevoked, time.Minute)
		w.full("KV_" + w.names.OrdersBucket())
		var begun atomic.Int32
		other := w.startHooked(func(at step) {
			if at == stepPermitted {
				begun.Add(1)
			}
		})
		worker.stop()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": true}))
		w.pass(10 * time.Minute)
		if n := begun.Load(); n == 0 || n > 40 {
			t.Errorf("begun %d times within ten minutes", n)
		}
		if n := len(w.puts(4711)); n != 0 {
			t.Errorf("%d PUTs without a record", n)
		}
		w.wantFull(other, "bucket "+w.names.OrdersBucket())
		w.room("KV_" + w.names.OrdersBucket())
		w.waitFor("soar", "a", messages.EventRevoked, 3*time.Minute)
		w.pass(time.Minute)
		w.quiet()
		if r := other.Ready(); !r.Ready {
			t.Errorf("not ready: %+v", r)
		}
	})
}
