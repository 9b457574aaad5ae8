package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Timeout bounds one request: a cluster without a leader answers nothing, and
// the next attempt may find one.
const Timeout = 2 * time.Second

// Keys are the values of one type in a bucket. The zero value is of no use.
type Keys[T any] struct {
	bucket jetstream.KeyValue
	encode func(T) ([]byte, error)
	decode func([]byte) (T, error)
}

// JSON keeps values as JSON.
func JSON[T any](bucket jetstream.KeyValue) Keys[T] {
	return Keys[T]{
		bucket: bucket,
		encode: func(v T) ([]byte, error) { return json.Marshal(v) },
		decode: func(b []byte) (v T, err error) { return v, json.Unmarshal(b, &v) },
	}
}

// Raw keeps bytes as they are.
func Raw(bucket jetstream.KeyValue) Keys[[]byte] {
	same := func(b []byte) ([]byte, error) { return b, nil }
	return Keys[[]byte]{bucket: bucket, encode: same, decode: same}
}

// Entry is what stands under a key at one revision.
type Entry[T any] struct {
	Key   string
	Value T // zero if Gone, or if Err is set
	// Revision is that of the last change as far as it is known. [Keys.Get] gives
	// 0 where there is no value; [Keys.Follow] gives the removal's own.
	Revision uint64
	Stamp    time.Time // of the server, when it was stored
	Gone     bool      // there is no value
	// Anew says, once a key in [Keys.Follow], that the bucket was deleted and made
	// again, so that revisions below those known are news.
	Anew bool
	Err  error // wraps [ErrUnreadable]: there is a value, and it cannot be decoded
}

func (k Keys[T]) entry(e jetstream.KeyValueEntry) Entry[T] {
	out := Entry[T]{Key: e.Key(), Revision: e.Revision(), Stamp: e.Created(), Gone: e.Operation() != jetstream.KeyValuePut}
	if out.Gone {
		return out
	}
	var err error
	if out.Value, err = k.decode(e.Value()); err != nil {
		var none T
		out.Value, out.Err = none, fmt.Errorf("decoding %s: %w: %w", out.Key, ErrUnreadable, err)
	}
	return out
}

// Get reads a key. That there is none is no error: the entry is Gone, at
// revision 0. A value that cannot be decoded comes with its revision and an
// error that wraps [ErrUnreadable], so that it may be replaced.
func (k Keys[T]) Get(ctx context.Context, key string) (Entry[T], error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	e, err := k.bucket.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Entry[T]{Key: key, Gone: true}, nil
	}
	if err != nil {
		return Entry[T]{Key: key}, fmt.Errorf("reading %s: %w", key, err)
	}
	out := k.entry(e)
	return out, out.Err
}

// Swap stores the value if revision is still the key's last, 0 meaning that
// there is none, and returns the new one. The package tells what its errors say.
func (k Keys[T]) Swap(ctx context.Context, key string, value T, revision uint64) (uint64, error) {
	return k.write(ctx, key, value, func(ctx context.Context, b []byte) (uint64, error) {
		if revision == 0 {
			return k.bucket.Create(ctx, key, b)
		}
		return k.bucket.Update(ctx, key, b, revision)
	})
}

// Put stores the value whatever stands there: for keys that are no evidence.
func (k Keys[T]) Put(ctx context.Context, key string, value T) (uint64, error) {
	return k.write(ctx, key, value, func(ctx context.Context, b []byte) (uint64, error) {
		return k.bucket.Put(ctx, key, b)
	})
}

func (k Keys[T]) write(ctx context.Context, key string, value T, store func(context.Context, []byte) (uint64, error)) (uint64, error) {
	b, err := k.encode(value)
	if err != nil {
		return 0, fmt.Errorf("encoding %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	revision, err := store(ctx, b)
	if err != nil {
		return 0, fmt.Errorf("storing %s: %w", key, Judge(err))
	}
	return revision, nil
}

const (
	// markerTTL is how long the marker of a removed key stays: who follows the
	// bucket and is away for a moment still learns of it, and the markers of a
	// million commands do not pile up.
	markerTTL = time.Hour
	// codeTTLDisabled is the server's "per-message TTL is disabled".
	codeTTLDisabled jetstream.ErrorCode = 10166
)

// Remove removes a key for good, whatever stands there; that there is none is
// no error. The marker it leaves goes away by itself, unless the bucket was
// made without that (by somebody else).
func (k Keys[T]) Remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	err := k.bucket.Purge(ctx, key, jetstream.PurgeTTL(markerTTL))
	if code(err) == codeTTLDisabled {
		err = k.bucket.Purge(ctx, key)
	}
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("removing %s: %w", key, Judge(err))
	}
	return nil
}
