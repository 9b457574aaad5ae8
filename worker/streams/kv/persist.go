package kv

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// roomPatience is how long [Persist] goes on against a store without room:
// who holds something meanwhile gives it back, and comes again later.
const roomPatience = 5 * time.Second

// Persist repeats op, after pauses of up to a second, until it succeeds, ctx
// ends, the store has had no room for some seconds, or trying again does not
// help: [ErrUnreadable], or an error marked by [Final].
func Persist(ctx context.Context, op func(context.Context) error) error {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(20*time.Millisecond),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxInterval(time.Second),
		backoff.WithMaxElapsedTime(0),
	)
	var noRoomSince time.Time
	return backoff.Retry(func() error {
		err := op(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return backoff.Permanent(errors.Join(context.Cause(ctx), err))
		case errors.Is(err, ErrUnreadable):
			return backoff.Permanent(err)
		case !errors.Is(err, ErrNoRoom):
			noRoomSince = time.Time{}
		case noRoomSince.IsZero():
			noRoomSince = time.Now()
		case time.Since(noRoomSince) > roomPatience:
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(pause, ctx))
}

// Final marks an error that trying again does not mend.
func Final(err error) error { return backoff.Permanent(err) }

// errKeep lets a change end an [Keys.Update] without storing anything.
var errKeep = errors.New("nothing to change")

// Update changes the value until the change is stored or [Persist] gives up,
// beginning from hint, which may be stale, or from what is there if hint has
// no key of its own revision (see [Keys.Get]). change gets the entry, must be
// idempotent (after a swap whose answer was lost it meets its own result), and
// reports false to store nothing. With an error comes the last entry that was
// tried, which a later swap takes only if nobody changed the key since.
func (k Keys[T]) Update(ctx context.Context, hint Entry[T], change func(*Entry[T]) bool) (Entry[T], error) {
	e, stale := hint, false
	err := Persist(ctx, func(ctx context.Context) error {
		if stale {
			now, err := k.Get(ctx, hint.Key)
			if err != nil {
				return err
			}
			e = now
		}
		stale = true
		if !change(&e) {
			return Final(errKeep)
		}
		revision, err := k.Swap(ctx, e.Key, e.Value, e.Revision)
		if err == nil {
			e.Revision, e.Gone = revision, false
		}
		return err
	})
	if err != nil && !errors.Is(err, errKeep) {
		return e, err
	}
	return e, nil
}
