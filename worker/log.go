package worker

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
)

// What the log says of a command: who, what, how it ended, how long it took.
// Never a key, the body of a certificate, a comment, or a name.

func fieldOrder(order int64) zap.Field { return zap.Int64("order_id", order) }
func fieldError(err error) zap.Field   { return zap.Error(err) }

// report writes the one line of a message and counts it.
func (w *Worker) report(d *delivery, v verdict) {
	if d.deliveries > 1 {
		w.metrics.redeliveries.WithLabelValues(string(d.lane)).Inc()
	}
	fields := []zap.Field{
		zap.String("lane", string(d.lane)), zap.String("outcome", v.outcome), zap.Uint64("stream_sequence", d.sequence),
		zap.Uint64("deliveries", d.deliveries), zap.Duration("took", time.Since(d.taken)), zap.Duration("age", w.clock.Now().Sub(d.received)),
	}
	if j := d.job; j != nil {
		fields = append(fields, j.fields()...)
	}
	w.count(d.lane, d.received, v)
	switch {
	case v.do == done:
		w.log.Info("command", append(fields, zap.NamedError("reason", v.err))...)
	case v.outcome == outcomeRetry:
		w.log.Warn("command will be tried again", append(fields, zap.Duration("in", v.delay), zap.Error(v.err))...)
	case v.outcome == outcomeReturned:
		w.log.Debug("command given back", append(fields, zap.NamedError("reason", v.err))...)
	default:
		w.log.Warn("command left unsettled", append(fields, zap.Error(v.err))...)
	}
}

// reportJob writes the line of a command that ended from its waiting key.
func (w *Worker) reportJob(j *job, v verdict) {
	w.count(j.cmd.Lane, j.received, v)
	w.log.Info("command", append(j.fields(), zap.String("lane", string(j.cmd.Lane)), zap.String("outcome", v.outcome),
		zap.Uint64("stream_sequence", j.sequence), zap.Uint64("deliveries", j.deliveries), zap.Duration("age", w.clock.Now().Sub(j.received)))...)
}

func (j *job) fields() []zap.Field {
	fields := []zap.Field{zap.String("command_id", j.cmd.ID), zap.String("source", j.cmd.Source), fieldOrder(j.cmd.OrderID), zap.Int("attempts", j.said)}
	if j.cmd.Incident != "" {
		fields = append(fields, zap.String("incident", j.cmd.Incident))
	}
	if j.calls > 0 {
		fields = append(fields, zap.Duration("calls", j.calls))
	}
	return fields
}

func (w *Worker) count(lane messages.Lane, received time.Time, v verdict) {
	if v.do != done {
		w.metrics.unacked.WithLabelValues(string(lane), v.outcome).Inc()
		return
	}
	w.metrics.commands.WithLabelValues(string(lane), v.outcome).Inc()
	if messages.EventName(v.outcome).Final() {
		w.metrics.commandSeconds.WithLabelValues(string(lane), v.outcome).Observe(w.clock.Now().Sub(received).Seconds())
	}
}

// gateChanged writes one line when a gate closes and one when it opens.
func (w *Worker) gateChanged(r gate.Reason, closed bool) {
	fields := []zap.Field{zap.String("gate", string(r.Gate)), zap.String("kind", kindLabel(r.Kind)), zap.String("detail", r.Detail)}
	if r.By != "" {
		fields = append(fields, zap.String("by", r.By))
	}
	if closed && r.Gate == gate.Circuit {
		// What stands may lead to an address that is dead: the next calls find out
		// where DigiCert is now.
		w.digicert.CloseIdleConnections()
	}
	if closed {
		w.metrics.gateClosed.WithLabelValues(string(r.Gate), kindLabel(r.Kind)).Set(1)
		w.log.Warn("gate closed: nothing is begun", fields...)
		return
	}
	w.metrics.gateClosed.WithLabelValues(string(r.Gate), kindLabel(r.Kind)).Set(0)
	w.log.Info("gate opened", append(fields, zap.Duration("closed_for", time.Since(r.Since)))...)
}

// sweepFailed hears of a sweep that could not do everything. A closed gate is
// no failure: it has its own line.
func (w *Worker) sweepFailed(err error) {
	if _, gated := errors.AsType[errGate](err); gated {
		w.log.Debug("the sweep of waiting requests met a closed gate", zap.Error(err))
		return
	}
	w.log.Warn("the sweep of waiting requests could not do everything; the next one goes on", zap.Error(err))
}

func kindLabel(k gate.Kind) string {
	if k == "" {
		return "all"
	}
	return string(k)
}

func (w *Worker) reportBudget(i budget.Incident) {
	if i.Kind == budget.OutOfReach {
		w.metrics.storeFailed(storeBudget)
	}
	if i.Kind == budget.RecordBegun {
		w.log.Info("the budget of calls begins anew", zap.Stringer("incident", i))
		return
	}
	w.log.Warn("the budget record needed mending", zap.Stringer("incident", i))
}
