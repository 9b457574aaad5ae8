package worker

import (
	"context"
	"crypto/rand"
	"errors"
	rand2 "math/rand/v2"
	"net/http"
	"time"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/ledger"
)

// recordTimeout bounds how long an answer of DigiCert is offered to the
// record. Should it fail, the attempt stays open and its outcome is read back.
const recordTimeout = time.Minute

// shutdownRecordTimeout is what remains for it once the grace is over.
const shutdownRecordTimeout = 5 * time.Second

// send makes the one PUT: permit, Begin, PUT, record. Only a Begin that was
// swapped in leads to a PUT, and a PUT starts only if the lease outlives its
// time-out. A verdict ends the command's turn; without one the ledger is asked
// again.
func (w *Worker) send(ctx context.Context, j *job, e ledger.Entry) (ledger.Entry, *verdict) {
	wait, stop := j.waiter(ctx)
	defer stop()
	p, err := w.permit(wait, j)
	if err != nil {
		return e, new(w.tryLater(j, err))
	}
	w.at(stepPermitted)
	if j.pastDeadline() {
		p.GiveBack()
		return e, new(w.tryLater(j, errLeaseLost))
	}
	if _, stop := w.stopped(j, ledger.Answer{Next: ledger.Send}); stop {
		p.GiveBack() // cancelled or expired while it waited for the permit
		return e, nil
	}
	owner := rand.Text()
	e, began, err := w.begin(ctx, j, e, owner)
	if err != nil || began == notBegun {
		p.GiveBack()
		if err != nil {
			return e, new(w.tryLater(j, err))
		}
		return e, nil
	}
	w.at(stepBegun)
	if began != begunFirst {
		err = w.unanswered(ctx, j)
	}
	if err == nil {
		e, p, err = w.readyToSend(wait, j, e, owner, p)
	} else {
		p.GiveBack()
	}
	if err != nil {
		return w.unsent(ctx, j, e, owner, err)
	}
	g := &lastLook{w: w, wait: wait, j: j, until: e.Lease.Until, permit: p}
	receipt, err := w.put(client.WithGuard(w.calling, g.look), j)
	if g.refused != nil && errors.Is(err, client.ErrNeverSent) {
		return w.unsent(ctx, j, e, owner, g.refused)
	}
	w.at(stepAnswered)
	e, v := w.recordAnswer(ctx, j, e, owner, receipt, err)
	w.at(stepRecorded)
	return e, v
}

// unsent takes the Begin of a PUT back that was not begun.
func (w *Worker) unsent(ctx context.Context, j *job, e ledger.Entry, owner string, why error) (ledger.Entry, *verdict) {
	e = w.record(ctx, e, func(r *ledger.Record) { r.TakeBack(j.claimant, owner, false) })
	switch {
	case errors.Is(why, errStopped):
		return e, nil
	case errors.Is(why, errAnswered):
		return e, new(w.answered(ctx, j))
	}
	return e, new(w.tryLater(j, why))
}

// begun is how a Begin was stored.
type begun int

const (
	// notBegun: another was first, or the ledger answers otherwise by now.
	notBegun begun = iota
	// begunFirst: the record is brand new, so no command has ended on it.
	begunFirst
	begunAgain
)

// begin swaps the attempt in. After a swap whose answer was lost the record is
// read: if it shows our attempt, a second swap on top of it makes that certain.
func (w *Worker) begin(ctx context.Context, j *job, e ledger.Entry, owner string) (ledger.Entry, begun, error) {
	var problem error
	for try := range maxBegins {
		if try > 0 && !sleep(ctx, rand2.N(beginPause<<try)) {
			break
		}
		if !e.Begin(j.claimant, owner, w.clock.Now(), w.cfg.CallTimeout) {
			return e, notBegun, nil
		}
		how := begunAgain
		if e.Revision == 0 {
			how = begunFirst
		}
		next, err := w.ledger.Swap(ctx, e)
		if err == nil {
			return next, how, nil
		}
		problem = err
		lost := errors.Is(err, ledger.ErrLost)
		now, err := w.ledger.Load(ctx, j.cmd.OrderID)
		if err != nil {
			return e, notBegun, err
		}
		e = now
		if lost && (e.Lease == nil || e.Lease.Owner != owner) {
			return e, notBegun, nil
		}
	}
	return w.record(ctx, e, func(r *ledger.Record) { r.TakeBack(j.claimant, owner, false) }), notBegun, errors.Join(problem, context.Cause(ctx))
}

const (
	// maxBegins bounds how often one Begin is offered: the bucket may be full.
	maxBegins  = 5
	beginPause = 25 * time.Millisecond
)

// sleep waits for d; false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// unanswered makes sure, behind a Begin, that the command has no final event.
// The record forgets a command that has ended, so it may have been another
// message of this one that ended, and was forgotten, before the Begin: final,
// forget, Begin, this read. A final event after the read finds the Begin in the
// record.
func (w *Worker) unanswered(ctx context.Context, j *job) error {
	now, err := w.readChain(ctx, j.cmd.Name())
	if err != nil {
		return err
	}
	if now.last != 0 {
		j.chain = now
	}
	return j.judgeChain()
}

// readyToSend is the last look before the socket: the permit is fresh, or
// replaced under the held lease; the gates are open; the lease outlives the call.
func (w *Worker) readyToSend(wait context.Context, j *job, e ledger.Entry, owner string, p budget.Permit) (ledger.Entry, budget.Permit, error) {
	for !p.Fresh() {
		p.GiveBack()
		var err error
		if p, err = w.permit(wait, j); err != nil {
			return e, p, err
		}
		if e.Lease.Until.Sub(w.clock.Now()) < w.cfg.CallTimeout+ledger.LeaseSlack/2 {
			var held begun
			if e, held, err = w.begin(wait, j, e, owner); err != nil || held == notBegun {
				p.GiveBack()
				return e, p, errors.Join(errLeaseLost, err)
			}
		}
	}
	err := w.mayPut(wait, j)
	if err == nil && e.Lease.Until.Sub(w.clock.Now()) < w.cfg.CallTimeout {
		err = errLeaseLost
	}
	if err != nil {
		p.GiveBack()
	}
	return e, p, err
}

// errStopped ends a step because nothing more may be sent for the command.
var errStopped = errors.New("the command was cancelled, expired or protected meanwhile")

func (j *job) pastDeadline() bool {
	return j.deadline != nil && !time.Now().Before(j.deadline())
}

// put calls DigiCert. It runs under the worker's own context, not the
// message's: a PUT that is cut off has an unclear outcome, so nothing but the
// end of the shutdown grace cuts it off.
func (w *Worker) put(ctx context.Context, j *job) (client.Receipt, error) {
	began := time.Now()
	j.hand.does("the call that revokes")
	defer func() { j.calls += time.Since(began); j.hand.does("what DigiCert answered") }()
	body := client.Revocation{
		Comments: j.cmd.Comments + j.cmd.Suffix(), Reason: string(j.cmd.RevocationReason), SkipApproval: j.cmd.SkipApproval,
	}
	if j.cmd.CertificateID != 0 {
		return w.digicert.RevokeCertificate(ctx, j.cmd.CertificateID, body)
	}
	return w.digicert.RevokeOrder(ctx, j.cmd.OrderID, body)
}

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
