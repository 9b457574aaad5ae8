package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrLost is returned by [Ledger.Swap] if another changed the record first:
// load it and decide again.
var ErrLost = errors.New("another changed the record first")

// ErrUnreadable is returned for a record that is no record: trying again does
// not mend it, and nothing may be done for its order until somebody has.
var ErrUnreadable = errors.New("the record cannot be understood")

// swapTimeout bounds one attempt at a read or a swap: a cluster without a
// leader answers nothing, and the next attempt may find one.
const swapTimeout = 2 * time.Second

// Ledger keeps the records in the bucket of orders.
type Ledger struct {
	kv jetstream.KeyValue
}

// New keeps records in kv.
func New(kv jetstream.KeyValue) *Ledger { return &Ledger{kv: kv} }

// Entry is a record as it stood at one revision; revision 0 is no record.
type Entry struct {
	Record
	Revision uint64
}

func recordKey(order int64) string { return "order." + strconv.FormatInt(order, 10) }

// Fresh is the entry of an order of which nothing is known. It may be wrong:
// a swap of it then loses.
func Fresh(order int64) Entry { return Entry{Record: Record{Order: order}} }

// Load reads what is known of the order. It tries until ctx ends: without the
// record nothing may be done.
func (l *Ledger) Load(ctx context.Context, order int64) (Entry, error) {
	var e Entry
	err := persist(ctx, func(ctx context.Context) error {
		kve, err := l.kv.Get(ctx, recordKey(order))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			e = Fresh(order)
			return nil
		}
		if err != nil {
			return err
		}
		e = Entry{Revision: kve.Revision()}
		if err := json.Unmarshal(kve.Value(), &e.Record); err != nil {
			return backoff.Permanent(fmt.Errorf("decoding %s: %w", recordKey(order), errors.Join(ErrUnreadable, err)))
		}
		return nil
	})
	if err != nil {
		// Never an entry of no order: whoever goes on with it by mistake loses its swap.
		return Fresh(order), fmt.Errorf("reading the record of order %d: %w", order, err)
	}
	return e, nil
}

// Swap stores the entry's record if its revision is still the last, and
// returns the entry with its new revision; [ErrLost] if it is not. Any other
// error says nothing: the record may or may not have been stored.
func (l *Ledger) Swap(ctx context.Context, e Entry) (Entry, error) {
	value, err := json.Marshal(&e.Record)
	if err != nil {
		return e, fmt.Errorf("encoding the record of order %d: %w", e.Order, err)
	}
	ctx, cancel := context.WithTimeout(ctx, swapTimeout)
	defer cancel()
	revision, err := l.put(ctx, e, value)
	if err == nil {
		e.Revision = revision
		return e, nil
	}
	if isWrongRevision(err) {
		return e, ErrLost
	}
	return e, fmt.Errorf("storing the record of order %d: %w", e.Order, err)
}

// put stores the value over the entry's revision. A first record is created,
// which also succeeds on top of the marker of a record that somebody removed.
func (l *Ledger) put(ctx context.Context, e Entry, value []byte) (uint64, error) {
	if e.Revision == 0 {
		return l.kv.Create(ctx, recordKey(e.Order), value)
	}
	return l.kv.Update(ctx, recordKey(e.Order), value, e.Revision)
}

// errKeep lets a change end an [Ledger.Update] without storing anything.
var errKeep = errors.New("nothing to change")

// Update changes the record until the change is stored or ctx ends, beginning
// from hint, which may be stale. change must be idempotent: after a swap whose
// answer was lost it meets its own result. It reports false to store nothing.
// With an error comes the last entry that was tried, which a later swap takes
// only if nobody changed the record since.
func (l *Ledger) Update(ctx context.Context, hint Entry, change func(*Record) bool) (Entry, error) {
	e, order, stale := hint, hint.Order, false
	err := persist(ctx, func(ctx context.Context) error {
		if stale {
			now, err := l.Load(ctx, order)
			if errors.Is(err, ErrUnreadable) {
				return backoff.Permanent(err)
			}
			if err != nil {
				return err
			}
			e = now
		}
		stale = true
		if !change(&e.Record) {
			return backoff.Permanent(errKeep)
		}
		var err error
		e, err = l.Swap(ctx, e)
		return err
	})
	if err != nil && !errors.Is(err, errKeep) {
		return e, err
	}
	return e, nil
}

// isWrongRevision reports whether the server said that the expected revision is
// not the last: its code 10071, and nothing else, is a lost swap.
func isWrongRevision(err error) bool {
	if api, ok := errors.AsType[jetstream.JetStreamError](err); ok && api.APIError() != nil {
		return api.APIError().ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
	}
	return false
}

// persist repeats op, with short pauses, until it succeeds, fails for good or ctx ends.
func persist(ctx context.Context, op func(context.Context) error) error {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(20*time.Millisecond),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxInterval(time.Second),
		backoff.WithMaxElapsedTime(0),
	)
	return backoff.Retry(func() error {
		err := op(ctx)
		if err != nil && ctx.Err() != nil {
			return backoff.Permanent(errors.Join(context.Cause(ctx), err))
		}
		return err
	}, backoff.WithContext(pause, ctx))
}
