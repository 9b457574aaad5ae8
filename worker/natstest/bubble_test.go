package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestBubbleDelaysRedeliveryInFakeTime(t *testing.T) {
	t.Parallel()
	Bubble(t, func(t *testing.T, e *Env) {
		js := e.JetStream()
		ctx := t.Context()
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "C", Subjects: []string{"c.>"}, Retention: jetstream.WorkQueuePolicy}); err != nil {
			t.Fatal(err)
		}
		cons, err := js.CreateConsumer(ctx, "C", jetstream.ConsumerConfig{Durable: "w", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(ctx, "c.1", nil); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, want := range []time.Duration{0, 2 * time.Hour, 2*time.Hour + 30*time.Second} {
			m, err := cons.Next(jetstream.FetchMaxWait(24 * time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began).Round(time.Second); got != want {
				t.Errorf("delivered after %v, want %v", got, want)
			}
			if want == 0 {
				_ = m.NakWithDelay(2 * time.Hour)
			}
		}
	})
}
