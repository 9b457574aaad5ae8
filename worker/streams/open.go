package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Stores are handles of the streams and buckets. They stay good through
// reconnects and when a stream is made again.
type Stores struct {
	Orders, Control               jetstream.KeyValue
	Results                       jetstream.ObjectStore
	Commands, Events, DeadLetters jetstream.Stream

	// CommandsCreated is when the commands stream was made. With a sequence of
	// the stream it names a message for good, also when the stream is made again.
	CommandsCreated time.Time
}

// Open looks up every stream and bucket. The error names the first one that is
// missing and wraps jetstream.ErrStreamNotFound or jetstream.ErrBucketNotFound.
func Open(ctx context.Context, js jetstream.JetStream, n messages.Names) (Stores, error) {
	var s Stores
	for _, o := range []struct {
		what, stream string
		open         func(context.Context) error
	}{
		{"stream " + n.CommandsStream(), n.CommandsStream(), func(ctx context.Context) (err error) {
			s.Commands, err = js.Stream(ctx, n.CommandsStream())
			return err
		}},
		{"stream " + n.EventsStream(), n.EventsStream(), func(ctx context.Context) (err error) {
			s.Events, err = js.Stream(ctx, n.EventsStream())
			return err
		}},
		{"stream " + n.DeadLettersStream(), n.DeadLettersStream(), func(ctx context.Context) (err error) {
			s.DeadLetters, err = js.Stream(ctx, n.DeadLettersStream())
			return err
		}},
		{"bucket " + n.OrdersBucket(), bucketStream(n.OrdersBucket()), func(ctx context.Context) (err error) {
			s.Orders, err = js.KeyValue(ctx, n.OrdersBucket())
			return err
		}},
		{"bucket " + n.ControlBucket(), bucketStream(n.ControlBucket()), func(ctx context.Context) (err error) {
			s.Control, err = js.KeyValue(ctx, n.ControlBucket())
			return err
		}},
		{"bucket " + n.ResultsBucket(), objectStream(n.ResultsBucket()), func(ctx context.Context) (err error) {
			s.Results, err = js.ObjectStore(ctx, n.ResultsBucket())
			return err
		}},
	} {
		rctx, cancel := context.WithTimeout(ctx, requestTimeout)
		err := o.open(rctx)
		cancel()
		if err != nil {
			return Stores{}, explain(js, "opening "+o.what, "STREAM.INFO."+o.stream, err)
		}
	}
	s.CommandsCreated = s.Commands.CachedInfo().Created
	return s, nil
}
