package gate

import (
	"context"
	"fmt"
	"time"

	"certrecall/client"
)

const (
	// massOrders is how many different orders DigiCert must refuse for the same
	// code before that is held to be the key's or the account's trouble, and
	// massWindow how long it remembers them.
	massOrders = 5
	massWindow = 5 * time.Minute
	// massShare: "nearly everything" is refused where no more than one order in
	// so many was not.
	massShare = 10

	firstTrial = 30 * time.Second
	lastTrial  = 5 * time.Minute
)

// mass tells a refusal of everything from refusals of single orders: a 403 of
// the API is the command's own trouble, unless nearly everything that is asked
// for of different orders is refused for the same code. It has one part for
// revocations, one for lists and one for what both read. The holder of
// Gates.turn owns it.
type mass struct {
	parts map[Kind]*massPart
}

type massPart struct {
	refused map[string]map[target]time.Time // by code
	works   map[target]time.Time
	code    string    // for which the gate is closed, or open on trial
	due     time.Time // when it opens on trial; zero is not closed
	trial   bool      // open, and the next refusal closes it again
	delay   time.Duration
}

func newMass() mass {
	m := mass{parts: map[Kind]*massPart{}}
	for _, k := range []Kind{Both, Revocations, Listings} {
		m.parts[k] = newMassPart()
	}
	return m
}

func newMassPart() *massPart {
	return &massPart{refused: map[string]map[target]time.Time{}, works: map[target]time.Time{}, delay: firstTrial}
}

// kindOf is what a refusal of the operation holds back.
func kindOf(op client.Operation) (Kind, bool) {
	switch op {
	case client.OpRevokeOrder, client.OpRevokeCertificate:
		return Revocations, true
	case client.OpDuplicates, client.OpReissues:
		return Listings, true
	case client.OpOrder, client.OpRequest:
		return Both, true
	case client.OpRequests, client.OpStatusChanges, client.OpProbe:
	}
	return Both, false
}

func targetOf(c client.Call) target {
	t := target{c.OrderID, c.CertificateID}
	if t.order != 0 {
		t.certificate = 0
	}
	return t
}

// report takes one call. It tells of which kind the gate is to change, and how:
// why is why it closes, "" that it opens.
func (m *mass) report(c client.Call, now time.Time) (k Kind, why string, change bool) {
	k, ok := kindOf(c.Op)
	t := targetOf(c)
	if !ok || c.Canceled || t == (target{}) {
		return k, "", false
	}
	p := m.parts[k]
	switch {
	case c.Class == client.ClassForbidden && c.Code != "":
		why = p.refusal(t, c.Code, now)
		return k, why, why != ""
	case c.Class == "":
		p.forget(now)
		p.works[t] = now
		if p.code == "" {
			return k, "", false
		}
		closed := !p.due.IsZero()
		*p = *newMassPart()
		p.works[t] = now
		return k, "", closed
	}
	return k, "", false
}

// refusal notes one. It returns why the gate closes now, or "".
func (p *massPart) refusal(t target, code string, now time.Time) string {
	p.forget(now)
	if p.refused[code] == nil {
		p.refused[code] = map[target]time.Time{}
	}
	p.refused[code][t] = now
	delete(p.works, t)
	n := len(p.refused[code])
	switch {
	case !p.due.IsZero():
		return ""
	case p.trial && code == p.code:
		p.delay = min(2*p.delay, lastTrial)
	case n < massOrders || len(p.works) > n/massShare:
		return ""
	}
	p.code, p.due, p.trial = code, now.Add(p.delay), false
	return fmt.Sprintf("DigiCert refuses nearly every order with %s: the key or its account lacks the permission, not the orders; tried again every few minutes, and at once with another key", code)
}

func (p *massPart) forget(now time.Time) {
	old := func(_ target, at time.Time) bool { return now.Sub(at) > massWindow }
	for code, orders := range p.refused {
		for t, at := range orders {
			if old(t, at) {
				delete(orders, t)
			}
		}
		if len(orders) == 0 {
			delete(p.refused, code)
		}
	}
	for t, at := range p.works {
		if old(t, at) {
			delete(p.works, t)
		}
	}
}

// excuses reports whether a refusal for the code is not the order's own.
func (m *mass) excuses(code string) bool {
	for _, p := range m.parts {
		if code != "" && p.code == code {
			return true
		}
	}
	return false
}

// followTrials opens the gate of a mass refusal for a trial when it is time,
// until ctx ends: the neutral read tells nothing of a permission that it does
// not need.
func (g *Gates) followTrials(ctx context.Context) {
	for {
		var due <-chan time.Time
		if d, ok := g.nextTrial(); ok {
			due = time.After(d)
		}
		select {
		case <-ctx.Done():
			return
		case <-g.trials:
		case <-due:
			g.openTrials(time.Now(), false)
		}
	}
}

func (g *Gates) nextTrial() (d time.Duration, ok bool) {
	g.turn.Lock()
	defer g.turn.Unlock()
	for _, p := range g.mass.parts {
		if p.due.IsZero() {
			continue
		}
		if left := max(time.Until(p.due), 0); !ok || left < d {
			d, ok = left, true
		}
	}
	return d, ok
}

// openTrials opens what is due. With another key all is forgotten.
func (g *Gates) openTrials(now time.Time, another bool) {
	g.turn.Lock()
	defer g.turn.Unlock()
	for k, p := range g.mass.parts {
		closed := !p.due.IsZero()
		switch {
		case another:
			*p = *newMassPart()
		case closed && !p.due.After(now):
			code, delay := p.code, p.delay
			*p = *newMassPart()
			p.code, p.delay, p.trial = code, delay, true
		default:
			continue
		}
		if closed {
			g.set(Reason{Gate: NotPermitted, Kind: k}, false)
		}
	}
}

func (g *Gates) nudgeTrials() {
	select {
	case g.trials <- struct{}{}:
	default:
	}
}
