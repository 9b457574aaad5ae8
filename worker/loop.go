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
// runs. It returns when ctx has ended and nothing of the lane is in hand.
func (w *Worker) runLane(ctx context.Context, lane messages.Lane) {
	slots := make(chan struct{}, w.cfg.Concurrency)
	var inHand sync.WaitGroup
	defer inHand.Wait()
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, 10*time.Second) {
		began := time.Now()
		err := w.pull(ctx, lane, slots, &inHand)
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

// pull serves one iterator until it breaks: the consumer vanished, or the
// server went away. Consumers are made again; streams only by provisioning.
func (w *Worker) pull(ctx context.Context, lane messages.Lane, slots chan struct{}, inHand *sync.WaitGroup) error {
	consumer, err := streams.EnsureConsumer(ctx, w.js, w.cfg.Names, lane, w.cfg.AckWait)
	if err != nil {
		return err
	}
	if err := w.reopenIfRecreated(ctx, consumer); err != nil {
		return err
	}
	ackWait := consumer.CachedInfo().Config.AckWait
	it, err := consumer.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return fmt.Errorf("pulling from consumer %s: %w", lane, err)
	}
	defer w.drain(it, lane, ackWait, inHand)
	w.health.laneUp(lane)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		msg, err := w.next(ctx, lane, it)
		if err != nil {
			<-slots
			if err := w.pullBroken(ctx, lane, err); err != nil {
				return err
			}
			continue
		}
		inHand.Go(func() {
			defer func() { <-slots }()
			w.handle(lane, msg, ackWait)
		})
	}
}

func (w *Worker) next(ctx context.Context, lane messages.Lane, it jetstream.MessagesContext) (jetstream.Msg, error) {
	if err := w.gates.Wait(ctx, kindOf(lane)); err != nil {
		return nil, err
	}
	w.health.pulled(lane)
	return streams.Next(ctx, it)
}

// pullBroken tells a pull that merely found nobody for a moment from an
// iterator that has ended.
func (w *Worker) pullBroken(ctx context.Context, lane messages.Lane, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, jetstream.ErrNoHeartbeat) || errors.Is(err, nats.ErrNoResponders) {
		if _, lookErr := w.js.Consumer(ctx, w.cfg.Names.CommandsStream(), string(lane)); lookErr != nil {
			return fmt.Errorf("consumer %s does not answer: %w", lane, lookErr)
		}
		return nil
	}
	return err
}

// drain gives back at once what the server had sent before it heard that the
// pull has ended, instead of leaving it to the ack timer.
func (w *Worker) drain(it jetstream.MessagesContext, lane messages.Lane, ackWait time.Duration, inHand *sync.WaitGroup) {
	it.Drain()
	inHand.Go(func() {
		for {
			msg, err := it.Next()
			if err != nil {
				return
			}
			if d, err := w.take(w.calling, lane, msg, ackWait); err == nil {
				w.settle(d, giveBack(0, nil))
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
