package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/ledger"
)

// sweptCommands is the worker as the sweep of approvals needs it: commands
// that have no message any more go on from their waiting keys, through the
// same path as all others.
type sweptCommands struct{ w *Worker }

// fromKey makes a job of a waiting key.
func (w *Worker) fromKey(ctx context.Context, k ledger.Waiting) (*job, error) {
	lane, source, err := w.cfg.Names.ParseCommandSubject(k.Subject)
	if err != nil {
		return nil, err
	}
	cmd, err := messages.DecodeCommand(lane, source, k.Header, k.Body)
	if err != nil {
		return nil, fmt.Errorf("decoding the waiting command %s: %w", k.Name(), err)
	}
	j := newJob(cmd)
	j.subject, j.header, j.body = k.Subject, k.Header, k.Body
	j.origin, j.sequence, j.deliveries, j.received = k.Origin, k.Sequence, k.Deliveries, k.ReceivedAt
	j.claimant.Received, j.claimant.Identified = k.ReceivedAt, k.Identified
	j.parked, j.held, j.waits, j.wait = k.Phase == ledger.Parked, k.Phase == ledger.Held, true, ctx
	return j, nil
}

// Pursue goes on with a command from its waiting key. What it comes to is in
// the streams and the record; a failure is tried again by the next sweep.
func (s sweptCommands) Pursue(ctx context.Context, k ledger.Waiting) error {
	return s.with(ctx, k, func(ctx context.Context, j *job) error {
		e, err := s.w.ledger.Load(ctx, k.Order)
		if err != nil {
			return err
		}
		a := e.Decide(j.claimant, s.w.clock.Now())
		if !j.parked && !j.held && a.Next != ledger.Finish {
			return nil // its message is in the stream
		}
		if _, stop := s.w.stopped(j, a); j.held && !stop && a.Next != ledger.Finish {
			return nil // only an allowance lets it go: see release
		}
		return s.report(j, s.w.pursue(ctx, j, e))
	})
}

// Ask reads the command's request, for the evidence of who decided it.
func (s sweptCommands) Ask(ctx context.Context, k ledger.Waiting) error {
	if k.RequestID == 0 {
		return nil
	}
	j, err := s.w.fromKey(ctx, k)
	if err != nil {
		return err
	}
	q, err := s.w.reader(j).Request(ctx, k.RequestID)
	if err != nil {
		return err
	}
	return s.Decided(ctx, k, q, false)
}

// Reread reads the order into the record, and goes on with the command.
func (s sweptCommands) Reread(ctx context.Context, k ledger.Waiting) error {
	return s.with(ctx, k, func(ctx context.Context, j *job) error {
		e, err := s.w.ledger.Load(ctx, k.Order)
		if err != nil {
			return err
		}
		var v *verdict
		switch a := e.Decide(j.claimant, s.w.clock.Now()); a.Next {
		case ledger.Finish:
			return s.report(j, s.w.pursue(ctx, j, e))
		case ledger.Await, ledger.Adopt:
			e, v = s.w.reread(ctx, j, e)
		default:
			e, v = s.w.readBack(ctx, j, e)
		}
		if v != nil {
			return v.err
		}
		if a := e.Decide(j.claimant, s.w.clock.Now()); !j.parked && a.Next != ledger.Finish {
			return nil
		}
		return s.report(j, s.w.pursue(ctx, j, e))
	})
}

// with does something for a waiting command that has no final event yet; what
// is left of one that has is removed.
// A panic is that command's alone: the sweep has others to look after.
func (s sweptCommands) with(ctx context.Context, k ledger.Waiting, do func(context.Context, *job) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.w.log.Error("going on with a waiting command panicked", zap.Any("panic", p), fieldOrder(k.Order), zap.Uint64("stream_sequence", k.Sequence), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("waiting command %s: panic: %v", k.Name(), p)
		}
	}()
	j, err := s.w.fromKey(ctx, k)
	if err != nil {
		return err
	}
	release, err := s.w.orders.lock(ctx, k.Order)
	if errors.Is(err, errOrderBusy) {
		return nil // whoever is at it here, the next sweep looks again
	}
	if err != nil {
		return err
	}
	defer release()
	if j.chain, err = s.w.readChain(ctx, k.Name()); err != nil {
		return err
	}
	switch err := j.judgeChain(); {
	case errors.Is(err, errAnswered):
		return s.w.tidy(ctx, j)
	case err != nil:
		return fmt.Errorf("waiting command %s: %w", j.key, err)
	}
	return do(ctx, j)
}

func (s sweptCommands) report(j *job, v verdict) error {
	if v.do == done && v.outcome != outcomeWaiting && v.outcome != outcomeHeld {
		s.w.reportJob(j, v)
	}
	if _, gated := errors.AsType[errGate](v.err); gated {
		return nil
	}
	if v.do == again && v.outcome == outcomeRetry {
		return nil // the next sweep is the retry
	}
	return v.err
}

// Overdue says revoke-overdue, once.
func (s sweptCommands) Overdue(ctx context.Context, k ledger.Waiting) error {
	return s.with(ctx, k, func(ctx context.Context, j *job) error {
		e, err := s.w.ledger.Load(ctx, k.Order)
		if err != nil {
			return err
		}
		ev := s.w.event(j, messages.EventRevokeOverdue)
		ev.Attempts, ev.RequestID = e.Note(j.key).Attempts, k.RequestID
		if q, known := e.Request(k.RequestID); known {
			ev.Status, ev.Already = q.Status, q.By != j.key
		}
		before := j.chain.last
		if err := s.w.say(ctx, j, ev); err != nil {
			if errors.Is(err, errAnswered) {
				return s.w.tidy(ctx, j)
			}
			return err
		}
		if j.chain.last != before { // else it was said before
			s.w.metrics.deadlinesMissed.Inc()
		}
		_, _, err = s.w.ledger.Amend(ctx, k, func(k *ledger.Waiting) { k.OverdueSaid = true })
		return err
	})
}

// Decided takes a fresh read of a request into the record.
func (s sweptCommands) Decided(ctx context.Context, k ledger.Waiting, q client.Request, gone bool) error {
	fresh := seen(q)
	fresh.ID = k.RequestID
	if gone {
		fresh.Status = ledger.RequestGone
	}
	e, err := s.w.ledger.Load(ctx, k.Order)
	if err != nil {
		return err
	}
	_, err = s.w.ledger.Update(ctx, e, func(r *ledger.Record) bool {
		if _, known := r.Request(fresh.ID); !known {
			return false
		}
		r.Decided(fresh, s.w.clock.Now())
		return true
	})
	return err
}

// StillApproved warns of an approval without effect; asking goes on.
func (s sweptCommands) StillApproved(k ledger.Waiting, since time.Time) {
	s.w.log.Warn("a revocation request is approved, but its order does not read revoked; still asking",
		fieldOrder(k.Order), zap.Int64("request_id", k.RequestID), zap.String("command_id", k.ID), zap.String("source", k.Source), zap.Time("approved_seen", since))
}
