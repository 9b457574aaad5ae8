package status

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/ledger"
)

// OrderCommands are the commands for one order that are known.
type OrderCommands struct {
	OrderID int64
	Rows    []Row // oldest first
	// Known tells whether the ledger has a record of the order.
	Known bool
	// Revoked tells whether the ledger knows the whole order as revoked.
	Revoked bool
}

// Order finds the commands for an order through its record, which keeps the
// names of the last ones, its waiting keys and the queue. No history is read.
func (r *Reader) Order(ctx context.Context, order int64) (OrderCommands, *View, error) {
	v := newView(r.names, Filter{OrderID: order})
	if err := r.fromNow(ctx, v); err != nil {
		return OrderCommands{}, nil, err
	}
	if err := r.readQueue(ctx, v); err != nil {
		return OrderCommands{}, nil, err
	}
	waiting, err := r.readWaiting(ctx, v)
	if err != nil {
		return OrderCommands{}, nil, err
	}
	entry, err := r.ledger.Load(ctx, order)
	if err != nil {
		return OrderCommands{}, nil, err
	}
	var subjects, letters []string
	for _, c := range namesOf(entry.Record, waiting, v) {
		f := CommandFilter(c)
		subjects = append(subjects, f.events(r.names))
		if s := f.letters(r.names); !slices.Contains(letters, s) {
			letters = append(letters, s)
		}
	}
	for part := range slices.Chunk(subjects, maxSubjects) {
		if err := r.eachEvent(ctx, part, func(e messages.Event) error { v.event(e); return nil }); err != nil {
			return OrderCommands{}, nil, err
		}
	}
	for _, p := range waiting {
		v.parked(p.command, p.key)
	}
	if err := r.readLetters(ctx, v, letters); err != nil {
		return OrderCommands{}, nil, err
	}
	out := OrderCommands{OrderID: order, Rows: v.Rows(r.Now()), Known: entry.Revision != 0}
	if t := entry.Targets[ledger.WholeOrder]; t != nil {
		out.Revoked = t.State == ledger.Revoked
	}
	return out, v, nil
}

// maxSubjects is how many commands are read at once.
const maxSubjects = 64

// namesOf are the commands that record, waiting keys and queue name.
func namesOf(rec ledger.Record, waiting []parkedCommand, queue *View) []messages.CommandName {
	all := map[messages.CommandName]bool{}
	add := func(name string) {
		if c, err := messages.ParseCommandName(name); err == nil {
			all[c] = true
		}
	}
	for _, name := range rec.Recent {
		add(name)
	}
	for name := range rec.Commands {
		add(name)
	}
	for _, t := range rec.Targets {
		if t.Effect != nil {
			add(t.Effect.Command)
		}
		for _, q := range t.Requests {
			add(q.By)
		}
	}
	for _, p := range waiting {
		all[p.command.Name()] = true
	}
	for row := range queue.Each(time.Time{}) {
		all[row.Name()] = true
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b messages.CommandName) int { return strings.Compare(a.String(), b.String()) })
}

// Record is what the ledger knows of an order; revision 0 is nothing.
func (r *Reader) Record(ctx context.Context, order int64) (ledger.Entry, error) {
	return r.ledger.Load(ctx, order)
}
