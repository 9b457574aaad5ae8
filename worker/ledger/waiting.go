package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams/kv"
)

// Phase says why a command has a waiting key.
type Phase string

const (
	// Queued: its message is still in the commands stream; the key is there so
	// that it can be told overdue while nothing is pulled.
	Queued Phase = "queued"
	// Parked: its message is acked, the key is all that is left of it.
	Parked Phase = "parked"
	// Held: its message is acked and nothing was sent; the policy keeps it until
	// operators allow it.
	Held Phase = "held"
)

// Waiting is a command that has no final event, with all that its events
// and its dead letter need. It is written before the command's
// revoke-requested and its ack, and deleted after its final event is stored,
// so that a crash anywhere is finished by the next sweep.
type Waiting struct {
	Order      int64               `json:"order"`
	Source     string              `json:"source"`
	Incident   string              `json:"incident,omitempty"`
	ID         string              `json:"id"`
	Phase      Phase               `json:"phase"`
	Subject    string              `json:"subject"`
	Header     map[string][]string `json:"header,omitempty"`
	Body       []byte              `json:"body"`
	Origin     string              `json:"origin"`
	Sequence   uint64              `json:"sequence"`
	ReceivedAt time.Time           `json:"received_at"`
	Deliveries uint64              `json:"deliveries"`
	// RequestID is the request it waits for; By is that request's cause if not the command itself.
	RequestID int64 `json:"request_id,omitempty"`
	Adopted   bool  `json:"adopted,omitempty"`
	// What the record's question needs.
	Target int64 `json:"target,omitempty"`
	Skip   bool  `json:"skip,omitempty"`
	// Expects and Identified are as in [Claimant].
	Expects    bool   `json:"expects,omitempty"`
	Identified bool   `json:"identified,omitempty"`
	Reason     string `json:"reason,omitempty"`
	// Deadline of the command; OverdueSaid once its revoke-overdue is stored.
	Deadline    time.Time `json:"deadline,omitzero"`
	OverdueSaid bool      `json:"overdue_said,omitempty"`
	// Since is when it began to wait, Asked when its request was last read alone.
	Since time.Time `json:"since"`
	Asked time.Time `json:"asked,omitzero"`
	// Approved is when its request was first seen approved.
	Approved time.Time `json:"approved,omitzero"`
	// Taken is until when a worker goes on with a held command that was allowed.
	Taken time.Time `json:"taken,omitzero"`
}

// Name is the command's.
func (w Waiting) Name() messages.CommandName {
	return messages.CommandName{Source: w.Source, Incident: w.Incident, ID: w.ID}
}

// Claimant is the command, as the record knows it.
func (w Waiting) Claimant() Claimant {
	return Claimant{Command: w.Name().String(), Target: w.Target, Skip: w.Skip, Reason: w.Reason, Received: w.ReceivedAt,
		Expects: w.Expects, Identified: w.Identified}
}

func waitingKey(order int64, c messages.CommandName) string {
	return "waiting." + strconv.FormatInt(order, 10) + "." + c.Key()
}

// Wait stores the key, whatever stood there: what it says is never evidence,
// only a reminder to look.
func (l *Ledger) Wait(ctx context.Context, w Waiting) error {
	err := kv.Persist(ctx, func(ctx context.Context) error {
		_, err := l.waiting.Put(ctx, waitingKey(w.Order, w.Name()), w)
		return err
	})
	if err != nil {
		return fmt.Errorf("storing waiting key of %s: %w", w.Name(), err)
	}
	return nil
}

// Amend changes a key that is still there, by compare-and-swap: whoever looks
// after a command from its key must not undo what the command itself wrote
// there meanwhile. It reports false if the key is gone.
func (l *Ledger) Amend(ctx context.Context, k Waiting, change func(*Waiting)) (Waiting, bool, error) {
	now, found := k, false
	err := kv.Persist(ctx, func(ctx context.Context) error {
		e, err := l.waiting.Get(ctx, waitingKey(k.Order, k.Name()))
		if found = !e.Gone; err != nil || !found {
			return err
		}
		now = e.Value
		change(&now)
		_, err = l.waiting.Swap(ctx, e.Key, now, e.Revision)
		return err
	})
	if err != nil {
		return k, false, fmt.Errorf("changing the waiting key of %s: %w", k.Name(), err)
	}
	return now, found, nil
}

// Take wins the right to go on with a held command until a moment, by
// compare-and-swap: of all workers that see it allowed one does. It reports
// false if the command is not held any more, or another has it.
func (l *Ledger) Take(ctx context.Context, order int64, c messages.CommandName, now, until time.Time) (Waiting, bool, error) {
	e, err := l.waiting.Get(ctx, waitingKey(order, c))
	if err != nil || e.Gone || e.Value.Phase != Held || now.Before(e.Value.Taken) {
		return e.Value, false, err
	}
	e.Value.Taken = until
	_, err = l.waiting.Swap(ctx, e.Key, e.Value, e.Revision)
	if errors.Is(err, kv.ErrLost) {
		return e.Value, false, nil
	}
	return e.Value, err == nil, err
}

// Unwait deletes the key. Only for a command whose final event is stored.
func (l *Ledger) Unwait(ctx context.Context, order int64, c messages.CommandName) error {
	err := kv.Persist(ctx, func(ctx context.Context) error {
		return l.waiting.Remove(ctx, waitingKey(order, c))
	})
	if err != nil {
		return fmt.Errorf("deleting waiting key of %s: %w", c, err)
	}
	return nil
}

// IsWaiting reads one key. One that cannot be understood is there, and says nothing.
func (l *Ledger) IsWaiting(ctx context.Context, order int64, c messages.CommandName) (Waiting, bool, error) {
	var e kv.Entry[Waiting]
	err := kv.Persist(ctx, func(ctx context.Context) (err error) {
		e, err = l.waiting.Get(ctx, waitingKey(order, c))
		return err
	})
	if err != nil && !errors.Is(err, ErrUnreadable) {
		return Waiting{}, false, fmt.Errorf("reading waiting key of %s: %w", c, err)
	}
	return e.Value, !e.Gone, nil
}

var errListingEnded = errors.New("listing waiting keys: the bucket could not be read to its end")

// AllWaiting yields every waiting command as it stood when the listing began.
// A key that cannot be read is yielded as an error, and the rest goes on.
func (l *Ledger) AllWaiting(ctx context.Context) iter.Seq2[Waiting, error] {
	return func(yield func(Waiting, error) bool) {
		watch, err := l.bucket.Watch(ctx, "waiting.>")
		if err != nil {
			yield(Waiting{}, fmt.Errorf("listing waiting keys: %w", err))
			return
		}
		defer func() { _ = watch.Stop() }()
		for {
			select {
			case <-ctx.Done():
				yield(Waiting{}, context.Cause(ctx))
				return
			case e, ok := <-watch.Updates():
				if !ok {
					yield(Waiting{}, errListingEnded)
					return
				}
				if e == nil {
					return
				}
				if e.Operation() != jetstream.KeyValuePut {
					continue
				}
				var w Waiting
				if err := json.Unmarshal(e.Value(), &w); err != nil {
					err = fmt.Errorf("decoding %s: %w", e.Key(), err)
					if !yield(Waiting{}, err) {
						return
					}
					continue
				}
				if !yield(w, nil) {
					return
				}
			}
		}
	}
}
