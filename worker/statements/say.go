package statements

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Say stores a statement of s.Operator and gives it back with the server's
// stamp. At is set where it is zero.
func Say(ctx context.Context, kv jetstream.KeyValue, s Statement) (Statement, error) {
	if err := ValidOperator(s.Operator); err != nil {
		return s, err
	}
	if s.At.IsZero() {
		s.At = time.Now().UTC().Truncate(time.Millisecond)
	}
	value, err := json.Marshal(s.Words)
	if err != nil {
		return s, fmt.Errorf("encoding %s: %w", s.Key(), err)
	}
	revision, err := kv.Put(ctx, s.Key(), value)
	if err != nil {
		return s, fmt.Errorf("storing %s: %w%s", s.Key(), err, hint(kv, s, err))
	}
	e, err := kv.GetRevision(ctx, s.Key(), revision)
	if err != nil {
		return s, fmt.Errorf("reading back %s, which is stored: %w", s.Key(), err)
	}
	s.Stamp, s.Revision = e.Created(), e.Revision()
	return s, nil
}

// hint says what a refused or unanswered write usually means: NATS drops it
// without an answer where the user may not speak under this name.
func hint(kv jetstream.KeyValue, s Statement, err error) string {
	if !errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	return fmt.Sprintf(": may this NATS user write $KV.%s.op.%s.>? NATS lets an operator speak under its own name only: set --operator", kv.Bucket(), s.Operator)
}

// List gives the statements in the bucket whose keys match, as "op.*.pause.>",
// in the order of the server's stamps, keys that were deleted among them. With
// history it gives those too that a later one of the same operator replaced, as
// far as the bucket keeps them.
func List(ctx context.Context, kv jetstream.KeyValue, keys string, history bool) ([]Statement, error) {
	ctx, cancel := context.WithCancel(ctx)
	var options []jetstream.WatchOpt
	if history {
		options = append(options, jetstream.IncludeHistory())
	}
	w, err := kv.Watch(ctx, keys, options...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("listing statements: %w", err)
	}
	defer Drain(w, cancel)
	var all []Statement
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, fmt.Errorf("listing statements: %w", ErrWatchEnded)
			}
			if e == nil && !history {
				return latest(all), nil
			}
			if e == nil {
				return all, nil
			}
			if s, ok := Of(e); ok {
				all = append(all, s)
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("listing statements: %w", context.Cause(ctx))
		}
	}
}

// latest leaves out what a later statement under the same key replaced: a
// bucket opened by package streams gives its history always.
func latest(all []Statement) []Statement {
	last := map[string]uint64{}
	for _, s := range all {
		last[s.Key()] = s.Revision
	}
	return slices.DeleteFunc(all, func(s Statement) bool { return last[s.Key()] != s.Revision })
}

// ErrWatchEnded says that a watch ended with its connection.
var ErrWatchEnded = errors.New("the connection to NATS was closed")

// Drain ends a watch and waits until its subscription has ended.
func Drain(w jetstream.KeyWatcher, cancel context.CancelFunc) {
	cancel()
	for range w.Updates() {
		continue
	}
}
