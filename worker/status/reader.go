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

// parkedCommand is a waiting key and the command inside.
type parkedCommand struct {
	key     ledger.Waiting
	command messages.Command
}

func (r *Reader) readWaiting(ctx context.Context, v *View) ([]parkedCommand, error) {
	var all []parkedCommand
	for w, err := range r.ledger.AllWaiting(ctx) {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("reading waiting keys: %w", context.Cause(ctx))
		}
		if err != nil {
			v.couldNotRead()
			continue
		}
		if !v.filter.matches(w.Name(), w.Order) {
			continue
		}
		p := parkedCommand{key: w}
		if lane, source, err := r.names.ParseCommandSubject(w.Subject); err == nil {
			// A command that was taken once is valid; if not, its key still says the most.
			p.command, _ = messages.DecodeCommand(lane, source, w.Header, w.Body)
		}
		p.key.Body, p.key.Header = nil, nil
		all = append(all, p)
	}
	return all, nil
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
