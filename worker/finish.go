package worker

import (
	"context"
	"errors"

	"certrecall/messages"
	"certrecall/worker/ledger"
)

// finish says the final event of a revocation: dead letter first where it
// failed, then the event, then what is left of the command is removed. A crash
// in between repeats, and never loses.
func (w *Worker) finish(ctx context.Context, j *job, e ledger.Entry, a ledger.Answer) verdict {
	ev := w.finalEvent(j, e, a)
	if ev.Name == messages.EventRevokeFailed {
		if err := w.bury(ctx, j.letter(), *ev.Error, w.cfg.Names.EventSubject(ev.Name, ev.Command())); err != nil {
			return w.tryLater(j, err)
		}
		w.at(stepBuried)
	}
	err := w.say(ctx, j, ev)
	if err != nil && !errors.Is(err, errAnswered) {
		return w.tryLater(j, err)
	}
	w.at(stepFinalSaid)
	if err := w.forget(ctx, j, e); err != nil {
		return w.tryLater(j, err)
	}
	w.at(stepTidied)
	if err != nil {
		return verdict{do: done, outcome: outcomeAnswered}
	}
	return concluded(ev.Name)
}

// finalEvent builds the event from what the record knows.
func (w *Worker) finalEvent(j *job, e ledger.Entry, a ledger.Answer) messages.Event {
	if a.Outcome != nil {
		ev := w.event(j, messages.EventName(a.Outcome.Kind))
		ev.Attempts, ev.RequestID = e.Note(j.key).Attempts, a.Outcome.RequestID
		if q, known := e.Request(ev.RequestID); known {
			ev.Status, ev.Request = q.Status, q.Raw
		}
		if ev.Name == messages.EventRevokeCancelled {
			ev.CancelledBy, ev.CancelReason = a.Outcome.By, a.Outcome.Detail
		} else {
			ev.Error = problem(a.Outcome.Refusal)
		}
		return ev
	}
	name := messages.EventRevoked
	if a.State == ledger.Rejected {
		name = messages.EventRevokeRejected
	}
	ev := w.event(j, name)
	ev.Attempts, ev.Already = e.Note(j.key).Attempts, a.Effect.Command != j.key
	ev.RequestID, ev.Status = a.Effect.RequestID, a.Effect.Status
	if q, known := e.Request(ev.RequestID); known {
		ev.Request = q.Raw
	}
	switch {
	case !ev.Already:
		ev.Attempts = max(ev.Attempts, a.Effect.Attempts)
	case name == messages.EventRevoked:
		ev.RevocationReason = messages.RevocationReason(a.Effect.Reason)
	}
	if name == messages.EventRevokeRejected {
		ev.Error = problem(ledger.Refusal{Type: string(messages.ErrorApprovalRejected), Detail: "an administrator rejected the revocation request"})
	}
	return ev
}

func problem(r ledger.Refusal) *messages.Error {
	p := messages.NewError(messages.ErrorType(r.Type), r.Detail)
	p.Status, p.Code = r.Status, r.Code
	p.Retryable = p.Type == messages.ErrorGaveUp || p.Type == messages.ErrorOutcomeUnknown
	return p
}

// forget removes what is left of a command whose final event is stored.
func (w *Worker) forget(ctx context.Context, j *job, e ledger.Entry) error {
	if _, noted := e.Commands[j.key]; noted {
		if _, err := w.ledger.Update(ctx, e, func(r *ledger.Record) bool { return r.Forget(j.key) }); err != nil {
			return err
		}
	}
	if !j.waits && !j.parked {
		return nil
	}
	return w.ledger.Unwait(ctx, j.cmd.OrderID, j.cmd.Name())
}

// tidy does the same for a command found answered, of which nothing else is known.
func (w *Worker) tidy(ctx context.Context, j *job) error {
	e, err := w.ledger.Load(ctx, j.cmd.OrderID)
	if err != nil {
		return err
	}
	if _, j.waits, err = w.ledger.IsWaiting(ctx, j.cmd.OrderID, j.cmd.Name()); err != nil {
		return err
	}
	return w.forget(ctx, j, e)
}
