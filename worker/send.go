package worker

import (
	"context"
	"crypto/rand"
	"errors"
	rand2 "math/rand/v2"
	"time"

	"certrecall/client"
	"certrecall/worker/budget"
	"certrecall/worker/ledger"
)

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
		now, err := w.leaseTime()
		if err != nil {
			if try == 0 {
				return e, notBegun, err // nothing was offered that would have to be taken back
			}
			problem = err
			break
		}
		if !e.Begin(j.claimant, owner, now, w.cfg.CallTimeout) {
			return e, notBegun, nil
		}
		how := begunAgain
		if e.Revision == 0 {
			how = begunFirst
		}
		next, err := w.ledger.Swap(ctx, e)
		if err == nil {
			w.hasRoom("bucket " + w.cfg.Names.OrdersBucket())
			return next, how, nil
		}
		problem = err
		lost := errors.Is(err, ledger.ErrLost)
		stored, err := w.ledger.Load(ctx, j.cmd.OrderID)
		if err != nil {
			return e, notBegun, err
		}
		e = stored
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
