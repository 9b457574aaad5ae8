package status

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// lanes reads the queue. What waits is counted by subject in the stream, and
// which consumers there are is the workers' business: those of a lane are added
// up.
func (r *Reader) lanes(ctx context.Context) ([]LaneState, error) {
	names := r.names.CommandsStream()
	info, err := r.stores.Commands.Info(ctx, jetstream.WithSubjectFilter(r.names.CommandSubject("*", "*")))
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", names, err)
	}
	all := make([]LaneState, 0, len(messages.Lanes()))
	at := map[messages.Lane]*LaneState{}
	for _, lane := range messages.Lanes() {
		all = append(all, LaneState{Lane: lane})
		at[lane] = &all[len(all)-1]
	}
	for subject, n := range info.State.Subjects {
		if lane, _, err := r.names.ParseCommandSubject(subject); err == nil {
			at[lane].Pending += n
		}
	}
	consumers := r.stores.Commands.ListConsumers(ctx)
	for c := range consumers.Info() {
		l := at[r.laneOf(c.Config)]
		if l == nil {
			continue
		}
		l.InHand += c.NumAckPending
		l.Asking += c.NumWaiting
	}
	if err := consumers.Err(); err != nil {
		return nil, fmt.Errorf("listing the consumers of stream %s: %w", names, err)
	}
	for i := range all {
		l := &all[i]
		l.Pending -= min(l.Pending, uint64(l.InHand))
		oldest, err := r.stores.Commands.GetMsg(ctx, 0, jetstream.WithGetMsgSubject(r.names.LaneSubject(l.Lane)))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return nil, fmt.Errorf("looking at lane %s: %w", l.Lane, err)
		default:
			l.Oldest = oldest.Time.UTC()
		}
	}
	return all, nil
}

// laneOf is the lane that a consumer serves; "" is none.
func (r *Reader) laneOf(c jetstream.ConsumerConfig) messages.Lane {
	filters := c.FilterSubjects
	if c.FilterSubject != "" {
		filters = append(filters, c.FilterSubject)
	}
	for _, f := range filters {
		for _, lane := range messages.Lanes() {
			if strings.HasPrefix(f, r.names.CommandSubject(lane, "")) {
				return lane
			}
		}
	}
	return ""
}
