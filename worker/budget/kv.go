package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// callTimeout bounds one call of the key-value store.
	callTimeout = 2 * time.Second
	forever     = time.Duration(1 << 62)
)

// errConflict says that a write was not done because the record had changed.
var errConflict = errors.New("the record has changed")

// An entry is a record as it was read. One that is gone has the revision of its deletion, 0 if that is not known.
type entry struct {
	value []byte
	gone  bool
	rev   uint64
	stamp time.Time // the server's, of its writing
}

// get reads a key. It is no error that there is none.
func get(ctx context.Context, kv jetstream.KeyValue, key string) (entry, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	e, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return entry{gone: true}, nil
	}
	if err != nil {
		return entry{}, err
	}
	return entry{value: e.Value(), rev: e.Revision(), stamp: e.Created()}, nil
}

// compareAndSwap writes a key if its revision is rev, 0 for none. After errConflict nothing was written; after any other
// error something may have been.
func compareAndSwap(ctx context.Context, kv jetstream.KeyValue, key string, value []byte, rev uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var err error
	if rev == 0 {
		rev, err = kv.Create(ctx, key, value)
	} else {
		rev, err = kv.Update(ctx, key, value, rev)
	}
	var api *jetstream.APIError
	switch {
	case err == nil:
		return rev, nil
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch), errors.Is(err, jetstream.ErrKeyExists),
		errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return 0, errConflict
	}
	return 0, err
}

// sleep waits for d, or until something arrives on wake.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	var expired <-chan time.Time
	if d < forever {
		timer := time.NewTimer(d)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-expired:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// signal puts a value into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// spread returns a random time up to d.
func spread(d time.Duration) time.Duration { return rand.N(d + 1) }

// A backoff is the pause between tries while the store is out of reach: from 50 ms doubling to 2 s, with full jitter.
type backoff struct{ tries int }

func (b *backoff) next() time.Duration {
	d := min(50*time.Millisecond<<min(b.tries, 10), 2*time.Second)
	b.tries++
	return d/10 + spread(d)
}

func (b *backoff) reset() { b.tries = 0 }
