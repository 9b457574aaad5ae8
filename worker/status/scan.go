package status

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// readAhead bounds what waits in the client: events with long lists are large.
	readAhead = 500
	// readAheadPayloads bounds one pull, in largest messages of the server.
	readAheadPayloads = 8
	// consumerIdle is after how long the server forgets a consumer of ours.
	consumerIdle = time.Minute
	// openTimeout bounds the making of a consumer.
	openTimeout = 10 * time.Second
)

// scan reads messages of a stream in order.
type scan struct {
	stream   string
	subjects []string
	from     uint64    // the first sequence
	since    time.Time // in place of from: the first moment
	headers  bool      // without the bodies
	follow   bool      // wait for more at the end
	// take gets each message, and says whether to go on.
	take func(jetstream.Msg, *jetstream.MsgMetadata) bool
}

// run reads until take has enough, the stream ends (unless it is followed) or
// ctx does. It outlives reconnects, and begins no message twice.
func (r *Reader) run(ctx context.Context, s scan) error {
	opening, cancel := context.WithTimeoutCause(ctx, openTimeout, errNoConsumer)
	defer cancel()
	config := jetstream.OrderedConsumerConfig{
		FilterSubjects: s.subjects, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.from,
		HeadersOnly: s.headers, InactiveThreshold: consumerIdle,
	}
	if !s.since.IsZero() {
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartTimePolicy, 0, &s.since
	}
	c, err := r.js.OrderedConsumer(opening, s.stream, config)
	if err != nil {
		return errors.Join(context.Cause(opening), err)
	}
	if c.CachedInfo().NumPending == 0 && !s.follow {
		return nil
	}
	it, err := c.Messages(jetstream.PullMaxMessagesWithBytesLimit(readAhead, readAheadPayloads*int(r.js.Conn().MaxPayload())))
	if err != nil {
		return err
	}
	// While the client is without a server it looks for one and at no context.
	defer context.AfterFunc(ctx, it.Stop)()
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		at, err := m.Metadata()
		if err != nil {
			return err
		}
		if !s.take(m, at) {
			return nil
		}
	}
}

var errNoConsumer = errors.New("the server made no consumer; may this user make one?")
