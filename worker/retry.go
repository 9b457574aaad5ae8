package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"

	"certrecall/client"
	"certrecall/worker/gate"
	"certrecall/worker/ledger"
	"certrecall/worker/streams/kv"
)

// errGate ends a step because a gate is closed: the command goes back to the
// stream, and nothing is held against it.
type errGate struct{ reason gate.Reason }

func (e errGate) Error() string {
	return "gate " + string(e.reason.Gate) + " is closed: " + e.reason.Detail
}

// Retries come in two tiers. In the call: reads are tried a few times within
// seconds, by the client. Over redeliveries: exponential with full jitter from
// one second to RetryMaxInterval, until RetryMaxElapsed is spent.

// backoffDelay is the pause after the n-th failure in a row.
func (w *Worker) backoffDelay(n int) time.Duration {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(time.Second),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0),
		backoff.WithMaxInterval(w.cfg.RetryMaxInterval),
		backoff.WithMaxElapsedTime(0),
	)
	for range min(n-1, 30) {
		b.NextBackOff()
	}
	// Full jitter: from nothing to twice the interval, which the setting bounds.
	b.RandomizationFactor = 1
	return min(b.NextBackOff(), w.cfg.RetryMaxInterval)
}

// spent is how much of the retry budget passed since the latest failure (the
// first call, if none): not what a pause, a refused key or a not-before took;
// and of the time before this process began, of which it knows nothing, no
// more than the pause that was planned.
func (w *Worker) spent(n ledger.Note, kind gate.Kind, now time.Time) time.Duration {
	since := n.Last
	if since.IsZero() {
		since = n.First
	}
	if since.IsZero() || !now.After(since) {
		return 0
	}
	var before time.Duration
	if since.Before(w.since) {
		planned := max(n.NotBefore.Sub(since), 0) + w.cfg.CallTimeout
		before = min(w.since.Sub(since), planned)
		since = w.since
	}
	return before + max(now.Sub(since)-w.gates.ClosedFor(kind, since), 0)
}

// tryLater is the verdict of a call that could not be made or came to nothing,
// and of which nothing is held against the command.
func (w *Worker) tryLater(j *job, err error) verdict {
	if _, ok := errors.AsType[errGate](err); ok {
		if j.kind != kindOf(j.cmd.Lane) {
			// A dry run held back as a listing is in a lane that goes on pulling.
			return giveBack(10*time.Second+rand.N(10*time.Second), err)
		}
		// Short: the message comes back only when somebody pulls, which nobody does
		// while the gate is closed.
		return giveBack(time.Second, err)
	}
	if j.wait.Err() != nil {
		delay := time.Duration(0)
		if errors.Is(context.Cause(j.wait), errMakeWay) {
			delay = retryPause(j.deliveries) // this worker takes nothing before
		}
		return giveBack(delay, errors.Join(context.Cause(j.wait), err))
	}
	return w.storeLater(j.deliveries, err)
}

// storeLater is the verdict of a write to NATS that came to nothing.
func (w *Worker) storeLater(deliveries uint64, err error) verdict {
	if err = w.noRoom("bucket "+w.cfg.Names.OrdersBucket(), err); errors.Is(err, kv.ErrNoRoom) {
		return retryIn(w.roomPause(deliveries), err)
	}
	return retryIn(w.backoffDelay(2), err)
}

// harmless reports whether a failed call says nothing about the command: it
// was not allowed to begin, was cut off by us, or was answered 429.
func harmless(err error) bool {
	if _, ok := errors.AsType[errGate](err); ok {
		return true
	}
	e, ok := errors.AsType[*client.Error](err)
	return ok && (e.Canceled || e.Class == client.ClassThrottled)
}

// misrouted reports whether a 404 of the API is not about the order: the base
// URL is wrong. It says nothing about the order, so no command may end by it.
func misrouted(e *client.Error) bool {
	return e.Class == client.ClassNotFound && e.HasCode("not_found|route")
}

// orderMissing reports whether DigiCert said that it does not know what was asked for.
func orderMissing(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Class == client.ClassNotFound && !misrouted(e)
}
