package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"certrecall/messages"
)

const (
	// queueBatch is how many commands are asked for at once, queueBytes how much
	// the server sends of them; a command is at most 80 KiB.
	queueBatch = 1000
	queueBytes = 8 << 20
	// batchTimeout bounds one batch. A server that answers nothing for so long
	// has no leader, or the account no right to ask.
	batchTimeout = 10 * time.Second
)

var errNoAnswer = errors.New("the server did not answer; is direct get allowed on the stream, and to this user?")

// readQueue takes in the commands stream from where the view ended last.
func (r *Reader) readQueue(ctx context.Context, v *View) error {
	v.mu.Lock()
	from := max(v.nextCommand, 1)
	v.mu.Unlock()
	for {
		next, err := r.readBatch(ctx, v, from)
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", r.names.CommandsStream(), err)
		}
		if next == 0 {
			return nil
		}
		from = next
	}
}

// readBatch takes in one batch and gives the sequence to go on from, 0 at the end.
func (r *Reader) readBatch(ctx context.Context, v *View, from uint64) (uint64, error) {
	bounded, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	batch, err := jetstreamext.GetBatch(bounded, r.js, r.names.CommandsStream(), queueBatch,
		jetstreamext.GetBatchSeq(from), jetstreamext.GetBatchMaxBytes(queueBytes))
	if err != nil {
		return 0, err
	}
	next := uint64(0)
	for m, err := range batch {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return 0, nil
		case err != nil:
			return 0, err
		}
		r.takeQueued(v, m)
		next = m.Sequence + 1
	}
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case next == 0:
		return 0, errNoAnswer
	}
	return next, nil
}

func (r *Reader) takeQueued(v *View, m *jetstream.RawStreamMsg) {
	lane, source, err := r.names.ParseCommandSubject(m.Subject)
	if err != nil {
		v.couldNotRead()
		return
	}
	c, err := messages.DecodeCommand(lane, source, m.Header, m.Data)
	if err != nil && c.ID == "" {
		// It will be answered as rejected, under an id of its own.
		v.couldNotRead()
		return
	}
	v.queued(c, m.Time.UTC(), m.Sequence)
}
