package policy

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"certrecall/worker/statements"
)

// allowance tells which commands of one thing (an incident, or one source's
// commands without one) operators have let begin. It is not safe for
// concurrent use.
type allowance struct {
	claims []*claim // in the order of the stream
	byName map[string]*claim
	marks  []marked // in the order of the stream, between the claims

	steps []step
	// What follows from the steps up to now.
	next     int // the first step that is not taken yet
	now      step
	used     map[int64]bool // orders that began under it
	waiting  []*claim       // held and not allowed, in the order of the claims
	released []*claim       // held, then allowed, and not seen to have begun; in that order
}

// marked is an event after a claim.
type marked struct {
	after int // as many claims came before it
	name  string
	mark  mark
	at    time.Time
}

func newAllowance() *allowance { return &allowance{byName: map[string]*claim{}} }

// say takes what operators have said by now, and works everything out anew.
func (a *allowance) say(said []statements.Statement, secondAbove int64, now time.Time) {
	a.steps = timeline(said, secondAbove)
	a.next, a.now, a.used, a.waiting, a.released = 0, step{}, map[int64]bool{}, nil, nil
	for _, c := range a.claims {
		c.held, c.begun, c.ended, c.covered = false, false, false, false
	}
	m := 0
	for n, c := range a.claims {
		for ; m < len(a.marks) && a.marks[m].after <= n; m++ {
			a.apply(a.marks[m])
		}
		a.judge(c)
	}
	for ; m < len(a.marks); m++ {
		a.apply(a.marks[m])
	}
	if len(said) > 0 && said[len(said)-1].Stamp.After(now) {
		now = said[len(said)-1].Stamp // this clock is a little behind the server's
	}
	a.pass(now)
}

// claimed takes the next claim of the stream.
func (a *allowance) claimed(c claim) {
	if a.byName[c.name] != nil {
		return
	}
	c.at = monotone(a.claims, c.at)
	a.claims = append(a.claims, &c)
	a.byName[c.name] = &c
	a.judge(&c)
}

// mark takes the next other event.
func (a *allowance) mark(name string, m mark, at time.Time) {
	if a.byName[name] == nil {
		return
	}
	next := marked{len(a.claims), name, m, at}
	a.marks = append(a.marks, next)
	a.apply(next)
}

// pass takes the steps up to a moment.
func (a *allowance) pass(now time.Time) {
	for ; a.next < len(a.steps) && !a.steps[a.next].at.After(now); a.next++ {
		if a.steps[a.next].epoch != a.now.epoch {
			a.used = map[int64]bool{}
		}
		a.now = a.steps[a.next]
		a.release()
	}
}

// at gives the step in force at a moment.
func (a *allowance) at(t time.Time) step {
	n := sort.Search(len(a.steps), func(i int) bool { return a.steps[i].at.After(t) })
	if n == 0 {
		return step{}
	}
	return a.steps[n-1]
}

// room reports whether the order may begin under a step.
func (a *allowance) room(order int64, s step) bool {
	return s.n > 0 && s.epoch == a.now.epoch && (a.used[order] || int64(len(a.used)) < s.n)
}

// judge decides about a claim at its own time: a step that came a moment later
// on another leader's clock may have been taken already.
func (a *allowance) judge(c *claim) {
	a.pass(c.at)
	if a.room(c.order, a.at(c.at)) {
		c.covered = true
		a.used[c.order] = true
	}
}

// release lets go what waits, in the order of the claims, as far as it is allowed.
func (a *allowance) release() {
	still := a.waiting[:0:0]
	for _, c := range a.waiting {
		if !a.room(c.order, a.now) {
			still = append(still, c)
			continue
		}
		c.covered = true
		a.used[c.order] = true
		a.released = append(a.released, c)
	}
	a.waiting = still
}

func (a *allowance) apply(m marked) {
	a.pass(m.at)
	c := a.byName[m.name]
	if !c.set(m.mark) || !c.held {
		return
	}
	switch m.mark {
	case markHeld:
		switch {
		case c.begun:
		case c.covered: // whoever held it had not heard of the allowance
			a.released = insert(a.released, c)
		case a.room(c.order, a.now):
			c.covered = true
			a.used[c.order] = true
			a.released = insert(a.released, c)
		default:
			a.waiting = insert(a.waiting, c)
		}
	case markBegun, markRevoked:
		if !c.covered && a.now.n > 0 {
			a.used[c.order] = true // whoever let it through knew more than we do
		}
		a.drop(c)
	case markEnded:
		a.drop(c)
	}
}

func (a *allowance) drop(c *claim) {
	a.waiting, a.released = without(a.waiting, c), without(a.released, c)
}

// insert keeps the order of the claims.
func insert(all []*claim, c *claim) []*claim {
	at, found := slices.BinarySearchFunc(all, c, func(a, b *claim) int { return cmp.Compare(a.seq, b.seq) })
	if found {
		return all
	}
	return slices.Insert(all, at, c)
}

func without(all []*claim, c *claim) []*claim {
	at := slices.Index(all, c)
	if at < 0 {
		return all
	}
	return slices.Delete(all, at, at+1)
}

// covers reports whether the command may begin, or has begun, under the allowance.
func (a *allowance) covers(name string) bool {
	c := a.byName[name]
	return c != nil && c.covered
}
