package approvals

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
)

// begun is a round whose sweeper holds the turn.
func begun(t *testing.T, control jetstream.KeyValue) *round {
	t.Helper()
	s := New(Config{Budget: control, Poll: time.Minute, Now: time.Now})
	turn, _, err := s.take(t.Context())
	if err != nil || turn == nil {
		t.Fatalf("taking the turn: %v, %v", turn, err)
	}
	return &round{Sweeper: s, turn: turn}
}

func inBucket(t *testing.T, f func(t *testing.T, control jetstream.KeyValue)) {
	t.Helper()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		control, err := e.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "control"})
		if err != nil {
			t.Fatal(err)
		}
		f(t, control)
	})
}

// TestTurnIsKept: however long the calls of a sweep wait for their permits, no
// other sweeps meanwhile.
func TestTurnIsKept(t *testing.T) {
	inBucket(t, func(t *testing.T, control jetstream.KeyValue) {
		r := begun(t, control)
		var done atomic.Int32
		var todo []func() error
		for range 3 * parallel {
			todo = append(todo, func() error {
				time.Sleep(10 * time.Minute) // exact in synctest
				done.Add(1)
				return nil
			})
		}
		ended := make(chan error, 1)
		go func() { ended <- r.each(t.Context(), todo) }()
		for range 29 {
			time.Sleep(time.Minute) // exact in synctest
			if other, left, err := New(r.cfg).take(t.Context()); other != nil || left <= 0 || err != nil {
				t.Fatalf("another took the turn: %v, %s, %v", other, left, err)
			}
		}
		if err := <-ended; err != nil || int(done.Load()) != len(todo) {
			t.Errorf("%d of %d done: %v", done.Load(), len(todo), err)
		}
	})
}

// TestTurnIsLost: once another has the turn, a sweep begins nothing more; what
// it has begun ends, its failures too.
func TestTurnIsLost(t *testing.T) {
	inBucket(t, func(t *testing.T, control jetstream.KeyValue) {
		r := begun(t, control)
		failed := errors.New("the call failed")
		var begunOnes atomic.Int32
		var todo []func() error
		for range 2 * parallel {
			todo = append(todo, func() error {
				begunOnes.Add(1)
				time.Sleep(10 * time.Minute) // exact in synctest
				return failed
			})
		}
		ended := make(chan error, 1)
		go func() { ended <- r.each(context.WithoutCancel(t.Context()), todo) }()
		synctest.Wait()
		if _, err := control.Put(t.Context(), Key, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		err := <-ended
		if !errors.Is(err, errTurnLost) || !errors.Is(err, failed) || begunOnes.Load() != parallel {
			t.Errorf("%d begun of %d, want %d: %v", begunOnes.Load(), len(todo), parallel, err)
		}
	})
}
