package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// EnsureConsumer gives the consumer of a lane. It is created if it is absent,
// also when it vanished under a running worker: the messages are in the stream,
// and only their delivery counts begin anew. An ackWait of 0 is DefaultAckWait.
//
// Another AckWait is brought up to date if the consumer carries our owner mark,
// and left alone where the right to do so is missing. Workers with different
// settings meet in a rolling deploy, so a worker must reckon with the AckWait
// of the consumer it got (CachedInfo), not with its own setting.
func EnsureConsumer(ctx context.Context, js jetstream.JetStream, n messages.Names, l messages.Lane, ackWait time.Duration) (jetstream.Consumer, error) {
	if ackWait == 0 {
		ackWait = DefaultAckWait
	}
	stream, want := n.CommandsStream(), laneConsumer(n, l, ackWait)
	c, err := consumer(ctx, js, stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return createConsumer(ctx, js, n, want)
	}
	if err != nil {
		return nil, err
	}
	got := c.CachedInfo().Config
	if err := checkConsumer(n, stream, want, got); err != nil {
		return nil, err
	}
	if got.AckWait == ackWait || got.Metadata[ownerKey] != owner {
		return c, nil
	}
	if info := c.CachedInfo(); ackWait < got.AckWait && (info.NumWaiting > 0 || info.NumAckPending > 0) {
		// Workers that are at it reckon with the longer one: they would lose their
		// commands in the middle. It gets shorter when nobody is.
		return c, nil
	}
	return updateAckWait(ctx, js, stream, c, ackWait)
}

func createConsumer(ctx context.Context, js jetstream.JetStream, n messages.Names, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	stream := n.CommandsStream()
	c, err := ask(ctx, js, fmt.Sprintf("creating consumer %s of stream %s", want.Durable, stream),
		fmt.Sprintf("CONSUMER.CREATE.%s.%s", stream, want.Durable),
		func(ctx context.Context) (jetstream.Consumer, error) { return js.CreateConsumer(ctx, stream, want) })
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, jetstream.ErrConsumerExists): // another worker was faster, with another AckWait
		if c, err = consumer(ctx, js, stream, want.Durable); err != nil {
			return nil, err
		}
		return c, checkConsumer(n, stream, want, c.CachedInfo().Config)
	case isCode(err, codeConsumerNotUnique), isCode(err, codeConsumerOnlyOne):
		return nil, &Refusal{fmt.Sprintf("consumer %s of stream %s", want.Durable, stream),
			"another consumer takes messages of " + want.FilterSubject,
			"Find it with `nats consumer ls " + stream + "` and delete it: a work queue gives each message to one consumer only"}
	}
	return nil, err
}

// updateAckWait changes the one thing that is ours in a consumer that works.
func updateAckWait(ctx context.Context, js jetstream.JetStream, stream string, c jetstream.Consumer, ackWait time.Duration) (jetstream.Consumer, error) {
	cfg := c.CachedInfo().Config
	cfg.AckWait = ackWait
	updated, err := ask(ctx, js, fmt.Sprintf("updating consumer %s of stream %s", cfg.Durable, stream),
		fmt.Sprintf("CONSUMER.CREATE.%s.%s", stream, cfg.Durable),
		func(ctx context.Context) (jetstream.Consumer, error) { return js.UpdateConsumer(ctx, stream, cfg) })
	if errors.Is(err, ErrNotPermitted) {
		return c, nil
	}
	return updated, err
}

func consumer(ctx context.Context, js jetstream.JetStream, stream, name string) (jetstream.Consumer, error) {
	return ask(ctx, js, fmt.Sprintf("reading consumer %s of stream %s", name, stream), fmt.Sprintf("CONSUMER.INFO.%s.%s", stream, name),
		func(ctx context.Context) (jetstream.Consumer, error) { return js.Consumer(ctx, stream, name) })
}
