package ledger

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/streams/kv"
)

// ErrLost is returned by [Ledger.Swap] if another changed the record first:
// load it and decide again.
var ErrLost = kv.ErrLost

// ErrUnreadable is returned for a record that is no record: trying again does
// not mend it, and nothing may be done for its order until somebody has.
var ErrUnreadable = kv.ErrUnreadable

// Ledger keeps the records, the waiting keys and the tries in the bucket of orders.
type Ledger struct {
	bucket  jetstream.KeyValue
	records kv.Keys[Record]
	waiting kv.Keys[Waiting]
	tries   kv.Keys[Note]
}

// New keeps everything in bucket.
func New(bucket jetstream.KeyValue) *Ledger {
	return &Ledger{bucket: bucket, records: kv.JSON[Record](bucket), waiting: kv.JSON[Waiting](bucket), tries: kv.JSON[Note](bucket)}
}

// Entry is a record as it stood at one revision; revision 0 is no record.
type Entry struct {
	Record
	Revision uint64
}

func recordKey(order int64) string { return "order." + strconv.FormatInt(order, 10) }

// Fresh is the entry of an order of which nothing is known. It may be wrong:
// a swap of it then loses.
func Fresh(order int64) Entry { return Entry{Record: Record{Order: order}} }

// entryOf is the ledger's own of an entry of the bucket.
func entryOf(order int64, e kv.Entry[Record]) Entry {
	if e.Gone {
		return Fresh(order)
	}
	return Entry{Record: e.Value, Revision: e.Revision}
}

// Load reads what is known of the order. It tries until ctx ends: without the
// record nothing may be done.
func (l *Ledger) Load(ctx context.Context, order int64) (Entry, error) {
	var e Entry
	err := kv.Persist(ctx, func(ctx context.Context) error {
		now, err := l.records.Get(ctx, recordKey(order))
		e = entryOf(order, now)
		return err
	})
	if err != nil {
		// Never an entry of no order: whoever goes on with it by mistake loses its swap.
		return Fresh(order), fmt.Errorf("reading the record of order %d: %w", order, err)
	}
	return e, nil
}

// Swap stores the entry's record if its revision is still the last, and
// returns the entry with its new revision; [ErrLost] if it is not. After
// [kv.ErrBusy] and [kv.ErrNoRoom] nothing was stored either. Any other error
// says nothing: the record may or may not have been stored.
func (l *Ledger) Swap(ctx context.Context, e Entry) (Entry, error) {
	e.prune()
	revision, err := l.records.Swap(ctx, recordKey(e.Order), e.Record, e.Revision)
	if err != nil {
		return e, fmt.Errorf("storing the record of order %d: %w", e.Order, err)
	}
	e.Revision = revision
	return e, nil
}

// Update changes the record until the change is stored or ctx ends, beginning
// from hint, which may be stale. change must be idempotent: after a swap whose
// answer was lost it meets its own result. It reports false to store nothing.
// With an error comes the last entry that was tried, which a later swap takes
// only if nobody changed the record since.
func (l *Ledger) Update(ctx context.Context, hint Entry, change func(*Record) bool) (Entry, error) {
	order := hint.Order
	e, err := l.records.Update(ctx, kv.Entry[Record]{Key: recordKey(order), Value: hint.Record, Revision: hint.Revision},
		func(e *kv.Entry[Record]) bool {
			if e.Gone {
				e.Value = Fresh(order).Record
			}
			if !change(&e.Value) {
				return false
			}
			e.Value.prune()
			return true
		})
	if err != nil {
		err = fmt.Errorf("changing the record of order %d: %w", order, err)
	}
	return Entry{Record: e.Value, Revision: e.Revision}, err
}
