package worker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/approvals"
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
	for _, lane := range messages.Lanes() {
		problems = append(problems, w.lookAtLane(ctx, lane))
	}
	for _, u := range w.budget.Use() {
		window := u.Per.String()
		w.metrics.budgetUsed.WithLabelValues(window).Set(float64(u.Used))
		w.metrics.budgetLeft.WithLabelValues(window).Set(float64(u.Left))
		w.metrics.budgetLimit.WithLabelValues(window).Set(float64(u.Calls))
	}
	sweep, err := approvals.Latest(ctx, w.stores().Budget)
	problems = append(problems, err)
	if err == nil {
		w.metrics.waiting.Set(float64(sweep.Waiting))
		w.metrics.waitingOldest.Set(w.age(sweep.OldestSince))
		w.metrics.deadlinesAtRisk.Set(float64(sweep.AtRisk))
		w.metrics.deadlinesOver.Set(float64(sweep.Overdue))
	}
	dead, err := w.stores().DeadLetters.Info(ctx)
	problems = append(problems, err)
	if err == nil {
		w.metrics.deadStored.Set(float64(dead.State.Msgs))
	}
	return errors.Join(problems...)
}

func (w *Worker) lookAtLane(ctx context.Context, lane messages.Lane) error {
	c, err := w.js.Consumer(ctx, w.cfg.Names.CommandsStream(), string(lane))
	if err != nil {
		return err
	}
	info := c.CachedInfo()
	w.metrics.queuePending.WithLabelValues(string(lane)).Set(float64(info.NumPending))
	w.metrics.queueAckPending.WithLabelValues(string(lane)).Set(float64(info.NumAckPending))
	oldest := time.Time{}
	if info.NumPending+uint64(info.NumAckPending) > 0 {
		m, err := w.stores().Commands.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(w.cfg.Names.LaneSubject(lane)))
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return err
		}
		if err == nil {
			oldest = m.Time
		}
	}
	w.metrics.queueOldest.WithLabelValues(string(lane)).Set(w.age(oldest))
	return nil
}

func (w *Worker) age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(w.clock.Now().Sub(since).Seconds(), 0)
}
