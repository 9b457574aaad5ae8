package worker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/approvals"
	"certrecall/worker/streams"
)

// queuePoll is how often the worker looks at what waits, for its metrics.
const queuePoll = 5 * time.Second

// watchQueues keeps the gauges of what waits: in the stream, for an
// administrator, in the budget, among the dead letters. It also is the pulse
// that /livez listens for.
func (w *Worker) watchQueues(ctx context.Context) {
	tick := time.NewTicker(queuePoll)
	defer tick.Stop()
	for {
		w.health.beat()
		w.lookAtHands()
		w.lookAtStores(ctx)
		w.lookAtRooms()
		if err := w.lookAtQueues(ctx); err != nil && ctx.Err() == nil {
			w.log.Debug("what waits could not be read", zap.Error(err))
		}
		w.setReady()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *Worker) lookAtQueues(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queuePoll)
	defer cancel()
	var problems []error
	lanes, err := streams.Lanes(ctx, w.stores().Commands, w.cfg.Names)
	problems = append(problems, err)
	for _, lane := range messages.Lanes() {
		if err == nil {
			problems = append(problems, w.lookAtLane(ctx, lane, lanes[lane]))
		}
	}
	w.metrics.strangers.Set(float64(w.unknown.count()))
	for _, u := range w.budget.Use() {
		window := u.Per.String()
		w.metrics.budgetUsed.WithLabelValues(window).Set(float64(u.Used))
		w.metrics.budgetLeft.WithLabelValues(window).Set(float64(u.Left))
		w.metrics.budgetLimit.WithLabelValues(window).Set(float64(u.Calls))
	}
	for _, lane := range messages.Lanes() {
		w.metrics.slotsInUse.WithLabelValues(string(lane)).Set(float64(w.hands.count(lane)))
	}
	sweep, err := approvals.Latest(ctx, w.stores().Budget)
	problems = append(problems, err)
	if err == nil {
		w.metrics.waiting.set(float64(sweep.Waiting))
		w.metrics.waitingOldest.set(w.age(sweep.OldestSince))
		w.metrics.deadlinesAtRisk.set(float64(sweep.AtRisk))
		w.metrics.deadlinesOver.set(float64(sweep.Overdue))
		if swept := sweep.At; !swept.IsZero() {
			w.metrics.sweepAge.set(w.age(swept))
		} else {
			w.metrics.sweepAge.set(w.age(w.since)) // nobody has swept since this worker began
		}
	}
	dead, err := w.stores().DeadLetters.Info(ctx)
	problems = append(problems, err)
	if err == nil {
		w.metrics.deadStored.set(float64(dead.State.Msgs))
	}
	return errors.Join(problems...)
}

func (w *Worker) lookAtLane(ctx context.Context, lane messages.Lane, sum streams.Lane) error {
	w.metrics.queuePending.set(float64(sum.Pending), string(lane))
	w.metrics.queueAckPending.set(float64(sum.AckPending), string(lane))
	oldest := time.Time{}
	if sum.Pending+sum.AckPending > 0 {
		m, err := w.stores().Commands.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(w.cfg.Names.LaneSubject(lane)))
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return err
		}
		if err == nil {
			oldest = m.Time
		}
	}
	w.metrics.queueOldest.set(w.age(oldest), string(lane))
	return nil
}

func (w *Worker) age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(w.clock.Now().Sub(since).Seconds(), 0)
}
