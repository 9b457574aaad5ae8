package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/budget"
)

// keysOf lists the keys of a bucket.
func (w *world) keysOf(bucket string) []string {
	w.t.Helper()
	kv, err := w.js.KeyValue(w.t.Context(), bucket)
	if err != nil {
		w.t.Fatal(err)
	}
	lister, err := kv.ListKeys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for k := range lister.Keys() {
		keys = append(keys, k)
	}
	return keys
}

// Any key of any bucket may be deleted or purged by hand, or be overwritten
// with what nobody understands: the fleet goes on, and what is asked of it
// afterwards is done. (The memory of an order that is deleted is read anew from
// its events; one that is overwritten stops that order, and no other.)
func TestEveryPartSurvivesTheLossOfAnyKey(t *testing.T) {
	losses := map[string]func(t *testing.T, kv jetstream.KeyValue, key string) error{
		"deleted": func(t *testing.T, kv jetstream.KeyValue, key string) error { return kv.Delete(t.Context(), key) },
		"purged":  func(t *testing.T, kv jetstream.KeyValue, key string) error { return kv.Purge(t.Context(), key) },
		"overwritten": func(t *testing.T, kv jetstream.KeyValue, key string) error {
			_, err := kv.Put(t.Context(), key, []byte("?"))
			return err
		},
	}
	for how, lose := range losses {
		t.Run(how, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				limits, err := budget.ParseLimits("1000/5m,100/5s")
				if err != nil {
					t.Fatal(err)
				}
				w.start(func(c *Config) { c.Limits = limits })
				// Every kind of key there is: records, waiting keys, tries, start marks,
				// budget, not-before, sweep.
				w.sim.Script(digicertsim.Fault{Op: digicertsim.OpDuplicates, Kind: digicertsim.FaultStatus, Status: 429})
				w.publish(messages.LaneListDuplicates, "soar", fields{"id": "throttled", "order_id": 4701})
				w.publish(messages.LaneRevoke, "soar", revocation("waits", 4711, fields{"deadline": time.Now().Add(time.Hour)}))
				w.waitFor("soar", "waits", messages.EventRevokeRequested, time.Minute)
				w.pass(2 * time.Minute)
				lost := 0
				for _, bucket := range []string{w.names.BudgetBucket(), w.names.ControlBucket(), w.names.OrdersBucket()} {
					kv, err := w.js.KeyValue(t.Context(), bucket)
					if err != nil {
						t.Fatal(err)
					}
					for _, key := range w.keysOf(bucket) {
						if how == "overwritten" && key == "order.4711" {
							continue
						}
						if err := lose(t, kv, key); err != nil {
							t.Fatal(key, err)
						}
						lost++
						id, order := fmt.Sprint("after-", lost), int64(5000+lost)
						w.publish(messages.LaneRevoke, "soar", revocation(id, order))
						q := w.waitFor("soar", id, messages.EventRevokeRequested, 2*time.Minute)
						if err := w.sim.Approve(q.RequestID); err != nil {
							t.Fatal(err)
						}
						w.waitFor("soar", id, messages.EventRevoked, 5*time.Minute) // the sweep goes on
						w.publish(messages.LaneListDuplicates, "soar", fields{"id": id + "-list", "order_id": order})
						w.waitFor("soar", id+"-list", messages.EventDuplicatesListed, 2*time.Minute)
					}
				}
				if lost < 4 {
					t.Errorf("only %d keys were there", lost)
				}
			})
		})
	}
}
