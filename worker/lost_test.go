package worker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

func (w *world) publishMany(prefix string, n int) {
	for i := range n {
		w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint(prefix, i), int64(100+i), fields{"skip_approval": true}))
	}
}

func (w *world) answeredOnce(prefix string, n int, patience time.Duration) {
	w.t.Helper()
	for i := range n {
		w.waitFor("soar", fmt.Sprint(prefix, i), messages.EventRevoked, patience)
		if n := w.effective(int64(100 + i)); n != 1 {
			w.t.Errorf("order %d: %d effective PUTs", 100+i, n)
		}
	}
}

func TestConsumerDeletedUnderTheWorker(t *testing.T) {
	inWorld(t, digicertsim.Options{Latency: 200 * time.Millisecond}, func(t *testing.T, w *world) {
		worker := w.start()
		w.publishMany("a", 30)
		w.pass(1500 * time.Millisecond)
		if err := w.js.DeleteConsumer(t.Context(), w.names.CommandsStream(), revokeSoar); err != nil {
			t.Fatal(err)
		}
		w.answeredOnce("a", 30, time.Minute)
		w.pass(time.Minute)
		if r := worker.Ready(); !r.Ready {
			t.Errorf("readiness %+v", r)
		}
		w.quiet()
	})
}

// A stream made again has new sequences; what it gets is carried, under origins of its own.
func TestCommandsStreamMadeAgain(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.publish(messages.LaneRevoke, "soar", []byte(`{"id":"bad","order_id":1}`))
		w.waitFor("soar", "bad", messages.EventCommandRejected, time.Minute)
		s, err := w.js.Stream(t.Context(), w.names.CommandsStream())
		if err != nil {
			t.Fatal(err)
		}
		config := s.CachedInfo().Config
		if err := w.js.DeleteStream(t.Context(), config.Name); err != nil {
			t.Fatal(err)
		}
		w.pass(30 * time.Second)
		if r := worker.Ready(); r.Ready {
			t.Error("ready without its stream")
		}
		if _, err := w.js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if r := worker.Ready(); !r.Ready {
			t.Errorf("readiness %+v", r)
		}
		w.publish(messages.LaneRevoke, "soar", []byte(`{"id":"bad2","order_id":1}`))
		e := w.waitFor("soar", "bad2", messages.EventCommandRejected, time.Minute)
		first := w.events("soar", "bad")[0]
		if e.Origin == first.Origin {
			t.Errorf("two messages have the origin %s", e.Origin)
		}
	})
}

func TestNATSAwayForTenSeconds(t *testing.T) {
	inWorld(t, digicertsim.Options{Latency: 300 * time.Millisecond}, func(t *testing.T, w *world) {
		// The way to the server is cut, not the server stopped: a server that ends
		// in a bubble can wait for fake time with a lock held. Proofs restart it.
		ice := &ice{env: w.env}
		worker := w.startFrozen(ice, nil)
		w.publishMany("a", 60)
		w.pass(700 * time.Millisecond)
		ice.freeze()
		w.pass(10 * time.Second)
		if r := worker.Ready(); r.Ready || !slices.ContainsFunc(r.Reasons, func(r ReadyReason) bool { return r.Gate == gateNATS }) {
			t.Errorf("readiness %+v", r)
		}
		if n := w.sim.CallCount(); n > 60 {
			t.Errorf("%d calls", n)
		}
		ice.thaw()
		w.pass(10 * time.Second)
		w.answeredOnce("a", 60, 3*time.Minute)
		w.pass(time.Minute)
		if r := worker.Ready(); !r.Ready {
			t.Errorf("readiness %+v", r)
		}
		w.quiet()
	})
}

// What is in hand at the stop is recorded or given back, never left to the ack wait.
func TestStopWithCommandsInHand(t *testing.T) {
	for name, c := range map[string]struct {
		latency, grace time.Duration
	}{
		"calls end in the grace":     {2 * time.Second, 25 * time.Second},
		"calls outlive the grace":    {15 * time.Second, 5 * time.Second},
		"no grace, an answer is cut": {10 * time.Second, time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{Latency: c.latency}, func(t *testing.T, w *world) {
				worker := w.start(func(cfg *Config) { cfg.ShutdownGrace, cfg.AckWait = c.grace, 10*time.Minute })
				w.publishMany("a", 30)
				w.pass(c.latency + time.Second)
				began := time.Now()
				worker.stop()
				if took := time.Since(began); took > c.grace+shutdownRecordTimeout+2*time.Second {
					t.Errorf("stopping took %s", took)
				}
				w.start(func(cfg *Config) { cfg.AckWait, cfg.Concurrency = 10*time.Minute, 32 })
				w.answeredOnce("a", 30, 4*time.Minute) // less than the ack wait: all were given back
				w.pass(time.Minute)
				w.quiet()
			})
		})
	}
}

func TestEventsStreamAwayIsNoBusyLoop(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		config := w.streamConfig(w.names.EventsStream())
		if err := w.js.DeleteStream(t.Context(), config.Name); err != nil {
			t.Fatal(err)
		}
		w.publish(messages.LaneRevoke, "soar", []byte(`{"id":"bad","order_id":1}`))
		w.pass(5 * time.Minute)
		consumer, err := w.js.Consumer(t.Context(), w.names.CommandsStream(), revokeSoar)
		if err != nil {
			t.Fatal(err)
		}
		if n := consumer.CachedInfo().Delivered.Consumer; n > 300 {
			t.Errorf("%d deliveries in five minutes", n)
		}
		if _, err := w.js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "bad", messages.EventCommandRejected, time.Minute)
	})
}

func (w *world) streamConfig(name string) jetstream.StreamConfig {
	w.t.Helper()
	s, err := w.js.Stream(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.CachedInfo().Config
}
