package streams

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Stores are handles of the streams and buckets. They stay good through
// reconnects and when a stream is made again. A watch of a
// bucket gives all that it keeps: history and markers of deleted keys, too.
type Stores struct {
	Orders, Budget, Control       jetstream.KeyValue
	Results                       jetstream.ObjectStore
	Commands, Events, DeadLetters jetstream.Stream

	// CommandsCreated is when the commands stream was made. With a sequence of
	// the stream it names a message for good, also when the stream is made again.
	CommandsCreated time.Time
}

// Open looks up every stream and bucket. The error names the first one that is
// missing and wraps jetstream.ErrStreamNotFound or jetstream.ErrBucketNotFound;
// it is a *Refusal where a stream is of another layout.
func Open(ctx context.Context, js jetstream.JetStream, n messages.Names) (Stores, error) {
	var s Stores
	for _, o := range []struct {
		handle *jetstream.Stream
		name   string
	}{{&s.Commands, n.CommandsStream()}, {&s.Events, n.EventsStream()}, {&s.DeadLetters, n.DeadLettersStream()}} {
		var err error
		if *o.handle, err = openStream(ctx, js, o.name); err != nil {
			return Stores{}, err
		}
		if err := checkMarks(n, "stream "+o.name, (*o.handle).CachedInfo().Config.Metadata); err != nil {
			return Stores{}, err
		}
	}
	for _, o := range []struct {
		handle *jetstream.KeyValue
		name   string
	}{{&s.Orders, n.OrdersBucket()}, {&s.Budget, n.BudgetBucket()}, {&s.Control, n.ControlBucket()}} {
		var err error
		if *o.handle, err = OpenBucket(ctx, js, o.name); err != nil {
			return Stores{}, err
		}
	}
	var err error
	s.Results, err = ask(ctx, js, "opening bucket "+n.ResultsBucket(), "STREAM.INFO."+objectStream(n.ResultsBucket()),
		func(ctx context.Context) (jetstream.ObjectStore, error) {
			return js.ObjectStore(ctx, n.ResultsBucket())
		})
	if err != nil {
		return Stores{}, err
	}
	s.CommandsCreated = s.Commands.CachedInfo().Created
	return s, nil
}

// OpenBucket looks up one bucket, with the handle that Stores have of it.
func OpenBucket(ctx context.Context, js jetstream.JetStream, name string) (jetstream.KeyValue, error) {
	b, err := ask(ctx, js, "opening bucket "+name, "STREAM.INFO."+bucketStream(name),
		func(ctx context.Context) (jetstream.KeyValue, error) { return js.KeyValue(ctx, name) })
	if err != nil {
		return nil, err
	}
	return bucketHandle{b, js}, nil
}
