package status

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/ledger"
	"certrecall/worker/streams"
)

// Reader reads where things stand. It needs the rights of an operator: to look
// at streams and lanes, to get messages directly, to make ordered consumers.
type Reader struct {
	js     jetstream.JetStream
	names  messages.Names
	stores streams.Stores
	ledger *ledger.Ledger
	clock  *streams.Clock
}

// Open looks up streams and buckets and the server's time. The error names the
// first thing that is missing.
func Open(ctx context.Context, js jetstream.JetStream, names messages.Names) (*Reader, error) {
	stores, err := streams.Open(ctx, js, names)
	if err != nil {
		return nil, err
	}
	r := &Reader{
		js: js, names: names, stores: stores,
		ledger: ledger.New(stores.Orders), clock: streams.NewClock(js, names.CommandsStream()),
	}
	if err := r.clock.Sync(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Now is the server's time, by which deadlines are judged.
func (r *Reader) Now() time.Time { return r.clock.Now() }

// Stores are the streams and buckets that are read.
func (r *Reader) Stores() streams.Stores { return r.stores }

// Load reads where the commands of a filter stand: first the queue, then the
// waiting keys, last the events, so that nothing slips through between them.
func (r *Reader) Load(ctx context.Context, f Filter) (*View, error) {
	v := newView(r.names, f)
	if err := r.readQueue(ctx, v); err != nil {
		return nil, err
	}
	waiting, err := r.readWaiting(ctx, v)
	if err != nil {
		return nil, err
	}
	if err := r.readEvents(ctx, v); err != nil {
		return nil, err
	}
	for _, p := range waiting {
		v.parked(p.command, p.key)
	}
	return v, r.readDeadLetters(ctx, v)
}

// LoadOpen reads what is not final: the queue and what waits or is held. It
// reads no history; [Reader.Follow] goes on from where it began.
func (r *Reader) LoadOpen(ctx context.Context) (*View, error) {
	v := newView(r.names, Filter{})
	if err := r.fromNow(ctx, v); err != nil {
		return nil, err
	}
	if err := r.readQueue(ctx, v); err != nil {
		return nil, err
	}
	waiting, err := r.readWaiting(ctx, v)
	for _, p := range waiting {
		v.parked(p.command, p.key)
	}
	return v, err
}

// fromNow lets the view be followed from what is said from now on.
func (r *Reader) fromNow(ctx context.Context, v *View) error {
	info, err := r.stores.Events.Info(ctx)
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	v.nextEvent = info.State.LastSeq + 1
	return nil
}

// Sent tells of a command that is not final whether something was already
// sent to DigiCert for it: then nothing calls it back.
func (r *Reader) Sent(ctx context.Context, row Row) (bool, error) {
	switch {
	case row.State == Waiting:
		return true, nil
	case row.State != Accepted:
		return false, nil
	}
	e, err := r.ledger.Load(ctx, row.OrderID)
	if err != nil {
		return false, err
	}
	if e.Note(row.Key()).Attempts > 0 {
		return true, nil
	}
	for _, t := range e.Targets {
		if t.Attempt != nil && t.Attempt.Command == row.Key() {
			return true, nil
		}
	}
	return false, nil
}
