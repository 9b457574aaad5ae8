package gate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
)

var operator = Order{By: "mira", Reason: "wrong file"}

func TestNothingStartsBeforeTheControlKeysWereRead(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		js := e.JetStream()
		kv := bucket(t, js)
		if err := Pause(t.Context(), kv, Listings, operator); err != nil {
			t.Fatal(err)
		}
		missing := bucketAway(t, js)
		b := run(t, kv)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		if err := b.Wait(ctx, Revocations); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait without a control bucket = %v, want the end of its context", err)
		}
		wantClosed(b, Revocations, Paused)
		missing()
		if err := Pause(t.Context(), kv, Listings, operator); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := b.Wait(t.Context(), Revocations); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("read %v after the bucket came", d)
		}
		wantClosed(b, Listings, Paused)
		wantClosed(b, Revocations)
		wantEqual(t, "changes", b.changed(), []string{"+paused listings"})
	})
}

// bucketAway removes the bucket; what it returns makes it again, empty.
func bucketAway(t *testing.T, js jetstream.JetStream) func() {
	t.Helper()
	if err := js.DeleteKeyValue(t.Context(), "CONTROL"); err != nil {
		t.Fatal(err)
	}
	return func() { bucket(t, js) }
}

func TestPauseIsSeenWithinASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		began := time.Now()
		if err := Pause(ctx, b.kv, Revocations, operator); err != nil {
			t.Fatal(err)
		}
		wantClosed(b, Revocations, Paused)
		wantClosed(b, Listings)
		r, _ := b.Closed(Revocations)
		if !r.Since.Equal(began) || r.Kind != Revocations || r.By != operator.By || strings.Contains(r.Detail, operator.By) || !strings.Contains(r.Detail, operator.Reason) {
			t.Errorf("reason = %+v, want since %v, with who (not in the detail, which everybody sees) and why", r, began)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("seen after %v", d)
		}

		// Given anew: the reason changes, the gate does not.
		time.Sleep(time.Minute) // synctest
		if err := Pause(ctx, b.kv, Both, Order{"omar", "drill"}); err != nil {
			t.Fatal(err)
		}
		wantClosed(b, Listings, Paused)
		if r, _ := b.Closed(Revocations); !strings.Contains(r.Detail, "drill") || !r.Since.Equal(began) {
			t.Errorf("reason = %+v, want the new one since %v", r, began)
		}
		waited := make(chan error, 1)
		go func() { waited <- b.Wait(ctx, Listings) }()
		synctest.Wait()
		if err := Resume(ctx, b.kv, Listings, operator); err != nil {
			t.Fatal(err)
		}
		if err := <-waited; err != nil {
			t.Error(err)
		}
		wantClosed(b, Revocations, Paused)
		if err := Resume(ctx, b.kv, Both, operator); err != nil {
			t.Fatal(err)
		}
		wantClosed(b, Both)
		wantEqual(t, "changes", b.changed(),
			[]string{"+paused revocations", "+paused listings", "-paused listings", "-paused revocations"})
	})
}

// Who writes keys by hand pauses too, as far as the key can be understood.
func TestAPauseByHandIsAPause(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for key, kinds := range map[string][]Kind{
			"op.mira.pause.revocations": {Revocations},
			"op.omar.pause.listings":    {Listings},
			"op.mira.pause.all":         {Revocations, Listings},
		} {
			if _, err := b.kv.Put(t.Context(), key, []byte("stop!")); err != nil {
				t.Fatal(err)
			}
			for _, k := range kinds {
				wantClosed(b, k, Paused)
			}
			if err := Resume(t.Context(), b.kv, Both, operator); err != nil {
				t.Fatal(err)
			}
			wantClosed(b, Both)
		}
	})
}

// The consumer behind a watch can vanish; the client notices by its heartbeats.
func TestALostWatchIsRestored(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		js := e.JetStream()
		b := run(t, bucket(t, js))
		if err := b.Wait(t.Context(), Both); err != nil {
			t.Fatal(err)
		}
		s, err := js.Stream(t.Context(), "KV_CONTROL")
		if err != nil {
			t.Fatal(err)
		}
		lost := 0
		for name := range s.ConsumerNames(t.Context()).Name() {
			if err := s.DeleteConsumer(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			lost++
		}
		if lost == 0 {
			t.Fatal("there was no watch to lose")
		}
		if err := Pause(t.Context(), b.kv, Revocations, operator); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Second) // synctest
		wantClosed(b, Revocations, Paused)
	})
}

func TestAReconnectRestoresTheWatchAtOnce(t *testing.T) {
	natstest.LoneBubble(t, func(t *testing.T, e *natstest.Env) {
		nc := e.Conn()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		b := run(t, bucket(t, js), func(c *Config) { c.Conn = nc })
		if err := b.Wait(t.Context(), Both); err != nil {
			t.Fatal(err)
		}
		if err := Pause(t.Context(), b.kv, Listings, operator); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the watch has it
		e.StopServer()
		time.Sleep(time.Minute)         // synctest
		wantClosed(b, Listings, Paused) // what was known stays in force
		e.StartServer()
		other, err := e.JetStream().KeyValue(t.Context(), "CONTROL")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(Resume(t.Context(), other, Listings, operator), Pause(t.Context(), other, Revocations, operator)); err != nil {
			t.Fatal(err)
		}
		for !nc.IsConnected() {
			time.Sleep(10 * time.Millisecond) // synctest
		}
		time.Sleep(time.Second) // synctest
		wantClosed(b, Revocations, Paused)
		wantClosed(b, Listings)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		if err := Pause(t.Context(), b.kv, Both, operator); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stopping := errors.New("stopping")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Hour, func() { cancel(stopping) })
		if err := b.Wait(ctx, Revocations); !errors.Is(err, stopping) {
			t.Errorf("Wait = %v, want %v", err, stopping)
		}
	})
}
