package status

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// readEvents takes in all events of the filter that are stored by now.
func (r *Reader) readEvents(ctx context.Context, v *View) error {
	info, err := r.stores.Events.Info(ctx)
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	last := info.State.LastSeq
	v.nextEvent = last + 1
	err = r.run(ctx, scan{
		stream: r.names.EventsStream(), subjects: []string{v.filter.events(r.names)}, from: 1,
		take: func(m *jetstream.RawStreamMsg) bool {
			r.takeEvent(v, m, nil)
			v.nextEvent = max(v.nextEvent, m.Sequence+1)
			return m.Sequence < last
		},
	})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	return nil
}

// eachEvent gives every event of the subjects that is stored by now to take,
// until it returns an error.
func (r *Reader) eachEvent(ctx context.Context, subjects []string, take func(messages.Event) error) error {
	var taken error
	err := r.run(ctx, scan{
		stream: r.names.EventsStream(), subjects: subjects, from: 1,
		take: func(m *jetstream.RawStreamMsg) bool {
			if e, err := r.names.DecodeEvent(m.Subject, m.Header, m.Data); err == nil {
				taken = take(e)
			}
			return taken == nil
		},
	})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	return taken
}

// Changed is told of each event: the state before it and the command after it.
type Changed func(before State, after Row)

// Follow keeps a loaded view up to date until ctx ends, and tells of each
// change; changed may be nil. It outlives reconnects. The error is nil only if
// ctx ended.
func (r *Reader) Follow(ctx context.Context, v *View, changed Changed) error {
	return r.follow(ctx, []string{v.filter.events(r.names)}, v.nextEvent, func(m *jetstream.RawStreamMsg) bool {
		r.takeEvent(v, m, changed)
		return true
	})
}

// Said is one event of the stream, as [Reader.FollowEvents] tells it.
type Said struct {
	Sequence uint64
	Event    messages.Event
}

// FollowEvents gives the events of the filter to take, from a sequence on (1 is
// the first, 0 what comes from now on), until ctx ends or take returns false.
// It needs no durable consumer and leaves none behind. Without follow it ends
// with the last event that is stored.
func (r *Reader) FollowEvents(ctx context.Context, f Filter, from uint64, follow bool, take func(Said) bool) error {
	if from == 0 {
		info, err := r.stores.Events.Info(ctx)
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
		}
		from = info.State.LastSeq + 1
	}
	each := func(m *jetstream.RawStreamMsg) bool {
		if !f.mayMatch(m.Header) {
			return true
		}
		e, err := r.names.DecodeEvent(m.Subject, m.Header, m.Data)
		if err != nil || !f.matches(e.Command(), e.OrderID) {
			return true
		}
		return take(Said{m.Sequence, e})
	}
	if follow {
		return r.follow(ctx, []string{f.events(r.names)}, from, each)
	}
	err := r.run(ctx, scan{stream: r.names.EventsStream(), subjects: []string{f.events(r.names)}, from: from, take: each})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	return nil
}

func (r *Reader) follow(ctx context.Context, subjects []string, from uint64, take func(*jetstream.RawStreamMsg) bool) error {
	err := r.run(ctx, scan{stream: r.names.EventsStream(), subjects: subjects, from: from, follow: true, take: take})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("following stream %s: %w", r.names.EventsStream(), err)
	}
	return nil
}

// Refresh takes in what was sent since the view was loaded or refreshed last.
// Only commands that are still queued are new then; the rest come as events.
func (r *Reader) Refresh(ctx context.Context, v *View) error { return r.readQueue(ctx, v) }

func (r *Reader) takeEvent(v *View, m *jetstream.RawStreamMsg, changed Changed) {
	if !v.filter.mayMatch(m.Header) {
		return
	}
	e, err := r.names.DecodeEvent(m.Subject, m.Header, m.Data)
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
	return r.readLetters(ctx, v, []string{v.filter.letters(r.names)})
}

func (r *Reader) readLetters(ctx context.Context, v *View, subjects []string) error {
	if len(subjects) == 0 {
		return nil
	}
	err := r.run(ctx, scan{
		stream: r.names.DeadLettersStream(), subjects: subjects, from: 1,
		take: func(m *jetstream.RawStreamMsg) bool {
			if d, err := messages.ParseDeadLetter(m.Header); err == nil {
				if e, command, err := r.names.ParseEventSubject(d.EventSubject); err == nil {
					v.letter(e, command, m.Sequence)
				}
			}
			return true
		},
	})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.DeadLettersStream(), err)
	}
	return nil
}
