package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/streams"
)

const (
	// A pull that nobody answers is asked again after this, so that a consumer
	// that was made anew is met soon.
	pullExpiry = 5 * time.Second
	// A server that lets two heartbeats pass is taken for gone.
	pullHeartbeat = 2 * time.Second
)

func kindOf(l messages.Lane) gate.Kind {
	if l == messages.LaneListDuplicates {
		return gate.Listings
	}
	return gate.Revocations
}

// runLane pulls the commands of one lane: a slot first, then the gates, then
// one message, so that nothing waits in a client's buffer while its ack timer
// runs; and while more commands wait than that one, as many as there are other
// slots free. It returns when ctx has ended and nothing of the lane is in hand.
func (w *Worker) runLane(ctx context.Context, lane messages.Lane) {
	p := &puller{Worker: w, lane: lane, slots: make(chan struct{}, w.cfg.Concurrency)}
	defer p.inHand.Wait()
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, 10*time.Second) {
		began := time.Now()
		err := p.pull(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		w.log.Warn("pulling stopped; starting it again", zap.String("lane", string(lane)), zap.Error(err))
		w.health.laneDown(lane, err)
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(pause)):
		}
	}
}

// puller takes the commands of one lane. One goroutine owns it.
type puller struct {
	*Worker
	lane messages.Lane
	// slots has one element a message in hand or asked for.
	slots  chan struct{}
	inHand sync.WaitGroup
	// Of the consumer that is pulled from now.
	consumer jetstream.Consumer
	ackWait  time.Duration
}

// pull serves one iterator until it breaks: the consumer vanished, or the
// server went away. Consumers are made again; streams only by provisioning.
func (p *puller) pull(ctx context.Context) error {
	var err error
	p.consumer, err = streams.EnsureConsumer(ctx, p.js, p.cfg.Names, p.lane, p.cfg.AckWait)
	if err != nil {
		return err
	}
	if err := p.reopenIfRecreated(ctx, p.consumer); err != nil {
		return err
	}
	p.ackWait = p.consumer.CachedInfo().Config.AckWait
	it, err := p.consumer.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("pulling from consumer %s: %w", p.lane, err)
	}
	defer p.drain(it)
	p.health.laneUp(p.lane)
	for {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		msg, err := p.next(ctx, it)
		if err != nil {
			<-p.slots
			if err := p.pullBroken(ctx, err); err != nil {
				return err
			}
			continue
		}
		p.start(msg)
		p.takeMore(ctx, msg)
	}
}

func (p *puller) next(ctx context.Context, it jetstream.MessagesContext) (jetstream.Msg, error) {
	if err := p.gates.Wait(ctx, kindOf(p.lane)); err != nil {
		return nil, err
	}
	p.health.pulled(p.lane)
	return streams.Next(ctx, it)
}

// start handles a message in the slot that was taken for it.
func (p *puller) start(msg jetstream.Msg) {
	ackWait := p.ackWait
	p.inHand.Go(func() {
		defer p.free(1)
		p.handle(p.lane, msg, ackWait)
	})
}

func (p *puller) free(slots int) {
	for range slots {
		<-p.slots
	}
}

const (
	// From as many free slots on, one pull of more messages costs less than its
	// own reply subject does.
	leastBatch = 2
	// mostBatch bounds what one pull may ask for: commands that set out together
	// stay in step, and then wait for the same disk.
	mostBatch = 32
)

// takeMore asks once for as many of the waiting commands as there are free
// slots. The server answers with what it has, at once; each command gets its
// slot the moment it comes. Under load this saves about a third of the
// CPU that a command costs. A pull that finds nobody leaves it to the iterator
// to see why.
func (p *puller) takeMore(ctx context.Context, last jetstream.Msg) {
	meta, err := last.Metadata()
	if err != nil || meta.NumPending < leastBatch || ctx.Err() != nil {
		return
	}
	if _, closed := p.gates.Closed(kindOf(p.lane)); closed {
		return
	}
	slots := p.takeSlots(int(min(meta.NumPending, mostBatch)))
	defer func() { p.free(slots) }()
	if slots < leastBatch {
		return
	}
	batch, err := p.consumer.FetchNoWait(slots)
	if err != nil {
		return
	}
	for msg := range batch.Messages() {
		slots--
		p.start(msg)
	}
}

// takeSlots takes what is free now, up to most.
func (p *puller) takeSlots(most int) (taken int) {
	for taken < most {
		select {
		case p.slots <- struct{}{}:
			taken++
		default:
			return taken
		}
	}
	return taken
}

// pullBroken tells a pull that merely found nobody for a moment from an
// iterator that has ended.
func (p *puller) pullBroken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, nats.ErrNoResponders) {
		if _, lookErr := p.js.Consumer(ctx, p.cfg.Names.CommandsStream(), string(p.lane)); lookErr != nil {
			return fmt.Errorf("consumer %s does not answer: %w", p.lane, lookErr)
		}
		return nil
	}
	return err
}

// drain gives back at once what the server had sent before it heard that the
// pull has ended, instead of leaving it to the ack timer.
func (p *puller) drain(it jetstream.MessagesContext) {
	it.Drain()
	ackWait := p.ackWait
	p.inHand.Go(func() {
		for {
			msg, err := it.Next()
			if err != nil {
				return
			}
			if d, err := p.take(p.calling, p.lane, msg, ackWait); err == nil {
				p.settle(d, giveBack(0, nil))
			}
		}
	})
}

// reopenIfRecreated renews the handles if the commands stream was deleted and
// made again: its sequences begin anew, and its creation time tells them apart.
func (w *Worker) reopenIfRecreated(ctx context.Context, c jetstream.Consumer) error {
	stores := *w.stores()
	info, err := stores.Commands.Info(ctx)
	if err != nil {
		return fmt.Errorf("reading %s: %w", w.cfg.Names.CommandsStream(), err)
	}
	if info.Created.Equal(stores.CommandsCreated) {
		return nil
	}
	stores.CommandsCreated = info.Created
	w.opened.Store(&stores)
	return nil
}
