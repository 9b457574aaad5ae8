package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/ledger"
)

// readBack takes the order's lease, reads the order, and takes what it shows
// into the record: after an unclear answer, after a refusal that may hide a
// success, and before a new beginning. A verdict ends the command's turn.
func (w *Worker) readBack(ctx context.Context, j *job, e ledger.Entry) (ledger.Entry, *verdict) {
	owner, leased := rand.Text(), false
	var held error
	e, err := w.ledger.Update(ctx, e, func(r *ledger.Record) bool {
		var now time.Time
		if now, held = w.leaseTime(); held != nil {
			leased = false
			return false
		}
		leased = r.TakeLease(owner, now, w.cfg.CallTimeout+ledger.LeaseSlack)
		return leased
	})
	if err != nil || held != nil {
		return e, new(w.tryLater(j, errors.Join(err, held)))
	}
	if !leased {
		return e, nil
	}
	w.at(stepLeased)
	s, err := w.look(ctx, w.reader(j), j.cmd.OrderID, j.claimant.Target, e.Owned)
	if err != nil {
		return w.readFailed(ctx, j, e, owner, err)
	}
	w.at(stepRead)
	e = w.record(ctx, e, func(r *ledger.Record) {
		r.Release(owner)
		r.Observe(j.claimant.Target, s.Reading, w.clock.Now())
	})
	w.at(stepObserved)
	if s.Missing && e.Note(j.key).Outcome == nil {
		if e.Unclear(j.claimant.Target) {
			return w.failed(ctx, j, e, s.notFound, func(*ledger.Record) {})
		}
		return w.suspect(ctx, j, e, s, missing(j.cmd))
	}
	return e, w.spentUntouched(ctx, j, &e)
}

// reread reads the order while a request waits and nothing is open, without
// the lease: no PUT can follow from what it shows but by another look, and a
// sweep that dies on the way must not keep the next one from reading.
func (w *Worker) reread(ctx context.Context, j *job, e ledger.Entry) (ledger.Entry, *verdict) {
	s, err := w.look(ctx, w.reader(j), j.cmd.OrderID, j.claimant.Target, e.Owned)
	if err != nil {
		return w.readFailed(ctx, j, e, "", err)
	}
	w.at(stepRead)
	e = w.record(ctx, e, func(r *ledger.Record) { r.Observe(j.claimant.Target, s.Reading, w.clock.Now()) })
	w.at(stepObserved)
	return e, nil
}

// spentUntouched ends a command whose retry budget is over once its last PUT
// reads as untouched.
func (w *Worker) spentUntouched(ctx context.Context, j *job, e *ledger.Entry) *verdict {
	n := e.Note(j.key)
	a := e.Decide(j.claimant, w.clock.Now())
	if n.Spent < w.cfg.RetryMaxElapsed || a.Next != ledger.Send && (a.Next != ledger.Later || a.Open) {
		return nil
	}
	var v *verdict
	*e, v = w.endWith(ctx, j, *e, outcome(messages.ErrorGaveUp, "tried for the whole retry budget; DigiCert shows no effect of it"))
	return v
}

func (w *Worker) endWith(ctx context.Context, j *job, e ledger.Entry, o ledger.Outcome) (ledger.Entry, *verdict) {
	e, _, err := w.end(ctx, j, e, o, false)
	if err != nil {
		return e, new(w.tryLater(j, err))
	}
	return e, nil
}

func missing(c messages.Command) ledger.Outcome {
	return outcome(messages.ErrorOrderNotFound, fmt.Sprintf("order_id: DigiCert does not know order %d, or the key may not see it", c.OrderID))
}

// readFailed gives the lease back and says when to try again. Nothing is held
// against a command whose read was not allowed to begin.
func (w *Worker) readFailed(ctx context.Context, j *job, e ledger.Entry, owner string, err error) (ledger.Entry, *verdict) {
	release := func(r *ledger.Record) { r.Release(owner) }
	if harmless(err) || j.wait.Err() != nil {
		e = w.record(ctx, e, release)
		if errors.Is(err, client.ErrThrottled) {
			return e, new(giveBack(w.untilNotBefore(), err))
		}
		return e, new(w.tryLater(j, err))
	}
	if failure, ok := errors.AsType[*client.Error](err); ok && isDenial(failure) {
		refused, judgeErr := w.gates.Judge(ctx, failure)
		switch {
		case refused || judgeErr != nil && j.wait.Err() != nil:
			return w.record(ctx, e, release), new(giveBack(time.Second, errors.Join(err, judgeErr)))
		case judgeErr == nil:
			return w.readDenied(ctx, j, e, owner, failure)
		}
	}
	return w.failed(ctx, j, e, err, release)
}

// readDenied counts a refused read that was the command's own, as one of a PUT
// is counted; nothing of the command being open, three of them are DigiCert's
// final answer.
func (w *Worker) readDenied(ctx context.Context, j *job, e ledger.Entry, owner string, failure *client.Error) (ledger.Entry, *verdict) {
	before := -1
	e, v := w.failed(ctx, j, e, failure, func(r *ledger.Record) {
		r.Release(owner)
		if n := r.Note(j.key); before < 0 || n.Denied == before {
			before = n.Denied
			r.Deny(j.claimant, w.clock.Now())
		}
	})
	if v == nil || e.Note(j.key).Denied < maxDenials || e.Decide(j.claimant, w.clock.Now()).Open {
		return e, v
	}
	no := refusal(failure)
	no.Type = string(messages.ErrorRefused)
	return w.endWith(ctx, j, e, ledger.Outcome{Kind: string(messages.EventRevokeFailed), Refusal: no})
}

// isDenial reports whether DigiCert answered 401 or 403.
func isDenial(e *client.Error) bool {
	return e.Class == client.ClassForbidden || e.Class == client.ClassKeyRefused
}

// identify makes sure, before a command is sent or told anything, that its
// certificate is the order's (DigiCert would revoke whatever certificate the id
// names), and that the common name is the one that the command expects.
func (w *Worker) identify(ctx context.Context, j *job, e ledger.Entry) (ledger.Entry, *verdict) {
	s, err := w.look(ctx, w.reader(j), j.cmd.OrderID, j.claimant.Target, e.Owned)
	if err != nil {
		return w.readFailed(ctx, j, e, "", err)
	}
	if o, wrong := mistaken(j.cmd, s); wrong {
		return w.suspect(ctx, j, e, s, o)
	}
	j.claimant.Identified = true
	return w.record(ctx, e, func(r *ledger.Record) {
		r.Trust(j.claimant)
		if j.claimant.Target != ledger.WholeOrder {
			r.SetMember(j.claimant.Target)
		}
		r.Observe(j.claimant.Target, s.Reading, w.clock.Now())
	}), nil
}

// mistaken says what is wrong with the order or certificate that a command names.
func mistaken(c messages.Command, s sight) (ledger.Outcome, bool) {
	switch {
	case s.Missing:
		return missing(c), true
	case !s.member:
		return outcome(messages.ErrorCertificateNotInOrder, fmt.Sprintf(
			"certificate_id: %d is not among the certificates, duplicates and reissues of order %d; nothing was sent", c.CertificateID, c.OrderID)), true
	case c.ExpectedCommonName != "" && !strings.EqualFold(s.certificate.CommonName, c.ExpectedCommonName):
		return outcome(messages.ErrorNotExpected, fmt.Sprintf(
			"expected_common_name: %q was expected, order %d reads %q; nothing was sent; look whether the id is right", c.ExpectedCommonName, c.OrderID, s.certificate.CommonName)), true
	}
	return ledger.Outcome{}, false
}

// suspect ends a command for what reads say against it, once two agree; until
// then the second is waited for.
func (w *Worker) suspect(ctx context.Context, j *job, e ledger.Entry, s sight, o ledger.Outcome) (ledger.Entry, *verdict) {
	certain := false
	e = w.record(ctx, e, func(r *ledger.Record) { certain = r.Suspect(j.claimant, o.Type, s.Reading, w.clock.Now()) })
	if !certain {
		return e, nil
	}
	return w.endWith(ctx, j, e, o)
}

// recall reads an order of which nothing is known although the command was
// claimed before. Most often its worker only died between claim and Begin; but
// the bucket of orders may also have been lost, and a PUT with it.
func (w *Worker) recall(ctx context.Context, j *job, e ledger.Entry) (ledger.Entry, *verdict) {
	s, err := w.look(ctx, w.reader(j), j.cmd.OrderID, j.claimant.Target, e.Owned)
	if err != nil {
		return w.readFailed(ctx, j, e, "", err)
	}
	if s.Missing || !s.member {
		return e, nil // whoever sends hears of it
	}
	return w.record(ctx, e, func(r *ledger.Record) {
		r.Recall(j.claimant, s.Reading, w.clock.Now())
		if j.claimant.Target != ledger.WholeOrder {
			r.SetMember(j.claimant.Target)
		}
	}), nil
}

// adopt relies on a request that another caused, after one fresh read of it. A
// decision made before the command was received does not answer it.
func (w *Worker) adopt(ctx context.Context, j *job, e ledger.Entry, q ledger.Request) (ledger.Entry, *verdict) {
	now, err := w.reader(j).Request(ctx, q.ID)
	gone := orderMissing(err)
	if err != nil && !gone {
		return w.readFailed(ctx, j, e, "", err)
	}
	fresh := seen(now)
	fresh.ID = q.ID
	if gone {
		fresh.Status = ledger.RequestGone
	}
	if fresh.Waits() {
		fresh.By, fresh.Reason = q.By, q.Reason
		return e, new(w.park(ctx, j, e, fresh))
	}
	if fresh.Status == "approved" || gone {
		e = w.record(ctx, e, func(r *ledger.Record) { r.Decided(fresh, w.clock.Now()) })
		e, v := w.readBack(ctx, j, e)
		if a := e.Decide(j.claimant, w.clock.Now()); v == nil && a.Next == ledger.Adopt && a.Request.ID == q.ID {
			return e, new(w.park(ctx, j, e, a.Request)) // approved, and about to take effect
		}
		return e, v
	}
	e = w.record(ctx, e, func(r *ledger.Record) { r.Decided(fresh, w.clock.Now()) })
	if a := e.Decide(j.claimant, w.clock.Now()); a.Next == ledger.Adopt && a.Request.ID == q.ID {
		return e, new(w.park(ctx, j, e, a.Request)) // in a status that nobody documents
	}
	return e, nil
}
