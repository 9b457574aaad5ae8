package gate

import (
	"context"
	"time"
)

// notBefore gives the time before which no call may begin, and whether that is
// still to come.
func (g *Gates) notBefore() (time.Time, bool) {
	if g.cfg.NotBefore == nil {
		return time.Time{}, false
	}
	until := g.cfg.NotBefore()
	return until, until.After(time.Now())
}

func notBeforeReason(since, until time.Time) Reason {
	return Reason{Gate: NotBefore, Since: since, Detail: "DigiCert answered 429 to the key: no call before " + until.UTC().Format(time.RFC3339)}
}

// notBeforeOver gives a channel that tells when the present not-before is over;
// nil if there is none.
func (g *Gates) notBeforeOver() <-chan time.Time {
	until, throttled := g.notBefore()
	if !throttled {
		return nil
	}
	return time.After(time.Until(until))
}

// followNotBefore keeps the gate in step with the not-before, for Changed and
// ClosedFor. Whoever asks whether the gate is closed asks the not-before itself.
func (g *Gates) followNotBefore(ctx context.Context) {
	changed := g.cfg.NotBeforeChanged
	for {
		g.turn.Lock()
		until, throttled := g.notBefore()
		g.set(notBeforeReason(g.clock(), until), throttled)
		g.turn.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-g.notBeforeOver():
		case _, ok := <-changed:
			if !ok {
				changed = nil
			}
		}
	}
}
