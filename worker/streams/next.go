package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// askAgain is when an iterator that has given nothing is asked again.
var askAgain = [...]time.Duration{2 * time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond}

// Next takes the next message from an iterator that pulls one at a time.
//
// Such an iterator may wait for a message that it has not asked for: it sends
// no pull while another goroutine is still finishing the one before, and the
// answer to that one can be here, and handled, first. Nobody notices until the
// heartbeats are missing, so a full queue stands still for some seconds, about
// once in 20,000 messages (nats.go v1.55.0; perhaps its issue 1622). Asked
// again, the iterator sends a pull that is missing, and none that is not.
func Next(ctx context.Context, it jetstream.MessagesContext) (jetstream.Msg, error) {
	return askUntil(ctx, func(ctx context.Context) (jetstream.Msg, error) { return it.Next(jetstream.NextContext(ctx)) })
}

func askUntil(ctx context.Context, next func(context.Context) (jetstream.Msg, error)) (jetstream.Msg, error) {
	for _, patience := range askAgain {
		attempt, cancel := context.WithTimeout(ctx, patience)
		msg, err := next(attempt)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return msg, err
		}
	}
	return next(ctx)
}
