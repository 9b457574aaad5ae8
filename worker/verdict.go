package worker

import (
	"time"

	"go.uber.org/zap"

	"certrecall/messages"
)

// A handler says what is to become of its message, and only [Worker.settle] does it.

type disposition int

const (
	// done: all that had to be said is stored. Ack.
	done disposition = iota + 1
	// again: give the message back, to be delivered after delay. Nak.
	again
	// silent: the message is no longer ours to speak about. Nothing.
	silent
)

// verdict is what a handler returns.
type verdict struct {
	do    disposition
	delay time.Duration
	// outcome names the end for the log and the metric: a final event, or one of
	// the words below. A closed set.
	outcome string
	err     error
	// unended leaves the start mark of a redelivered message standing: the
	// handler did not come to its end by itself.
	unended bool
}

// Outcomes that are no final event.
const (
	outcomeWaiting  = "waiting"  // acked, its request waits for an administrator
	outcomeHeld     = "held"     // acked, the policy keeps it until operators allow it
	outcomeAnswered = "answered" // had its final event before
	outcomeRetry    = "retry"
	outcomeReturned = "returned" // given back unharmed: shutdown, or a gate closed
	outcomeLost     = "lost"     // the message's lease ended in our hands
	outcomePanic    = "panic"
)

func concluded(name messages.EventName) verdict { return verdict{do: done, outcome: string(name)} }

func retryIn(delay time.Duration, err error) verdict {
	return verdict{do: again, delay: delay, outcome: outcomeRetry, err: err}
}

func giveBack(delay time.Duration, err error) verdict {
	return verdict{do: again, delay: delay, outcome: outcomeReturned, err: err}
}

// settle tells the server what became of the message: the only place that
// does. Past the local deadline it says nothing: another may hold the message
// by then, and a late nak would call in a third.
func (w *Worker) settle(d *delivery, v verdict) {
	if !d.stop() && v.do != silent {
		v = verdict{do: silent, outcome: outcomeLost, err: v.err, unended: v.unended}
	}
	if !v.unended {
		w.poison.ended(d)
	}
	var err error
	switch v.do {
	case done:
		err = d.msg.Ack()
	case again:
		if v.delay <= 0 {
			err = d.msg.Nak()
		} else {
			err = d.msg.NakWithDelay(v.delay)
		}
	case silent:
	}
	w.report(d, v)
	if err != nil {
		w.log.Warn("the message could not be settled and will be delivered again", zap.Error(err), zap.Uint64("stream_sequence", d.sequence))
	}
}
