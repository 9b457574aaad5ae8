package streams_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// Workers with different settings meet in a rolling deploy: nobody's wait gets
// shorter while he works.
func TestAckWaitGetsShorterOnlyWhenNobodyWorks(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		js, n, ctx := e.JetStream(), names(t), t.Context()
		apply(t, js, streams.Options{})
		wait := func(ask, want time.Duration) jetstream.Consumer {
			t.Helper()
			c, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, "soar", ask)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.CachedInfo().Config.AckWait; got != want {
				t.Errorf("asked for %v: %v, want %v", ask, got, want)
			}
			return c
		}
		c := wait(time.Minute, time.Minute)
		if _, err := js.Publish(ctx, n.CommandSubject(messages.LaneRevoke, "soar"), nil); err != nil {
			t.Fatal(err)
		}
		msg, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		wait(10*time.Second, time.Minute)
		wait(2*time.Minute, 2*time.Minute)
		if err := msg.DoubleAck(ctx); err != nil {
			t.Fatal(err)
		}
		wait(10*time.Second, 10*time.Second)
	})
}

func TestConsumerWithoutRoomIsRefused(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		js, n, ctx := e.JetStream(), names(t), t.Context()
		apply(t, js, streams.Options{})
		c, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, "soar", 0)
		if err != nil {
			t.Fatal(err)
		}
		cfg := c.CachedInfo().Config
		cfg.MaxAckPending = 100
		if _, err := js.UpdateConsumer(ctx, n.CommandsStream(), cfg); err != nil {
			t.Fatal(err)
		}
		var refusal *streams.Refusal
		if _, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, "soar", 0); !errors.As(err, &refusal) {
			t.Errorf("a consumer with room for 100 commands: %v", err)
		}
	})
}

func TestEnsureConsumerMakesItAgain(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		js, n, ctx := e.JetStream(), names(t), t.Context()
		apply(t, js, streams.Options{})
		if _, err := js.Publish(ctx, n.CommandSubject(messages.LaneRevoke, "soar"), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, "soar", time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := js.DeleteConsumer(ctx, n.CommandsStream(), "revoke=soar"); err != nil {
			t.Fatal(err)
		}
		c, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, "soar", 10*time.Second)
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
		if _, err := streams.EnsureConsumer(ctx, js, n, messages.LaneRevoke, "soar", 0); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("EnsureConsumer without its stream = %v, want %v", err, jetstream.ErrStreamNotFound)
		}
	})
}

// A producer that floods a lane is refused alone.
func TestAFloodIsRefusedAtItsOwnPublisher(t *testing.T) {
	t.Parallel()
	js, n, ctx := natstest.Start(t).JetStream(), names(t), t.Context()
	apply(t, js, streams.Options{})
	s, err := js.Stream(ctx, n.CommandsStream())
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxMsgsPerSubject = 3 // an operator's own limit
	if _, err := js.UpdateStream(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	apply(t, js, streams.Options{})
	publish := func(l messages.Lane, source string) error {
		_, err := js.Publish(ctx, n.CommandSubject(l, source), []byte("x"))
		return err
	}
	for range 3 {
		if err := publish(messages.LaneRevoke, "flood"); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish(messages.LaneRevoke, "flood"); !isCode(err, 10077) || !strings.Contains(err.Error(), "per subject") {
		t.Errorf("beyond its quota: %v", err)
	}
	for _, other := range []struct {
		lane   messages.Lane
		source string
	}{{messages.LaneRevoke, "soar"}, {messages.LaneRevokeUrgent, "flood"}} {
		if err := publish(other.lane, other.source); err != nil {
			t.Errorf("%s of %s: %v", other.lane, other.source, err)
		}
	}
	sources, err := streams.Sources(ctx, s, n)
	if err != nil {
		t.Fatal(err)
	}
	want := []streams.Queued{{messages.LaneRevoke, "flood", 3}, {messages.LaneRevoke, "soar", 1}, {messages.LaneRevokeUrgent, "flood", 1}}
	if diff := cmp.Diff(want, sources, cmpopts.SortSlices(func(a, b streams.Queued) bool {
		return string(a.Lane)+"="+a.Source < string(b.Lane)+"="+b.Source
	})); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}
