package worker

import (
	"context"
	"errors"
	"net/http"
	"time"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/ledger"
)

// recordTimeout bounds how long an answer of DigiCert is offered to the
// record. Should it fail, the attempt stays open and its outcome is read back.
const recordTimeout = time.Minute

// shutdownRecordTimeout is what remains for it once the grace is over.
const shutdownRecordTimeout = 5 * time.Second

// record offers what was learnt to the order's record, past the lease and past
// the message's deadline too: the compare-and-swap decides. If it cannot be
// stored the attempt stays open, and the next look reads it back.
func (w *Worker) record(ctx context.Context, e ledger.Entry, learnt func(*ledger.Record)) ledger.Entry {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	stop := context.AfterFunc(w.calling, func() { time.AfterFunc(shutdownRecordTimeout, cancel) })
	defer stop()
	next, err := w.ledger.Update(ctx, e, func(r *ledger.Record) bool { learnt(r); return true })
	if err != nil {
		w.metrics.storeFailed(storeOrders)
		w.log.Warn("what DigiCert answered could not be stored; it will be read back", fieldOrder(e.Order), fieldError(err))
	}
	return next
}

// recordAnswer stores what the PUT came to.
func (w *Worker) recordAnswer(ctx context.Context, j *job, e ledger.Entry, owner string, receipt client.Receipt, err error) (ledger.Entry, *verdict) {
	now := w.clock.Now()
	if err == nil {
		switch {
		case receipt.Request == nil && (receipt.Status == http.StatusNoContent || j.cmd.SkipApproval):
			return w.record(ctx, e, func(r *ledger.Record) { r.EndRevoked(j.claimant, owner, now) }), nil
		case receipt.Request == nil || receipt.Status != http.StatusCreated:
			// Something was taken, nobody knows what: the answer may have lost its body on the way.
			return w.record(ctx, e, func(r *ledger.Record) { r.EndUnclear(j.claimant, owner, now) }), nil
		}
		q := seen(*receipt.Request)
		e = w.record(ctx, e, func(r *ledger.Record) { r.EndRequested(j.claimant, owner, now, q) })
		if q.Status == "approved" {
			return w.readBack(ctx, j, e)
		}
		return e, nil
	}
	failure, ok := errors.AsType[*client.Error](err)
	if !ok {
		failure = &client.Error{Class: client.ClassOutcomeUnknown, Err: err}
	}
	class := failure.Class
	if misrouted(failure) {
		class = client.ClassOutcomeUnknown // something in front of DigiCert answered: what it passed on before is not known
	}
	switch class {
	case client.ClassThrottled:
		e = w.record(ctx, e, func(r *ledger.Record) { r.TakeBack(j.claimant, owner, false) })
		return e, new(giveBack(w.untilNotBefore(), err))
	case client.ClassNeverSent:
		return w.failed(ctx, j, e, err, func(r *ledger.Record) { r.TakeBack(j.claimant, owner, false) })
	case client.ClassKeyRefused, client.ClassForbidden:
		return w.denied(ctx, j, e, owner, failure)
	case client.ClassNotFound, client.ClassRefused:
		no := refusal(failure)
		return w.record(ctx, e, func(r *ledger.Record) { r.EndRefused(j.claimant, owner, now, no) }), nil
	case client.ClassOutcomeUnknown, client.ClassUnavailable:
		e, v := w.failed(ctx, j, e, err, func(r *ledger.Record) { r.EndUnclear(j.claimant, owner, now) })
		if v != nil && j.wait.Err() == nil && !errors.Is(v.err, errBudgetSpent) {
			v = nil // the truth may be readable at once
		}
		return e, v
	}
	return e, new(w.tryLater(j, err))
}

// maxDenials is how often DigiCert may answer 401 or 403 to one command, while
// the neutral probe passes, before that is its final answer.
const maxDenials = 3

// denied judges a 401 or 403 by the neutral probe: if that is refused too, it
// is the key, and nothing is held against the command; else the refusal was
// the command's own.
func (w *Worker) denied(ctx context.Context, j *job, e ledger.Entry, owner string, failure *client.Error) (ledger.Entry, *verdict) {
	takeBack := func(r *ledger.Record) { r.TakeBack(j.claimant, owner, true) }
	keyRefused, err := w.gates.Judge(ctx, failure)
	switch {
	case keyRefused:
		return w.record(ctx, e, takeBack), new(giveBack(time.Second, failure))
	case err != nil && j.wait.Err() != nil:
		return w.record(ctx, e, takeBack), new(w.tryLater(j, errors.Join(failure, err)))
	case err != nil:
		// Nobody knows whose fault it was: a failed call like others, so that it is not repeated at once.
		return w.failed(ctx, j, e, errors.Join(failure, err), takeBack)
	}
	now, denials := w.clock.Now(), 0
	delay := w.backoffDelay(e.Note(j.key).Failures + 1)
	e = w.record(ctx, e, func(r *ledger.Record) {
		if t := r.Targets[j.claimant.Target]; t == nil || t.Attempt == nil || t.Attempt.Owner != owner {
			return
		}
		if denials = r.Deny(j.claimant, now); denials >= maxDenials {
			r.EndRefused(j.claimant, owner, now, refusal(failure))
			return
		}
		r.TakeBack(j.claimant, owner, true)
		r.Failed(j.claimant, now, 0, delay, true)
	})
	if denials >= maxDenials {
		return e, nil
	}
	return e, new(retryIn(delay, failure))
}

func refusal(e *client.Error) ledger.Refusal {
	return ledger.Refusal{Detail: e.Error(), Status: e.Status, Code: e.Code}
}

var errBudgetSpent = errors.New("the time to keep trying is over")

// failed dates a failed call, stores what else was learnt of it, and says when
// the next try is due; or, if the retry budget is spent, ends the command: as
// gave-up if its target reads untouched, as outcome-unknown if that cannot be
// read.
func (w *Worker) failed(ctx context.Context, j *job, e ledger.Entry, cause error, learnt func(*ledger.Record)) (ledger.Entry, *verdict) {
	now, dated := w.clock.Now(), false
	var delay time.Duration
	e = w.record(ctx, e, func(r *ledger.Record) {
		learnt(r)
		if n := r.Note(j.key); !dated || !n.Last.Equal(now) {
			delay = w.backoffDelay(n.Failures + 1)
			r.Failed(j.claimant, now, w.spent(n, j.kind, now), delay, !isReadFailure(cause))
			dated = true
		}
	})
	if e.Note(j.key).Spent < w.cfg.RetryMaxElapsed {
		return e, new(retryIn(delay, cause))
	}
	answer := e.Decide(j.claimant, now)
	var o ledger.Outcome
	switch {
	case !answer.Open:
		o = outcome(messages.ErrorGaveUp, "nothing was done at DigiCert; the last failure: "+cause.Error())
	case isReadFailure(cause):
		o = outcome(messages.ErrorOutcomeUnknown, "whether the revocation took effect could not be read; look at the order in CertCentral; the last failure: "+cause.Error())
	default:
		return e, nil // the unclear PUT is read back first
	}
	next, ended, err := w.end(ctx, j, e, o, answer.Open)
	if err != nil || !ended {
		return next, new(retryIn(delay, errors.Join(errBudgetSpent, cause, err)))
	}
	return next, nil
}

func outcome(t messages.ErrorType, detail string) ledger.Outcome {
	return ledger.Outcome{Kind: string(messages.EventRevokeFailed), Refusal: ledger.Refusal{Type: string(t), Detail: detail}}
}

func isReadFailure(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Op != client.OpRevokeOrder && e.Op != client.OpRevokeCertificate
}

func (w *Worker) untilNotBefore() time.Duration {
	return max(time.Until(w.budget.NotBefore()), time.Second)
}
