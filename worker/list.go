package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/ledger"
)

// list answers a list-duplicates command. A read may be repeated, so there is
// no claim: the final event is the first of its chain.
func (w *Worker) list(ctx context.Context, d *delivery, j *job) verdict {
	return w.readOnly(ctx, d, j, func(ctx context.Context) (messages.Event, error) {
		raw, count, err := w.reader(j).CountDuplicates(ctx, j.cmd.OrderID, j.cmd.ShowArchived)
		if err != nil {
			return messages.Event{}, err
		}
		e := w.event(j, messages.EventDuplicatesListed)
		e.Certificates, e.Count = raw, new(count)
		return e, nil
	})
}

// readOnly carries a command that changes nothing at DigiCert: is it answered
// already, may it still be carried out, read, say.
func (w *Worker) readOnly(ctx context.Context, d *delivery, j *job, read func(context.Context) (messages.Event, error)) verdict {
	var err error
	j.reads = true
	if j.chain, err = w.readChain(ctx, j.cmd.Name()); err != nil {
		return w.tryLater(j, err)
	}
	switch err := j.judgeChain(); {
	case errors.Is(err, errConflict):
		return w.conflict(ctx, d, j)
	case errors.Is(err, errAnswered):
		return verdict{do: done, outcome: outcomeAnswered}
	}
	var tries ledger.Note
	if j.deliveries > 1 {
		if tries, err = w.ledger.Tries(ctx, j.cmd.Name()); err != nil {
			return w.tryLater(j, err)
		}
		j.attempts = tries.Attempts
	}
	if e, stop := w.stoppedReading(j); stop {
		return w.conclude(ctx, d, j, e, tries)
	}
	if tries.Spent >= w.cfg.RetryMaxElapsed {
		return w.conclude(ctx, d, j, w.failure(j, messages.ErrorGaveUp, gaveUpReading), tries)
	}
	if tries.First.IsZero() {
		tries.First = w.clock.Now()
	}
	// A list is in hand until its event, or the object in its place, is stored.
	reading, done := w.digicert.InHand(ctx)
	defer done()
	e, err := read(reading)
	if err != nil {
		return w.readingFailed(ctx, d, j, tries, err)
	}
	v := w.conclude(ctx, d, j, e, tries)
	if v.do == again && v.outcome == outcomeRetry {
		// Each try reads the whole list anew, so one that cannot be stored costs as
		// one that cannot be read.
		return w.inVain(ctx, d, j, tries, v.err)
	}
	return v
}

const gaveUpReading = "tried for the whole retry budget"

// conclude says the final event of a command that only reads.
func (w *Worker) conclude(ctx context.Context, d *delivery, j *job, e messages.Event, tries ledger.Note) verdict {
	if e.Error != nil {
		if err := w.bury(ctx, j.letter(), *e.Error, w.cfg.Names.EventSubject(e.Name, e.Command())); err != nil {
			return w.tryLater(j, err)
		}
	}
	if err := w.offload(ctx, &e); err != nil {
		return w.tryLater(j, err)
	}
	switch err := w.say(ctx, j, e); {
	case errors.Is(err, errConflict):
		return w.conflict(ctx, d, j)
	case errors.Is(err, errAnswered):
		return verdict{do: done, outcome: outcomeAnswered}
	case err != nil:
		return w.tryLater(j, err)
	}
	if !tries.Last.IsZero() {
		if err := w.ledger.ForgetTries(ctx, j.cmd.Name()); err != nil {
			w.log.Debug("the tries of an answered command stay behind", fieldError(err))
		}
	}
	return concluded(e.Name)
}

// failedName is the event by which the job's command fails.
func (j *job) failedName() messages.EventName {
	if j.cmd.Action() == messages.ActionListDuplicates {
		return messages.EventListDuplicatesFailed
	}
	return messages.EventRevokeFailed
}

func (w *Worker) failure(j *job, t messages.ErrorType, detail string) messages.Event {
	e := w.event(j, j.failedName())
	e.Error = problem(ledger.Refusal{Type: string(t), Detail: detail})
	return e
}

// stoppedReading finds a reason not to ask DigiCert.
func (w *Worker) stoppedReading(j *job) (messages.Event, bool) {
	switch {
	case j.poisoned:
		return w.failure(j, messages.ErrorPoison, poisonDetail), true
	case w.expired(j.cmd):
		return w.failure(j, messages.ErrorExpired, "expires: the command was not to be carried out any more; nothing was asked"), true
	}
	if c, cancelled := w.gates.Cancelled(j.cmd, j.received); cancelled {
		name := messages.EventListDuplicatesCancelled
		if j.cmd.Action() == messages.ActionRevoke {
			name = messages.EventRevokeCancelled
		}
		e := w.event(j, name)
		e.CancelledBy, e.CancelReason = c.By, c.Reason
		return e, true
	}
	if why := w.policy.Policy().Forbids(j.cmd); why != "" && j.cmd.Action() == messages.ActionRevoke {
		return w.failure(j, messages.ErrorNotAllowed, why), true
	}
	if why, protected := w.protected.reason(j.cmd.OrderID); protected && j.cmd.Action() == messages.ActionRevoke {
		return w.failure(j, messages.ErrorProtectedOrder, fmt.Sprintf("order_id: %d is protected from revocation: %s", j.cmd.OrderID, why)), true
	}
	return messages.Event{}, false
}

// readingFailed ends the command where DigiCert's no is final or the retry
// budget is spent, and says when to try again where it is not.
func (w *Worker) readingFailed(ctx context.Context, d *delivery, j *job, tries ledger.Note, err error) verdict {
	if ended, ok := errors.AsType[errEnded](err); ok {
		return w.conclude(ctx, d, j, ended.event, tries)
	}
	if errors.Is(err, client.ErrThrottled) {
		return giveBack(w.untilNotBefore(), err)
	}
	if harmless(err) || j.wait.Err() != nil {
		return w.tryLater(j, err)
	}
	failure, ok := errors.AsType[*client.Error](err)
	if !ok {
		return w.tryLater(j, err)
	}
	switch {
	case orderMissing(failure):
		return w.conclude(ctx, d, j, w.refused(j, failure, messages.ErrorOrderNotFound), tries)
	case failure.Class == client.ClassRefused:
		return w.conclude(ctx, d, j, w.refused(j, failure, messages.ErrorRefused), tries)
	case isDenial(failure):
		refused, judgeErr := w.gates.Judge(ctx, failure)
		if refused || judgeErr != nil && j.wait.Err() != nil {
			return giveBack(time.Second, errors.Join(err, judgeErr))
		}
		if judgeErr == nil {
			tries.Denied++
		}
		if tries.Denied >= maxDenials {
			return w.conclude(ctx, d, j, w.refused(j, failure, messages.ErrorRefused), tries)
		}
	}
	return w.inVain(ctx, d, j, tries, err)
}

// inVain takes note of a try that came to nothing, and ends the command where
// the retry budget is spent by it.
func (w *Worker) inVain(ctx context.Context, d *delivery, j *job, tries ledger.Note, err error) verdict {
	now := w.clock.Now()
	tries.Spent += w.spent(tries, j.kind, now)
	tries.Attempts = j.attempts
	tries.Failures++
	delay := w.backoffDelay(tries.Failures)
	tries.Last, tries.NotBefore = now, now.Add(delay)
	storeErr := w.ledger.SetTries(ctx, j.cmd.Name(), tries)
	if tries.Spent >= w.cfg.RetryMaxElapsed {
		return w.conclude(ctx, d, j, w.failure(j, messages.ErrorGaveUp, gaveUpReading+"; the last failure: "+err.Error()), tries)
	}
	if storeErr != nil {
		return w.tryLater(j, errors.Join(storeErr, err))
	}
	return retryIn(delay, err)
}

func (w *Worker) refused(j *job, failure *client.Error, t messages.ErrorType) messages.Event {
	e := w.failure(j, t, failure.Error())
	e.Error.Status, e.Error.Code = failure.Status, failure.Code
	return e
}

// offload moves a list that would pass the server's max payload into the
// object bucket. The object's name holds its digest, so a repeat stores the
// same object under the same name.
func (w *Worker) offload(ctx context.Context, e *messages.Event) error {
	const envelope = 16 << 10 // headers and the other fields, context and comments included
	if int64(len(e.Certificates))+envelope < w.cfg.Conn.MaxPayload() {
		return nil
	}
	sum := sha256.Sum256(e.Certificates)
	name := e.Command().Key() + "." + hex.EncodeToString(sum[:])
	info, err := w.stores().Results.Put(ctx, jetstream.ObjectMeta{
		Name: name, Description: "certificates of " + string(e.Name), Metadata: map[string]string{"content-type": "application/json"},
	}, bytes.NewReader(e.Certificates))
	if err != nil {
		err = w.noRoom("bucket "+w.cfg.Names.ResultsBucket(), err)
		return fmt.Errorf("storing a list of %d bytes in the object bucket: %w", len(e.Certificates), err)
	}
	w.hasRoom("bucket " + w.cfg.Names.ResultsBucket())
	e.CertificatesObject = &messages.ObjectRef{
		Bucket: w.cfg.Names.ResultsBucket(), Name: name, Size: int64(info.Size), Digest: "SHA-256=" + base64.URLEncoding.EncodeToString(sum[:]),
	}
	e.Certificates = nil
	return nil
}

// errEnded carries a final event out of a read that came to a clear end.
type errEnded struct{ event messages.Event }

func (errEnded) Error() string { return "the command has come to its end" }
