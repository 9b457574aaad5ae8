package worker

import (
	"context"
	"errors"
	"time"

	"certrecall/worker/budget"
	"certrecall/worker/ledger"
)

// mayPut finds what speaks against a PUT at this moment, beside its permit and
// its lease.
func (w *Worker) mayPut(wait context.Context, j *job) error {
	reason, closed := w.gates.Closed(j.kind)
	_, stop := w.stopped(j, ledger.Answer{Next: ledger.Send})
	switch {
	case closed:
		return errGate{reason}
	case wait.Err() != nil:
		return context.Cause(wait)
	case stop:
		return errStopped
	case j.pastDeadline():
		return errLeaseLost
	}
	return nil
}

// lastLook is asked when the PUT has its connection: making one can take longer
// than a permit holds, or a gate stays open.
type lastLook struct {
	w       *Worker
	wait    context.Context
	j       *job
	until   time.Time // of the lease, server time
	permit  budget.Permit
	refused error
}

// repermit bounds the wait for another permit on a connection that is there.
const repermit = 2 * time.Second

func (l *lastLook) look(ctx context.Context) error {
	l.refused = l.try(ctx)
	if l.refused != nil {
		l.permit.GiveBack()
	}
	return l.refused
}

func (l *lastLook) try(ctx context.Context) error {
	wait, cancel := context.WithTimeoutCause(l.wait, repermit, errStalePermit)
	defer cancel()
	for !l.permit.Fresh() {
		l.permit.GiveBack()
		var err error
		if l.permit, err = l.w.permit(wait, l.j); err != nil {
			return err
		}
	}
	if err := l.w.mayPut(l.wait, l.j); err != nil {
		return err
	}
	// The call ends with ctx at the latest; the lease must outlive it.
	if ends, ok := ctx.Deadline(); ok && l.until.Sub(l.w.clock.Now()) < time.Until(ends) {
		return errLeaseLost
	}
	return nil
}

var errStalePermit = errors.New("the connection took longer than the permit holds, and there is no other permit now")
