package streams_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// stored fills a stream of 3,000 messages in turn under x.0, x.1 and x.2.
func stored(t *testing.T, direct bool) jetstream.JetStream {
	t.Helper()
	js := natstest.Start(t).JetStream()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"x.>"}, AllowDirect: direct}); err != nil {
		t.Fatal(err)
	}
	for i := range 3000 {
		if _, err := js.PublishAsync(fmt.Sprintf("x.%d", i%3), []byte("body")); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return js
}

func TestReadGivesWhatMatchesInOrder(t *testing.T) {
	for _, direct := range []bool{true, false} {
		js := stored(t, direct)
		s, err := js.Stream(t.Context(), "S")
		if err != nil {
			t.Fatal(err)
		}
		for _, removed := range []uint64{2, 500, 3000} {
			if err := s.DeleteMsg(t.Context(), removed); err != nil {
				t.Fatal(err)
			}
		}
		for name, test := range map[string]struct {
			query streams.Query
			want  func(sequence uint64) bool
		}{
			"all":         {streams.Query{}, func(uint64) bool { return true }},
			"one subject": {streams.Query{Subjects: []string{"x.1"}}, func(n uint64) bool { return n%3 == 2 }},
			"two":         {streams.Query{Subjects: []string{"x.2", "x.0"}}, func(n uint64) bool { return n%3 != 2 }},
			"from":        {streams.Query{Subjects: []string{"x.0"}, From: 2500}, func(n uint64) bool { return n%3 == 1 && n >= 2500 }},
			"nothing":     {streams.Query{Subjects: []string{"x.9"}}, func(uint64) bool { return false }},
			"past it":     {streams.Query{From: 3001}, func(uint64) bool { return false }},
		} {
			var want, got []uint64
			for n := uint64(1); n <= 3000; n++ {
				if n != 2 && n != 500 && n != 3000 && test.want(n) {
					want = append(want, n)
				}
			}
			test.query.Stream = "S"
			err := streams.Read(t.Context(), js, test.query, func(m *jetstream.RawStreamMsg) bool {
				if string(m.Data) != "body" || m.Time.IsZero() || m.Subject != fmt.Sprintf("x.%d", (m.Sequence-1)%3) || len(m.Header) > 0 {
					t.Errorf("message %d: %s %s %v %v", m.Sequence, m.Subject, m.Data, m.Time, m.Header)
				}
				got = append(got, m.Sequence)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("direct %v, %s (-want +got):\n%s", direct, name, diff)
			}
		}
	}
}

func TestReadStopsWhereItIsTold(t *testing.T) {
	for _, direct := range []bool{true, false} {
		js, n := stored(t, direct), 0
		err := streams.Read(t.Context(), js, streams.Query{Stream: "S"}, func(*jetstream.RawStreamMsg) bool { n++; return n < 7 })
		if err != nil || n != 7 {
			t.Errorf("direct %v: %d messages, %v; want 7", direct, n, err)
		}
	}
}

func TestReadFollowsThroughARestart(t *testing.T) {
	natstest.LoneBubble(t, func(t *testing.T, e *natstest.Env) {
		js := e.JetStream()
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"x.>"}}); err != nil {
			t.Fatal(err)
		}
		publish := func(subject string) {
			t.Helper()
			if _, err := js.Publish(t.Context(), subject, nil); err != nil {
				t.Fatal(err)
			}
		}
		publish("x.1")
		ctx, cancel := context.WithCancel(t.Context())
		got, done := make(chan string, 10), make(chan error, 1)
		go func() {
			done <- streams.Read(ctx, js, streams.Query{Stream: "S", Subjects: []string{"x.*"}, Follow: true},
				func(m *jetstream.RawStreamMsg) bool { got <- m.Subject; return true })
		}()
		want := func(subject string) {
			t.Helper()
			select {
			case s := <-got:
				if s != subject {
					t.Errorf("got %s, want %s", s, subject)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%s did not come", subject)
			}
		}
		want("x.1")
		publish("x.2")
		want("x.2")
		e.StopServer()
		time.Sleep(20 * time.Second) // synctest
		e.StartServer()
		time.Sleep(10 * time.Second) // synctest: the client connects again
		publish("x.3")
		want("x.3")
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Read = %v, want the end of its context", err)
		}
	})
}

func TestBucketIsWatched(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		n, err := messages.NewNames("certrecall")
		if err != nil {
			t.Fatal(err)
		}
		ctx, js := t.Context(), e.JetStream()
		if err := streams.Apply(ctx, js, n, streams.Options{}); err != nil {
			t.Fatal(err)
		}
		s, err := streams.Open(ctx, js, n)
		if err != nil {
			t.Fatal(err)
		}
		put := func(key, value string) {
			t.Helper()
			if _, err := s.Budget.PutString(ctx, key, value); err != nil {
				t.Fatal(err)
			}
		}
		put("a.1", "one")
		put("b.1", "not watched")
		put("a.2", "gone")
		if err := s.Budget.Delete(ctx, "a.2"); err != nil {
			t.Fatal(err)
		}
		w, err := s.Budget.WatchFiltered(ctx, []string{"a.>", "c"})
		if err != nil {
			t.Fatal(err)
		}
		want := func(what string) {
			t.Helper()
			began, got := time.Now(), "closed"
			if e, ok := <-w.Updates(); ok {
				got = "all"
				if e != nil {
					got = fmt.Sprintf("%s %s %s", e.Operation(), e.Key(), e.Value())
				}
			}
			if got != what {
				t.Errorf("got %q, want %q", got, what)
			}
			if late := time.Since(began); late > time.Second && what != "closed" {
				t.Errorf("%s came after %v", what, late)
			}
		}
		want("KeyValuePutOp a.1 one")
		want("KeyValueDeleteOp a.2 ")
		want("all")
		time.Sleep(time.Minute) // synctest: long after any other write
		put("c", "new")
		want("KeyValuePutOp c new")
		put("a.1", "two")
		want("KeyValuePutOp a.1 two")
		if err := s.Budget.Delete(ctx, "a.1"); err != nil {
			t.Fatal(err)
		}
		want("KeyValueDeleteOp a.1 ")

		// A bucket made anew counts its revisions anew: whoever watches has to begin anew, too.
		if err := js.DeleteKeyValue(ctx, n.BudgetBucket()); err != nil {
			t.Fatal(err)
		}
		if err := streams.Apply(ctx, js, n, streams.Options{}); err != nil {
			t.Fatal(err)
		}
		want("closed")

		if w, err = s.Budget.WatchAll(ctx); err != nil {
			t.Fatal(err)
		}
		want("all")
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		want("closed")
	})
}
