package worker

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/client/digicertsim"
	"certrecall/worker/gate"
)

// revokeSoar is the consumer of what most tests send.
const revokeSoar = "revoke=soar"

// pulls hears how many messages the workers ask for in the lane of revocations.
func (w *world) pulls() func() []int {
	w.t.Helper()
	sub, err := w.env.Conn().SubscribeSync("$JS.API.CONSUMER.MSG.NEXT." + w.names.CommandsStream() + "." + revokeSoar)
	if err != nil {
		w.t.Fatal(err)
	}
	return func() []int {
		w.t.Helper()
		var asked []int
		for {
			m, err := sub.NextMsg(time.Second)
			if err == nats.ErrTimeout { //nolint:errorlint // it is never wrapped
				return asked
			}
			if err != nil {
				w.t.Fatal(err)
			}
			var pull struct {
				Batch int `json:"batch"`
			}
			if err := json.Unmarshal(m.Data, &pull); err != nil {
				w.t.Fatal(err)
			}
			asked = append(asked, pull.Batch)
		}
	}
}

// A queue that waits is taken in pulls as wide as there are free slots, and no
// message waits in a worker for its slot.
func TestPullsFillTheFreeSlots(t *testing.T) {
	inWorld(t, digicertsim.Options{Latency: 5 * time.Second}, func(t *testing.T, w *world) {
		w.start().stop() // makes the streams
		w.publishMany("a", 40)
		asked := w.pulls()
		w.start(func(c *Config) { c.Concurrency = 8 })
		w.pass(8 * time.Second) // the probe, and half of the first calls
		consumer, err := w.js.Consumer(t.Context(), w.names.CommandsStream(), revokeSoar)
		if err != nil {
			t.Fatal(err)
		}
		if i := consumer.CachedInfo(); i.NumAckPending != 8 || i.NumPending != 32 {
			t.Errorf("%d commands taken, %d left, want 8 and 32", i.NumAckPending, i.NumPending)
		}
		if got := asked(); !slices.Equal(got, []int{1, 7}) {
			t.Errorf("pulls of %v messages, want 1 and 7", got)
		}
		w.answeredOnce("a", 40, time.Minute)
		w.pass(time.Minute)
		i, err := consumer.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i.Delivered.Consumer != 40 || i.NumRedelivered != 0 {
			t.Errorf("%d deliveries, %d of them again, want 40 and 0", i.Delivered.Consumer, i.NumRedelivered)
		}
		w.quiet()
	})
}

func (w *world) allPuts() (n int) {
	for order := range int64(40) {
		n += len(w.puts(100 + order))
	}
	return n
}

// What a pull of many brings in after the operator's pause goes back unharmed.
func TestPauseEndsWidePulls(t *testing.T) {
	inWorld(t, digicertsim.Options{Latency: 5 * time.Second}, func(t *testing.T, w *world) {
		w.start().stop()
		w.publishMany("a", 40)
		w.start(func(c *Config) { c.Concurrency = 8 })
		w.pass(8 * time.Second) // the probe, and half of the first calls
		if err := gate.Pause(t.Context(), w.control(), gate.Both, gate.Order{By: "operator", Reason: "look first"}); err != nil {
			t.Fatal(err)
		}
		asked := w.pulls()
		w.pass(time.Minute)
		if got := asked(); len(got) != 0 {
			t.Errorf("pulls of %v messages in a pause", got)
		}
		if n := w.allPuts(); n != 8 {
			t.Errorf("%d calls, want the 8 that had begun", n)
		}
		if err := gate.Resume(t.Context(), w.control(), gate.Both, gate.Order{By: "operator", Reason: "seen"}); err != nil {
			t.Fatal(err)
		}
		w.answeredOnce("a", 40, 2*time.Minute)
		w.quiet()
	})
}
