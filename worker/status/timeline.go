package status

import (
	"context"

	"certrecall/messages"
)

// Timeline is all that is known of one command.
type Timeline struct {
	Row Row
	// Events are in the order in which they were said. One that could not be
	// read is left out, and counted in Unreadable.
	Events     []messages.Event
	Unreadable int
}

// Timeline reads one command: its row and every event. An [*Unknown] is the
// error where there is none of that name.
func (r *Reader) Timeline(ctx context.Context, c messages.CommandName) (Timeline, error) {
	f := CommandFilter(c)
	v, err := r.Load(ctx, f)
	if err != nil {
		return Timeline{}, err
	}
	row, found := v.Get(c, r.Now())
	if !found {
		return Timeline{}, r.unknownCommand(ctx, c)
	}
	t := Timeline{Row: row, Unreadable: v.Unreadable()}
	err = r.eachEvent(ctx, []string{f.events(r.names)}, func(e messages.Event) error {
		t.Events = append(t.Events, e)
		return nil
	})
	return t, err
}
