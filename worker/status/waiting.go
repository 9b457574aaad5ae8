package status

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/ledger"
)

// kvOperation is the header of a key that was removed.
const kvOperation = "KV-Operation"

// parkedCommand is a waiting key and the command inside.
type parkedCommand struct {
	key     ledger.Waiting
	command messages.Command
}

// readWaiting reads the waiting keys of the view's filter. They are read by
// pulling, as the events are: there may be as many as commands.
func (r *Reader) readWaiting(ctx context.Context, v *View) ([]parkedCommand, error) {
	var all []parkedCommand
	err := r.run(ctx, scan{
		stream: "KV_" + r.names.OrdersBucket(), subjects: []string{v.filter.waiting(r.names)}, from: 1,
		take: func(m *jetstream.RawStreamMsg) bool {
			if m.Header.Get(kvOperation) != "" {
				return true
			}
			var w ledger.Waiting
			if err := json.Unmarshal(m.Data, &w); err != nil {
				v.couldNotRead()
				return true
			}
			p := parkedCommand{key: w}
			if lane, source, err := r.names.ParseCommandSubject(w.Subject); err == nil {
				// A command that was taken once is valid; if not, its key still says the most.
				p.command, _ = messages.DecodeCommand(lane, source, w.Header, w.Body)
			}
			if p.command.ID == "" {
				n := w.Name()
				p.command.Source, p.command.Incident, p.command.ID = n.Source, n.Incident, n.ID
			}
			p.key.Body, p.key.Header = nil, nil
			if v.filter.matches(p.command.Name(), w.Order) {
				all = append(all, p)
			}
			return true
		},
	})
	if err != nil {
		return nil, fmt.Errorf("reading waiting keys: %w", err)
	}
	return all, nil
}

// Open returns the commands that are not in the queue and not final: those that
// wait for an administrator, and those that the policy holds. It costs what
// there is of them, not what there was.
func (r *Reader) Open(ctx context.Context, f Filter) (*View, error) {
	v := newView(r.names, f)
	waiting, err := r.readWaiting(ctx, v)
	if err != nil {
		return nil, err
	}
	for _, p := range waiting {
		v.parked(p.command, p.key)
	}
	return v, nil
}

// Waiting are the commands that wait for an administrator in CertCentral.
func (r *Reader) Waiting(ctx context.Context, f Filter) ([]Row, error) {
	return r.openIn(ctx, f, Waiting)
}

// Held are the commands that the policy holds until operators allow them.
func (r *Reader) Held(ctx context.Context, f Filter) ([]Row, error) { return r.openIn(ctx, f, Held) }

func (r *Reader) openIn(ctx context.Context, f Filter, s State) ([]Row, error) {
	v, err := r.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	return v.Select(r.Now(), func(row *Row) bool { return row.State == s }), nil
}
