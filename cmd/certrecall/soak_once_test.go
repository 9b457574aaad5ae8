package main

import (
	"slices"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// secondRead is how long after an unclear answer the order must be read again
// before anything more is sent.
const secondRead = 10 * time.Second

// checkPuts: a second revocation of a target follows only what shows that the
// one before had no effect, was rejected, or asked for less.
func (e *judge) checkPuts() {
	for t, puts := range e.puts {
		var effective *put
		for i := range puts {
			p := &puts[i]
			if i > 0 && !puts[i-1].Effective {
				e.checkAfterNothing(t, puts[i-1], *p)
			}
			if effective != nil && !e.mayFollow(*effective, *p) {
				e.log.violation("%v: %s sent a revocation at %s after that of %s at %s took effect (%d)", t,
					p.by, p.At.Format(time.StampMilli), effective.by, effective.At.Format(time.StampMilli), effective.Status)
			}
			if p.Effective {
				effective = p
			}
		}
	}
}

// checkAfterNothing: the call before had no effect; it said so itself, or reads
// after it showed it.
func (e *judge) checkAfterNothing(t target, before, p put) {
	wait := time.Duration(0)
	switch before.Status {
	case 401, 403, 429:
		return
	case 0, 408, 500, 502, 503:
		wait = secondRead
	default: // refused: one read
	}
	reads, last := 0, time.Time{}
	for _, c := range e.calls {
		if c.Op == digicertsim.OpOrder && c.OrderID == t.order && c.At.After(before.At) && c.At.Before(p.At) {
			reads++
			last = c.At
		}
	}
	if reads == 0 || wait > 0 && (reads < 2 || last.Sub(before.At) < wait) {
		e.log.violation("%v: %s sent a revocation %s after that of %s (%d %s), with %d reads between", t,
			p.by, p.At.Sub(before.At), before.by, before.Status, before.Fault, reads)
	}
}

// mayFollow judges a revocation after one that took effect.
func (e *judge) mayFollow(effective, p put) bool {
	if effective.MadeRequest == 0 {
		return false // it was revoked
	}
	q := e.requests[effective.MadeRequest]
	return q.Status == "rejected" && !q.DateProcessed.After(p.At) || p.skip && !effective.skip
}

// checkAlready: whoever caused what happened to a target is one command, which
// does not say already; all others do.
func (e *judge) checkAlready() {
	causes := map[target][]string{}
	for key, chain := range e.chains {
		final := chain[len(chain)-1]
		if final.Name != messages.EventRevoked && final.Name != messages.EventRevokeRejected {
			continue
		}
		t := target{final.OrderID, final.CertificateID}
		own := e.effective(t, key)
		if !final.Already && len(own) == 0 {
			e.log.violation("%s: %s without already, and no call of its own took effect", key, final.Name)
		}
		if final.Name == messages.EventRevokeRejected {
			if q := e.requests[final.RequestID]; (commandOf(q.Comments) == key) == final.Already {
				e.log.violation("%s: rejected by request %d of %q, and already is %v", key, q.ID, q.Comments, final.Already)
			}
			continue
		}
		if !final.Already {
			causes[t] = append(causes[t], key)
			for _, p := range own { // of one command, so of one reason
				if string(final.RevocationReason) != p.reason {
					e.log.violation("%s: revoked for %q, and %q was sent", key, final.RevocationReason, p.reason)
				}
			}
		} else if !e.causedByAnother(t, key) {
			e.log.violation("%s: revoked already, and no call of another took effect on %v", key, t)
		}
	}
	for t, keys := range causes {
		if len(keys) > 1 {
			e.log.violation("%v was revoked once, and %v each say that they did it", t, keys)
		}
	}
	for t := range e.puts {
		if e.status(t.order, t.certificate) == "revoked" && t.certificate == 0 && len(causes[t]) == 0 {
			e.log.violation("%v is revoked, and everybody says already", t)
		}
	}
}

func (e *judge) causedByAnother(t target, key string) bool {
	another := func(p put) bool { return p.Effective && p.by != key }
	return slices.ContainsFunc(e.puts[t], another) || slices.ContainsFunc(e.puts[target{order: t.order}], another)
}
