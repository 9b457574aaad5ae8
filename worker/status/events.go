package status

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// subjects are the events that can belong to the filter. Orders are no part of
// a subject.
func (f Filter) subjects(n messages.Names) []string {
	switch {
	case f.ID != "":
		return []string{n.ChainSubject(f.command())}
	case f.Incident != "":
		return []string{n.IncidentSubject(f.Incident)}
	case f.Source != "":
		return []string{n.SourceSubject(f.Source)}
	}
	return []string{n.EventSubjects()}
}

// mayMatch looks at the headers of an event, so that the bodies of others need
// not be decoded: an order begins their subject. Headers that are not there tell
// nothing.
func (f Filter) mayMatch(h nats.Header) bool {
	if s := first(h, "ce-subject"); f.OrderID != 0 && s != "" {
		order := "order/" + strconv.FormatInt(f.OrderID, 10)
		return s == order || len(s) > len(order) && s[:len(order)+1] == order+"/"
	}
	return true
}

func first(h nats.Header, name string) string {
	v := h[name]
	if len(v) == 0 {
		v = h[http.CanonicalHeaderKey(name)]
	}
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// readEvents takes in all events of the filter that are stored by now.
func (r *Reader) readEvents(ctx context.Context, v *View) error {
	info, err := r.stores.Events.Info(ctx)
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	last := info.State.LastSeq
	v.nextEvent = last + 1
	err = r.run(ctx, scan{
		stream: r.names.EventsStream(), subjects: v.filter.subjects(r.names), from: 1,
		take: func(m jetstream.Msg, at *jetstream.MsgMetadata) bool {
			r.takeEvent(v, m, nil)
			v.nextEvent = max(v.nextEvent, at.Sequence.Stream+1)
			return at.NumPending > 0 && at.Sequence.Stream < last
		},
	})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	return nil
}

// Changed is told of each event: the state before it and the command after it.
type Changed func(before State, after Row)

// Follow keeps a loaded view up to date until ctx ends, and tells of each
// change; changed may be nil. It outlives reconnects. The error is nil only if
// ctx ended.
func (r *Reader) Follow(ctx context.Context, v *View, changed Changed) error {
	err := r.run(ctx, scan{
		stream: r.names.EventsStream(), subjects: v.filter.subjects(r.names), from: v.nextEvent, follow: true,
		take: func(m jetstream.Msg, _ *jetstream.MsgMetadata) bool {
			r.takeEvent(v, m, changed)
			return true
		},
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("following stream %s: %w", r.names.EventsStream(), err)
	}
	return nil
}

// Refresh takes in what was sent since the view was loaded or refreshed last.
// Only commands that are still queued are new then; the rest come as events.
func (r *Reader) Refresh(ctx context.Context, v *View) error { return r.readQueue(ctx, v) }

func (r *Reader) takeEvent(v *View, m jetstream.Msg, changed Changed) {
	if !v.filter.mayMatch(m.Headers()) {
		return
	}
	e, err := r.names.DecodeEvent(m.Subject(), m.Headers(), m.Data())
	if err != nil {
		v.couldNotRead()
		return
	}
	if before, after, ok := v.event(e); ok && changed != nil {
		changed(before, after)
	}
}

// readDeadLetters takes in which commands have a dead letter.
func (r *Reader) readDeadLetters(ctx context.Context, v *View) error {
	err := r.run(ctx, scan{
		stream: r.names.DeadLettersStream(), subjects: []string{r.names.DeadLetterSubjects()}, from: 1, headers: true,
		take: func(m jetstream.Msg, at *jetstream.MsgMetadata) bool {
			if d, err := messages.ParseDeadLetter(m.Headers()); err == nil {
				if e, command, err := r.names.ParseEventSubject(d.EventSubject); err == nil {
					v.letter(e, command, at.Sequence.Stream)
				}
			}
			return at.NumPending > 0
		},
	})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.DeadLettersStream(), err)
	}
	return nil
}
