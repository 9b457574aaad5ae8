package ledger

import (
	"context"
	"errors"
	"fmt"

	"certrecall/messages"
	"certrecall/worker/streams/kv"
)

// Listings and dry runs have no order record: a note of their own serves the
// retry budget and the count of attempts, and nothing else.

func tryKey(c messages.CommandName) string { return "try." + c.Key() }

// Tries reads the note of a command that only reads; the zero Note if it has
// none that can be understood.
func (l *Ledger) Tries(ctx context.Context, c messages.CommandName) (Note, error) {
	e, err := l.tries.Get(ctx, tryKey(c))
	if err != nil && !errors.Is(err, kv.ErrUnreadable) {
		return Note{}, fmt.Errorf("reading tries of %s: %w", c, err)
	}
	return e.Value, nil
}

// SetTries stores the note of a command that only reads.
func (l *Ledger) SetTries(ctx context.Context, c messages.CommandName, n Note) error {
	if _, err := l.tries.Put(ctx, tryKey(c), n); err != nil {
		return fmt.Errorf("storing tries of %s: %w", c, err)
	}
	return nil
}

// ForgetTries drops the note; the command's final event is stored.
func (l *Ledger) ForgetTries(ctx context.Context, c messages.CommandName) error {
	if err := l.tries.Remove(ctx, tryKey(c)); err != nil {
		return fmt.Errorf("dropping tries of %s: %w", c, err)
	}
	return nil
}
