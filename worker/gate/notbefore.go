package gate

import (
	"context"
	"time"
)

// look asks a gate that passes by itself: until when, on the local clock, and
// whether that is still to come.
type look func() (r Reason, until time.Time, closed bool)

// notBefore is the time before which no call may begin.
func (g *Gates) notBefore() (Reason, time.Time, bool) {
	r := Reason{Gate: NotBefore, Since: g.clock()}
	if g.cfg.NotBefore == nil {
		return r, time.Time{}, false
	}
	until := g.cfg.NotBefore()
	r.Detail = "DigiCert answered 429 to the key: no call before " + until.UTC().Format(time.RFC3339)
	return r, until, until.After(time.Now())
}

// clockHold is the time before which no lease is judged by the clock.
func (g *Gates) clockHold() (Reason, time.Time, bool) {
	r := Reason{Gate: Clock, Kind: Revocations, Since: g.clock()}
	if g.cfg.ClockHold == nil {
		return r, time.Time{}, false
	}
	until, detail := g.cfg.ClockHold()
	r.Detail = detail
	return r, until, until.After(time.Now())
}

// over gives a channel that tells when what holds now has passed; nil if nothing does.
func over(l look) <-chan time.Time {
	_, until, closed := l()
	if !closed {
		return nil
	}
	return time.After(time.Until(until))
}

// follow keeps the gate in step with what passes by itself, for Changed and
// ClosedFor. Whoever asks whether the gate is closed asks that itself.
func (g *Gates) follow(ctx context.Context, l look, changed <-chan struct{}) {
	for {
		g.turn.Lock()
		r, _, closed := l()
		g.set(r, closed)
		g.turn.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-over(l):
		case _, ok := <-changed:
			if !ok {
				changed = nil
			}
		}
	}
}
