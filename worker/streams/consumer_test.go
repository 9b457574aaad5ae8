package streams_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

func TestEnsureConsumerMakesItAgain(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		js, n, ctx := e.JetStream(), names(t), t.Context()
		apply(t, js, streams.Options{})
		if _, err := js.Publish(ctx, n.CommandSubject(messages.LaneRevoke, "soar"), nil); err != nil {
			t.Fatal(err)
		}
		if err := js.DeleteConsumer(ctx, n.CommandsStream(), "revoke"); err != nil {
			t.Fatal(err)
		}
		c, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		// Delivered, and again once the AckWait that was asked for is over.
		began := time.Now()
		for _, want := range []time.Duration{0, 10 * time.Second} {
			if _, err := c.Next(jetstream.FetchMaxWait(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began).Round(time.Second); got != want {
				t.Errorf("delivered after %v, want %v", got, want)
			}
		}
		if err := js.DeleteStream(ctx, n.CommandsStream()); err != nil {
			t.Fatal(err)
		}
		if _, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, 0); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("EnsureConsumer without its stream = %v, want %v", err, jetstream.ErrStreamNotFound)
		}
	})
}
