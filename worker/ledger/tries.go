package ledger

import (
	"context"
	"errors"
	"fmt"

	"certrecall/worker/streams/kv"
)

// Listings and dry runs have no order record: a note of their own serves the
// retry budget and the count of attempts, and nothing else.

func tryKey(source, id string) string { return "try." + source + "." + id }

// Tries reads the note of a command that only reads; the zero Note if it has
// none that can be understood.
func (l *Ledger) Tries(ctx context.Context, source, id string) (Note, error) {
	e, err := l.tries.Get(ctx, tryKey(source, id))
	if err != nil && !errors.Is(err, kv.ErrUnreadable) {
		return Note{}, fmt.Errorf("reading tries of %s/%s: %w", source, id, err)
	}
	return e.Value, nil
}

// SetTries stores the note of a command that only reads.
func (l *Ledger) SetTries(ctx context.Context, source, id string, n Note) error {
	if _, err := l.tries.Put(ctx, tryKey(source, id), n); err != nil {
		return fmt.Errorf("storing tries of %s/%s: %w", source, id, err)
	}
	return nil
}

// ForgetTries drops the note; the command's final event is stored.
func (l *Ledger) ForgetTries(ctx context.Context, source, id string) error {
	if err := l.tries.Remove(ctx, tryKey(source, id)); err != nil {
		return fmt.Errorf("dropping tries of %s/%s: %w", source, id, err)
	}
	return nil
}
