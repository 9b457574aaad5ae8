package worker

import (
	"fmt"
	"time"

	"certrecall/worker/gate"
	"certrecall/worker/ledger"
	"certrecall/worker/streams"
)

// Leases are in the time of the server that leads the streams. Should that
// time step, workers differ about it until all have asked for it again: a live
// lease looks dead to the one who sees the step first (set forward), or what
// that one writes looks dead to all others (set back). Whoever sees a step
// therefore takes no lease and begins no PUT until everybody else has seen it,
// and every lease from before, by any of the times, is over on the monotonic
// clock.

// clockHold is the local time until which that lasts; zero = there was no step.
func (w *Worker) clockHold() (until time.Time, detail string) {
	step := w.clock.Step()
	if step.Seen.IsZero() {
		return time.Time{}, ""
	}
	hold := streams.StepKnown + w.cfg.CallTimeout + ledger.LeaseSlack
	return step.Seen.Add(hold), fmt.Sprintf(
		"the clock of the NATS server stepped by %s: nothing is revoked for %s, until every lease from before is over; are its servers' clocks kept together (NTP)?",
		step.By.Round(time.Millisecond), hold)
}

// leaseTime is the server's time, by which leases are judged. It is an error
// while no lease may be taken.
func (w *Worker) leaseTime() (time.Time, error) {
	now := w.clock.Now() // before the hold is asked for: no time from behind a step goes through
	if until, detail := w.clockHold(); time.Now().Before(until) {
		return now, errGate{gate.Reason{Gate: gate.Clock, Kind: gate.Revocations, Since: now, Detail: detail}}
	}
	return now, nil
}

// surelyPast reports whether the server's time is past t, by the time from
// before a step too: what has passed only because of it is not held against a
// command while the step may yet be taken back.
func (w *Worker) surelyPast(t time.Time) bool {
	now := w.clock.Now()
	if until, _ := w.clockHold(); time.Now().Before(until) {
		now = now.Add(-max(w.clock.Step().By, 0))
	}
	return !now.Before(t)
}
