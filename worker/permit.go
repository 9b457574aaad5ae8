package worker

import (
	"context"
	"time"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
)

// permit waits for the budget's leave to make one call now, and for the gates.
// Every call pays: retries and reads too.
func (w *Worker) permit(ctx context.Context, j *job) (budget.Permit, error) {
	if reason, closed := w.gates.Closed(j.kind); closed {
		return budget.Permit{}, errGate{reason}
	}
	began := time.Now()
	j.hand.awaits("a permit of the budget")
	p, err := w.budget.Acquire(ctx, j.lane)
	j.hand.does("what the permit was for")
	if err != nil {
		return p, err
	}
	w.metrics.budgetWait.WithLabelValues(string(j.cmd.Lane)).Observe(time.Since(began).Seconds())
	if reason, closed := w.gates.Closed(j.kind); closed {
		p.GiveBack()
		return budget.Permit{}, errGate{reason}
	}
	if j.reads { // of a revocation the ledger has its say, see send
		if e, stop := w.stoppedReading(j); stop {
			p.GiveBack()
			return budget.Permit{}, errEnded{e}
		}
	}
	return p, nil
}

// listingPass counts a call of the listing endpoint that is begun on it.
type listingPass struct {
	budget.Permit
	j *job
}

// GiveBack takes it back: the call was not begun.
func (p listingPass) GiveBack() {
	p.j.attempts--
	p.Permit.GiveBack()
}

// reader is DigiCert without the operations that change anything, each of
// whose calls waits for a permit of the job's lane.
func (w *Worker) reader(j *job) client.Reader {
	return w.digicert.Reader(func(ctx context.Context, op client.Operation) (client.Pass, error) {
		wait, stop := j.waiter(ctx)
		defer stop()
		p, err := w.permit(wait, j)
		if err != nil {
			return nil, err
		}
		if op == client.OpDuplicates && j.cmd.Action() == messages.ActionListDuplicates {
			j.attempts++
			return listingPass{p, j}, nil
		}
		return p, nil
	})
}

// sweepReader is DigiCert for the sweep of approvals: its calls wait for the
// sweep's own share of the budget, and for the gates of revocations.
func (w *Worker) sweepReader() client.Reader {
	return w.digicert.Reader(func(ctx context.Context, _ client.Operation) (client.Pass, error) {
		if reason, closed := w.gates.Closed(gate.Revocations); closed {
			return nil, errGate{reason}
		}
		return w.sweepPermit(ctx)
	})
}

// sweepPatience is how long the sweep waits in one lane before it asks in the other.
const sweepPatience = 500 * time.Millisecond

// sweepPermit takes a call of the sweep's own share, which it always gets, or
// else one as listings get them, while nobody who revokes wants it: an approval
// is told soon where the budget is idle.
func (w *Worker) sweepPermit(ctx context.Context) (budget.Permit, error) {
	for lane := budget.Sweep; ; {
		attempt, cancel := context.WithTimeout(ctx, sweepPatience)
		p, err := w.budget.Acquire(attempt, lane)
		cancel()
		if err == nil || ctx.Err() != nil {
			return p, err
		}
		if lane == budget.Sweep {
			lane = budget.Listing
		} else {
			lane = budget.Sweep
		}
	}
}

// waiter is ctx, ended also when nothing new may begin for the job.
func (j *job) waiter(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(j.wait, func() { cancel(context.Cause(j.wait)) })
	return ctx, func() { stop(); cancel(nil) }
}

// observe hears of every HTTP attempt that ended, of whichever command.
func (w *Worker) observe(c client.Call) {
	w.gates.Report(c)
	switch c.Class {
	case client.ClassThrottled:
		w.budget.Throttled(c.Began, c.RetryAfter)
	case "":
		w.budget.Succeeded()
	case client.ClassUnavailable, client.ClassKeyRefused, client.ClassForbidden, client.ClassNotFound,
		client.ClassRefused, client.ClassOutcomeUnknown, client.ClassNeverSent:
	}
	class := string(c.Class)
	if class == "" {
		class = "ok"
	}
	w.metrics.calls.WithLabelValues(string(c.Op), class).Inc()
	if c.Setup > 0 {
		w.metrics.connecting.Observe(c.Setup.Seconds())
	}
	w.metrics.callSeconds.WithLabelValues(string(c.Op)).Observe(c.Duration.Seconds())
}
