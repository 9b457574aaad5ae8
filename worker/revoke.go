package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"certrecall/messages"
	"certrecall/worker/ledger"
)

// revoke carries a revocation as far as it can be carried now. The claim, the
// first event of the chain, is stored before anything else; then the ledger is
// asked what is known and what may be done, step by step, until something is
// decided, waits for an administrator, or has to wait for another try. Every
// step may be cut off by a crash: the next delivery begins at the top and
// finds what was stored.
func (w *Worker) revoke(ctx context.Context, d *delivery, j *job) verdict {
	fresh, err := w.claim(ctx, j)
	switch {
	case errors.Is(err, errConflict):
		return w.conflict(ctx, d, j)
	case errors.Is(err, errAnswered):
		return w.answered(ctx, j)
	case err != nil:
		return w.tryLater(j, err)
	}
	w.at(stepClaimed)
	if !j.cmd.Deadline.IsZero() {
		j.waits = true
		if err := w.queue(ctx, j, fresh); err != nil {
			return w.tryLater(j, err)
		}
		w.at(stepQueuedKey)
	}
	e := ledger.Fresh(j.cmd.OrderID)
	if !fresh {
		if e, err = w.ledger.Load(ctx, j.cmd.OrderID); err != nil {
			return w.tryLater(j, err)
		}
		if e.Revision == 0 {
			var v *verdict
			if e, v = w.recall(ctx, j, e); v != nil {
				return *v
			}
		}
	}
	return w.pursue(ctx, j, e)
}

// queue writes the waiting key of a command whose message is in hand and which
// has a deadline. What a redelivery finds there is left as it is.
func (w *Worker) queue(ctx context.Context, j *job, fresh bool) error {
	key := j.waiting(ledger.Queued, j.received)
	if !fresh {
		old, found, err := w.ledger.IsWaiting(ctx, j.cmd.OrderID, j.cmd.Name())
		if err != nil || found && old.Phase == ledger.Queued {
			return err
		}
		key.OverdueSaid = old.OverdueSaid
	}
	return w.ledger.Wait(ctx, key)
}

// claim stores revoke-accepted as the first event of the chain. It reports
// whether it was stored now, and so nothing was done for the command before.
func (w *Worker) claim(ctx context.Context, j *job) (fresh bool, err error) {
	if j.deliveries > 1 {
		if j.chain, err = w.readChain(ctx, j.cmd.Name()); err != nil {
			return false, err
		}
		if j.chain.digest != "" {
			return false, j.judgeChain()
		}
	}
	at := j.chain.last
	if err := w.say(ctx, j, w.event(j, messages.EventRevokeAccepted)); err != nil {
		return false, err
	}
	// Another's claim of the same command has moved the chain on without us.
	return j.deliveries == 1 && at == 0 && j.chain.name == messages.EventRevokeAccepted, j.judgeChain()
}

func (j *job) judgeChain() error {
	switch {
	case j.chain.digest != "" && j.chain.digest != j.digest:
		return errConflict
	case j.chain.final():
		return errAnswered
	}
	return nil
}

// answered ends a repeat of a command that has its final event, and finishes
// what a crash after that event may have left.
func (w *Worker) answered(ctx context.Context, j *job) verdict {
	j.waits = true
	if err := w.tidy(ctx, j); err != nil {
		return w.tryLater(j, err)
	}
	return verdict{do: done, outcome: outcomeAnswered}
}

// maxRounds is more questions to the ledger than any command needs in one
// turn: every swap that is lost to another costs one.
const maxRounds = 50

var errNoProgress = errors.New("others change the record of the order all the time")

// pursue asks the ledger and does what it answers, until the command has a verdict.
func (w *Worker) pursue(ctx context.Context, j *job, e ledger.Entry) verdict {
	for range maxRounds {
		if err := ctx.Err(); err != nil {
			return w.tryLater(j, context.Cause(ctx))
		}
		answer := e.Decide(j.claimant, w.clock.Now())
		if o, stop := w.stopped(j, answer); stop {
			next, ended, err := w.end(ctx, j, e, o, false)
			if err != nil {
				return w.tryLater(j, err)
			}
			if e = next; ended {
				continue
			}
		}
		var v *verdict
		switch answer.Next {
		case ledger.Send:
			if v = w.admit(ctx, j, e); v == nil {
				e, v = w.send(ctx, j, e)
			}
		case ledger.Identify:
			e, v = w.identify(ctx, j, e)
		case ledger.Crowded:
			e, v = w.crowded(ctx, j, e)
		case ledger.Read:
			e, v = w.readBack(ctx, j, e)
		case ledger.Await:
			v = new(w.park(ctx, j, e, answer.Request))
		case ledger.Adopt:
			e, v = w.adopt(ctx, j, e, answer.Request)
		case ledger.Later:
			v = new(w.wait(j, answer))
		case ledger.Finish:
			v = new(w.finish(ctx, j, e, answer))
		}
		if v != nil {
			return *v
		}
	}
	return retryIn(time.Second, errNoProgress)
}

// leaseLook is the first pause before a lease is looked at again.
const leaseLook = 500 * time.Millisecond

// wait gives the message back until something may be done. A lease of another
// attempt is usually given up long before it ends, as soon as DigiCert has
// answered, so it is looked at soon, and less often with every delivery.
func (w *Worker) wait(j *job, a ledger.Answer) verdict {
	delay := a.Until.Sub(w.clock.Now())
	if a.Why == ledger.WhyLease {
		soon := leaseLook << min(j.deliveries, 5)
		delay = min(delay, soon/2+rand.N(soon/2))
	}
	return retryIn(max(delay, 10*time.Millisecond), errors.New(string(a.Why)))
}

// stopped finds a reason not to send anything more for the command. It is
// asked only where nothing of the command's own is open.
func (w *Worker) stopped(j *job, a ledger.Answer) (ledger.Outcome, bool) {
	if a.Open || a.Next == ledger.Finish || a.Next == ledger.Await || j.parked && a.Next == ledger.Adopt {
		return ledger.Outcome{}, false
	}
	fail := func(t messages.ErrorType, detail string) (ledger.Outcome, bool) {
		return ledger.Outcome{Kind: string(messages.EventRevokeFailed), Refusal: ledger.Refusal{Type: string(t), Detail: detail}}, true
	}
	switch {
	case j.poisoned:
		return fail(messages.ErrorPoison, poisonDetail)
	case w.expired(j.cmd):
		return fail(messages.ErrorExpired, fmt.Sprintf("expires: the command was not to be carried out after %s; nothing was sent", j.cmd.Expires.Format(time.RFC3339)))
	}
	if c, cancelled := w.gates.Cancelled(j.cmd, j.received); cancelled {
		return ledger.Outcome{Kind: string(messages.EventRevokeCancelled), By: c.By, Refusal: ledger.Refusal{Detail: c.Reason}}, true
	}
	if why := w.policy.Policy().Forbids(j.cmd); why != "" {
		return fail(messages.ErrorNotAllowed, why)
	}
	if why, protected := w.protected.reason(j.cmd.OrderID); protected {
		return fail(messages.ErrorProtectedOrder, fmt.Sprintf("order_id: %d is protected from revocation: %s", j.cmd.OrderID, why))
	}
	return ledger.Outcome{}, false
}

func (w *Worker) expired(c messages.Command) bool {
	return !c.Expires.IsZero() && w.surelyPast(c.Expires)
}

// end writes the outcome down in the order's record before it is said, so that
// no Begin can come between. It reports false if the record does not allow it:
// something of the command's own is open after all.
func (w *Worker) end(ctx context.Context, j *job, e ledger.Entry, o ledger.Outcome, force bool) (ledger.Entry, bool, error) {
	ended := false
	e, err := w.ledger.Update(ctx, e, func(r *ledger.Record) bool {
		ended = r.End(j.claimant, w.clock.Now(), o, force)
		return ended
	})
	w.at(stepMarked)
	return e, ended, err
}

// crowded answers a command for an order on which as many others are being
// tried as its record can hold.
func (w *Worker) crowded(ctx context.Context, j *job, e ledger.Entry) (ledger.Entry, *verdict) {
	e, ended, err := w.end(ctx, j, e, outcome(messages.ErrorGaveUp, fmt.Sprintf(
		"order_id: too many other commands are being tried on order %d; nothing was sent for this one; send it again when they have ended", j.cmd.OrderID)), false)
	if err != nil || !ended {
		return e, new(retryIn(w.backoffDelay(int(min(j.deliveries, 8))), errors.Join(errCrowded, err)))
	}
	return e, nil
}

var errCrowded = errors.New("too many commands are being tried on the order")

// park writes the waiting key and says revoke-requested: from then on the
// sweep follows the request, and the message is acked.
func (w *Worker) park(ctx context.Context, j *job, e ledger.Entry, q ledger.Request) verdict {
	adopted := q.By != j.key
	if !j.parked {
		key := j.waiting(ledger.Parked, w.clock.Now())
		key.RequestID, key.Adopted = q.ID, adopted
		if err := w.ledger.Wait(ctx, key); err != nil {
			return w.tryLater(j, err)
		}
	}
	w.at(stepParkedKey)
	ev := w.event(j, messages.EventRevokeRequested)
	ev.RequestID, ev.Status, ev.Request, ev.Already = q.ID, q.Status, q.Raw, adopted
	ev.Attempts = e.Note(j.key).Attempts
	switch err := w.say(ctx, j, ev); {
	case errors.Is(err, errAnswered):
		return w.answered(ctx, j)
	case err != nil:
		return w.tryLater(j, err)
	}
	w.at(stepRequestedSaid)
	j.waits = true
	return verdict{do: done, outcome: outcomeWaiting}
}
