package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"certrecall/messages"
)

// handle carries one message from its bytes to its verdict, and settles it.
func (w *Worker) handle(d *delivery) {
	d.hand = w.hands.take(d)
	defer w.hands.release(d.hand)
	leave, room := w.amongRetries(d)
	if !room {
		w.settle(d, verdict{do: again, delay: retryPause(d.deliveries), outcome: outcomeReturned, err: errRetriesFull, unended: true})
		return
	}
	d.leaveRetries = sync.OnceFunc(leave)
	defer d.leaveRetries()
	w.settle(d, w.guarded(d))
}

// The server delivers what is due again before what is new, so ten thousand
// commands waiting for another try would keep fresh ones away for as long as
// the budget is narrow. At most half of a lane's slots serve commands that
// were delivered before; another goes back for a moment that grows.

var errRetriesFull = errors.New("other commands that were delivered before have the places kept for them")

func (w *Worker) amongRetries(d *delivery) (leave func(), room bool) {
	if d.deliveries < 2 {
		return func() {}, true
	}
	places := w.retries[d.lane]
	select {
	case places <- struct{}{}:
		return func() { <-places }, true
	default:
		return nil, false
	}
}

// A dry run waits for permits as listings do, for minutes where revocations
// use the budget. So it leaves the slots of its lane to revocations, and has
// places of its own; one that finds none goes back.

var errPlansFull = errors.New("as many other dry runs are being carried out here as may be at once")

func planPause(deliveries uint64) time.Duration {
	most := min(time.Duration(deliveries)*5*time.Second, 5*time.Minute)
	return time.Second + rand.N(most)
}

// retryPause spreads what goes back over a time that grows with its deliveries.
func retryPause(deliveries uint64) time.Duration {
	most := min(time.Duration(deliveries)*500*time.Millisecond, 30*time.Second)
	return 100*time.Millisecond + rand.N(most)
}

// guarded keeps a panic from ending the process, and a message that ends
// processes from doing so for ever: see [poison].
func (w *Worker) guarded(d *delivery) (v verdict) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("handling a command panicked", zap.Any("panic", p), zap.Uint64("stream_sequence", d.sequence), zap.ByteString("stack", debug.Stack()))
			v = verdict{do: again, delay: time.Second, outcome: outcomePanic, err: fmt.Errorf("panic: %v", p), unended: true}
		}
	}()
	suspicion, err := w.poison.begin(d.ctx, d)
	if err != nil {
		delay := time.Second
		if errors.Is(err, errNotAlone) {
			delay = w.poison.pause()
		}
		return verdict{do: again, delay: delay, outcome: outcomeReturned, err: err, unended: true}
	}
	defer suspicion.release()
	if suspicion.unread {
		return w.rejectUnread(d)
	}
	return w.poison.unended(d.ctx, d, suspicion, w.carry(d, suspicion))
}

// rejectUnread answers a message that nobody can look into and live: only its
// subject and its place in the stream are used.
func (w *Worker) rejectUnread(d *delivery) verdict {
	lane, source, err := w.cfg.Names.ParseCommandSubject(d.msg.Subject())
	if err != nil {
		return retryIn(time.Minute, err)
	}
	problem := *messages.NewError(messages.ErrorPoison, poisonDetail)
	return w.reject(d.ctx, d, messages.Command{Lane: lane, Source: source}, problem, false)
}

// carry decodes the command and hands it to the one who carries its action.
func (w *Worker) carry(d *delivery, s suspicion) verdict {
	subjectLane, source, err := w.cfg.Names.ParseCommandSubject(d.msg.Subject())
	if err != nil {
		// The stream holds the three lanes' subjects only, so this is another's stream.
		return retryIn(time.Minute, err)
	}
	cmd, err := messages.DecodeCommand(subjectLane, source, d.msg.Headers(), d.msg.Data())
	if err != nil {
		detail := err.Error()
		if invalid, ok := errors.AsType[*messages.InvalidCommand](err); ok {
			detail = invalid.Detail()
		}
		invalid := messages.NewError(messages.ErrorInvalidCommand, detail)
		return w.reject(d.ctx, d, cmd, *invalid, true)
	}
	j := newJob(cmd)
	j.from(d)
	j.poisoned = s.poisoned
	d.job, j.hand = j, d.hand
	j.hand.carries(j)
	wait, cancel := context.WithCancelCause(d.ctx)
	defer cancel(nil)
	stop := context.AfterFunc(w.pulling, func() { cancel(context.Cause(w.pulling)) })
	defer stop()
	stopWaiting := context.AfterFunc(s.leave, func() { cancel(context.Cause(s.leave)) })
	defer stopWaiting()
	j.wait = wait
	if cmd.Action() == messages.ActionListDuplicates {
		return w.list(d.ctx, d, j)
	}
	if cmd.DryRun {
		select {
		case w.plans <- struct{}{}:
			defer func() { <-w.plans }()
		default:
			return giveBack(planPause(d.deliveries), errPlansFull)
		}
		d.giveSlotBack()
		return w.plan(d.ctx, d, j)
	}
	release, err := w.orders.lock(wait, cmd.OrderID)
	if err != nil {
		return giveBack(orderPause(), err)
	}
	defer release()
	return w.revoke(d.ctx, d, j)
}

// orderLocks keep a process from running two handlers for one order. The zero
// value is ready.
type orderLocks struct {
	mu   sync.Mutex
	busy map[int64]chan struct{}
}

// orderPatience is how long a handler waits for another of the same order
// before it gives its slot to other orders.
const orderPatience = 250 * time.Millisecond

var errOrderBusy = errors.New("another command of the same order is being handled here")

func orderPause() time.Duration { return time.Second/2 + rand.N(time.Second) }

func (l *orderLocks) lock(ctx context.Context, order int64) (release func(), err error) {
	var patience <-chan time.Time
	for {
		l.mu.Lock()
		other := l.busy[order]
		if other == nil {
			if l.busy == nil {
				l.busy = map[int64]chan struct{}{}
			}
			mine := make(chan struct{})
			l.busy[order] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.busy, order)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		if patience == nil {
			timer := time.NewTimer(orderPatience)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-other:
		case <-patience:
			return nil, errOrderBusy
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
