package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/streams"
)

// Listings and dry runs have no order record: a note of their own serves the
// retry budget and the count of attempts, and nothing else.

func tryKey(source, id string) string { return "try." + source + "." + id }

// Tries reads the note of a command that only reads; the zero Note if it has none.
func (l *Ledger) Tries(ctx context.Context, source, id string) (Note, error) {
	var n Note
	e, err := l.kv.Get(ctx, tryKey(source, id))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return n, nil
	}
	if err != nil {
		return n, fmt.Errorf("reading tries of %s/%s: %w", source, id, err)
	}
	if err := json.Unmarshal(e.Value(), &n); err != nil {
		return Note{}, fmt.Errorf("decoding %s: %w", e.Key(), err)
	}
	return n, nil
}

// SetTries stores the note of a command that only reads.
func (l *Ledger) SetTries(ctx context.Context, source, id string, n Note) error {
	value, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encoding tries: %w", err)
	}
	if _, err := l.kv.Put(ctx, tryKey(source, id), value); err != nil {
		return fmt.Errorf("storing tries of %s/%s: %w", source, id, err)
	}
	return nil
}

// ForgetTries drops the note; the command's final event is stored.
func (l *Ledger) ForgetTries(ctx context.Context, source, id string) error {
	if err := streams.Remove(ctx, l.kv, tryKey(source, id)); err != nil {
		return fmt.Errorf("dropping tries of %s/%s: %w", source, id, err)
	}
	return nil
}
