package streams

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

const (
	// idleConsumer is how long a consumer stays that nobody pulls from: the
	// server removes it then. The messages are in the stream; a consumer that is
	// made again only counts their deliveries anew.
	idleConsumer = time.Hour
)

// ConsumerName names the consumer of a lane and source. A source that breaks
// the rule for sources has one, too, so that its commands are answered.
func ConsumerName(l messages.Lane, source string) string {
	if messages.ValidSource(source) {
		return string(l) + "=" + source
	}
	sum := sha256.Sum256([]byte(source))
	return string(l) + "==" + hex.EncodeToString(sum[:8])
}

// laneConsumer is shared by all workers: the messages of one source in one
// lane, so that sources take turns. A message comes again for ever (MaxDeliver
// -1): the worker decides when to give up. MaxAckPending is unlimited, since a
// delayed negative acknowledgement holds a place there: any number would be the
// count of waiting retries at which the source stops, while the workers' slots
// bound what runs at once. It also passes whatever account and stream limits an
// operator has set, which a large number does not.
func laneConsumer(n messages.Names, l messages.Lane, source string, ackWait time.Duration) jetstream.ConsumerConfig {
	name := ConsumerName(l, source)
	return jetstream.ConsumerConfig{
		Name:          name,
		Durable:       name,
		Description:   "Workers of certrecall, lane " + string(l) + ", one source",
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxDeliver:    -1,
		FilterSubject: n.CommandSubject(l, source),
		ReplayPolicy:  jetstream.ReplayInstantPolicy,
		MaxAckPending: -1,
		Metadata:      marks(n),

		InactiveThreshold: idleConsumer,
	}
}

// EnsureConsumer gives the consumer of a lane and source. It is created if it
// is absent, also when it vanished under a running worker: the messages are in
// the stream, and only their delivery counts begin anew. An ackWait of 0 is
// DefaultAckWait.
//
// Workers with different settings meet in a rolling deploy. A longer AckWait
// than the consumer's takes its place at once, if the consumer carries our
// owner mark and the right to do so is there; a shorter one only while nobody
// pulls and nothing is in hand, since whoever holds a message reckons with the
// longer one. So a worker must reckon with the AckWait of the consumer it got
// (CachedInfo), not with its own setting.
func EnsureConsumer(ctx context.Context, js jetstream.JetStream, n messages.Names, l messages.Lane, source string, ackWait time.Duration) (jetstream.Consumer, error) {
	if ackWait == 0 {
		ackWait = DefaultAckWait
	}
	stream, want := n.CommandsStream(), laneConsumer(n, l, source, ackWait)
	c, err := consumer(ctx, js, stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return createConsumer(ctx, js, n, want)
	}
	if err != nil {
		return nil, err
	}
	info := c.CachedInfo()
	if err := checkConsumer(n, stream, want, info.Config); err != nil {
		return nil, err
	}
	inUse := info.NumWaiting > 0 || info.NumAckPending > 0
	if info.Config.AckWait == ackWait || info.Config.Metadata[ownerKey] != owner || ackWait < info.Config.AckWait && inUse {
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

// Queued is what the commands stream holds of one source in one lane, in hand
// or not.
type Queued struct {
	Lane     messages.Lane
	Source   string // the token of the subject, as it was sent
	Messages uint64
}

// Sources lists who has commands in the stream, from the stream's leader.
func Sources(ctx context.Context, commands jetstream.Stream, n messages.Names) ([]Queued, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := commands.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return nil, fmt.Errorf("reading who has commands in %s: %w", n.CommandsStream(), err)
	}
	var all []Queued
	for subject, count := range info.State.Subjects {
		at := strings.LastIndexByte(subject, '.')
		for _, l := range messages.Lanes() {
			if source := subject[at+1:]; n.CommandSubject(l, source) == subject && !strings.ContainsAny(source, "*>") {
				all = append(all, Queued{l, source, count})
			}
		}
	}
	return all, nil
}

// Lane is what the consumers of one lane say of their messages, together.
type Lane struct {
	Pending    uint64 // that no worker has taken
	AckPending uint64 // in hand, or waiting for another try
	Waiting    int    // pulls of workers
}

// Lanes adds up the consumers of each lane. A source that has no consumer yet
// counts with all its messages as pending.
func Lanes(ctx context.Context, commands jetstream.Stream, n messages.Names) (map[messages.Lane]Lane, error) {
	queued, err := Sources(ctx, commands, n)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	all, inHand := map[messages.Lane]Lane{}, map[string]uint64{}
	lister := commands.ListConsumers(ctx)
	for c := range lister.Info() {
		lane, _, _ := strings.Cut(c.Name, "=")
		sum := all[messages.Lane(lane)]
		sum.AckPending += uint64(c.NumAckPending)
		sum.Waiting += c.NumWaiting
		all[messages.Lane(lane)] = sum
		inHand[c.Name] = uint64(c.NumAckPending)
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("listing the consumers of %s: %w", n.CommandsStream(), err)
	}
	for _, q := range queued {
		sum := all[q.Lane]
		sum.Pending += q.Messages - min(inHand[ConsumerName(q.Lane, q.Source)], q.Messages)
		all[q.Lane] = sum
	}
	return all, nil
}
