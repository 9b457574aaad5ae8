package main

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// follow gives every event in turn to f until it returns false, through
// restarts of NATS and changes of leader; it reports whether that came within
// limit. The second argument of f is when the stream stored the event.
func (p *plant) follow(limit time.Duration, f func(messages.Event, time.Time) bool) bool {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	for last := uint64(0); ctx.Err() == nil; {
		stopped, err := p.followFrom(ctx, &last, f)
		if stopped {
			return true
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return false
}

// followFrom goes on after the event with the sequence last.
func (p *plant) followFrom(ctx context.Context, last *uint64, f func(messages.Event, time.Time) bool) (stopped bool, err error) {
	consumer, err := p.js.OrderedConsumer(ctx, p.names.EventsStream(), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *last + 1, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return false, err
	}
	it, err := consumer.Messages(jetstream.PullExpiry(2*time.Second), jetstream.PullHeartbeat(500*time.Millisecond))
	if err != nil {
		return false, err
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return false, err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return false, err
		}
		if meta.Sequence.Stream <= *last {
			continue
		}
		*last = meta.Sequence.Stream
		e, err := p.names.DecodeEvent(msg.Subject(), msg.Headers(), msg.Data())
		if err != nil {
			p.t.Errorf("event %d: %v", *last, err)
			continue
		}
		if !f(e, meta.Timestamp) {
			return true, nil
		}
	}
}

// everyMessage reads a stream from its first message to the last that it has now.
func (p *plant) everyMessage(stream string, f func(jetstream.Msg)) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	s, err := p.js.Stream(ctx, stream)
	if err != nil {
		p.t.Fatal(err)
	}
	state := s.CachedInfo().State
	if state.Msgs == 0 {
		return
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		p.t.Fatal(err)
	}
	it, err := consumer.Messages()
	if err != nil {
		p.t.Fatal(err)
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue
		}
		if err != nil {
			p.t.Fatalf("reading %s: %v", stream, err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			p.t.Fatal(err)
		}
		f(msg)
		if meta.Sequence.Stream >= state.LastSeq {
			return
		}
	}
}

// store publishes until the stream acknowledges, as a producer must, and gives
// the sequences of the acknowledgements it saw; what was stored without one
// stays unknown.
func (p *plant) store(ctx context.Context, subject string, body []byte) (uint64, error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		ack, err := p.js.PublishMsg(attempt, &nats.Msg{Subject: subject, Data: body}, jetstream.WithExpectStream(p.names.CommandsStream()))
		cancel()
		if err == nil {
			return ack.Sequence, nil
		}
		select {
		case <-ctx.Done():
			return 0, errors.Join(context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
