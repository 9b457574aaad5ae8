package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"certrecall/worker/statements"
)

// happening is one thing that happens in a model run, at a moment.
type happening struct {
	at    time.Time
	claim *claim                // a new command
	name  string                // or a mark of one
	mark  mark                  //
	said  *statements.Statement // or a word of an operator
}

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// world is a fleet in miniature: one source with limits, one incident beside
// its commands without one, operators who allow and end, workers who hold what
// is over as soon as they come to it, or later.
type world struct {
	t       *rapid.T
	limits  Limits
	above   int64
	account *account
	things  map[string]*allowance
	said    map[string][]statements.Statement
	log     []happening
	now     time.Time
	seq     uint64
	open    []*claim // judged by nobody yet
	gone    []*claim // let through, in order
	order   map[string][]uint64
}

func (w *world) thing(name string) *allowance {
	if w.things[name] == nil {
		w.things[name] = newAllowance()
	}
	return w.things[name]
}

func (w *world) events(h happening) {
	w.log = append(w.log, h)
	switch {
	case h.claim != nil:
		a := w.thing(h.claim.thing)
		a.claimed(*h.claim)
		w.account.add(*h.claim, a.covers(h.claim.name))
	case h.said != nil:
		w.said[h.said.What] = append(w.said[h.said.What], *h.said)
		w.thing(h.said.What).say(w.said[h.said.What], w.above, w.now)
		w.account.again(w.limits, func(c *claim) bool { return w.thing(c.thing).covers(c.name) })
	default:
		w.thing(w.account.byName[h.name].thing).mark(h.name, h.mark, h.at)
		w.account.mark(h.name, h.mark)
	}
}

func (w *world) pass() {
	w.now = w.now.Add(time.Millisecond + time.Duration(rapid.IntRange(0, 90).Draw(w.t, "seconds"))*time.Second)
	for _, a := range w.things {
		a.pass(w.now)
	}
}

// verdict is what a worker finds: covered, within the limit, or over.
func (w *world) free(c *claim) bool {
	known := w.account.byName[c.name]
	return w.thing(c.thing).covers(c.name) || !known.held && (!known.over || known.begun)
}

func (w *world) release(thing string) {
	a := w.thing(thing)
	for len(a.released) > 0 {
		c := a.released[0]
		w.order[thing] = append(w.order[thing], c.seq)
		w.events(happening{at: w.now, name: c.name, mark: markRevoked})
	}
}

func things() []string { return []string{"incident.INC-1", "source.soar"} }

// TestAdmission: whatever comes in whatever order, what is let through on the
// source's account stays inside every window, what an allowance lets through
// stays inside the allowance, held commands go on in the order of their claims,
// and a worker that reads all of it back comes to the same answers.
func TestAdmission(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{{rapid.IntRange(1, 5).Draw(t, "orders"), time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute}}
		if rapid.Bool().Draw(t, "two windows") {
			limits = append(limits, Limit{rapid.IntRange(3, 9).Draw(t, "more orders"), time.Hour})
		}
		w := &world{
			t: t, limits: limits, above: int64(rapid.SampledFrom([]int{0, 2, 4}).Draw(t, "above")), account: newAccount(limits), now: start,
			things: map[string]*allowance{}, said: map[string][]statements.Statement{}, order: map[string][]uint64{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				w.pass()
				w.seq++
				c := &claim{seq: w.seq, at: w.now, order: int64(rapid.IntRange(1, 30).Draw(t, "order")), name: fmt.Sprintf("c%d", w.seq), thing: rapid.SampledFrom(things()).Draw(t, "thing")}
				w.events(happening{at: w.now, claim: c})
				w.open = append(w.open, c)
			},
			"judge": func(t *rapid.T) {
				if len(w.open) == 0 {
					t.Skip("nothing is open")
				}
				i := rapid.IntRange(0, len(w.open)-1).Draw(t, "which")
				c := w.open[i]
				w.open = slices.Delete(w.open, i, i+1)
				if !w.free(c) {
					w.events(happening{at: w.now, name: c.name, mark: markHeld})
					return
				}
				w.gone = append(w.gone, c)
				if rapid.Bool().Draw(t, "and ended") {
					w.events(happening{at: w.now, name: c.name, mark: markRevoked})
				}
			},
			"allow": func(t *rapid.T) {
				w.pass()
				s := statements.Statement{
					Operator: rapid.SampledFrom([]string{"mira", "omar", "zoe"}).Draw(t, "operator"), Verb: statements.Allow,
					What: rapid.SampledFrom(things()).Draw(t, "thing"), Stamp: w.now, Revision: uint64(len(w.log) + 1),
					Words: statements.Words{Orders: int64(rapid.IntRange(1, 6).Draw(t, "allowed"))},
				}
				if rapid.Bool().Draw(t, "until") {
					s.Until = w.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "for")) * time.Minute)
				}
				if rapid.IntRange(0, 3).Draw(t, "end") == 0 {
					s.Words = statements.Words{Ended: true}
				}
				w.events(happening{at: w.now, said: &s})
				w.pass()
			},
			"release": func(t *rapid.T) { w.release(rapid.SampledFrom(things()).Draw(t, "thing")) },
			"cancel": func(t *rapid.T) {
				for _, thing := range things() {
					if a := w.thing(thing); len(a.waiting) > 0 {
						w.events(happening{at: w.now, name: a.waiting[0].name, mark: markEnded})
						return
					}
				}
				t.Skip("nothing is held")
			},
			"": func(t *rapid.T) {
				w.checkWindows(t)
				w.checkReplay(t)
			},
		})
	})
}

// checkWindows looks at what was let through, claim by claim, with no memory.
func (w *world) checkWindows(t *rapid.T) {
	for _, c := range w.gone {
		if w.thing(c.thing).covers(c.name) {
			continue
		}
		for _, l := range w.limits {
			orders := map[int64]bool{}
			for _, q := range w.gone {
				if !w.thing(q.thing).covers(q.name) && q.seq <= c.seq && c.at.Sub(q.at) < l.Per {
					orders[q.order] = true
				}
			}
			if len(orders) > l.Orders {
				t.Fatalf("%d orders inside %s at %s", len(orders), l, c.name)
			}
		}
	}
	for thing, order := range w.order {
		if a := w.thing(thing); int64(len(a.used)) > a.now.n && a.now.n > 0 && len(a.steps) == 1 {
			t.Fatalf("%d orders under an allowance of %d", len(a.used), a.now.n)
		}
		_ = order
	}
}

// checkReplay reads everything back, as a worker does after a restart.
func (w *world) checkReplay(t *rapid.T) {
	fresh, things := newAccount(w.limits), map[string]*allowance{}
	for _, thing := range []string{"incident.INC-1", "source.soar"} {
		a := newAllowance()
		things[thing] = a
		for _, h := range w.log {
			switch {
			case h.claim != nil && h.claim.thing == thing:
				a.claimed(*h.claim)
			case h.mark != 0 && w.account.byName[h.name].thing == thing:
				a.mark(h.name, h.mark, h.at)
			}
		}
		a.say(w.said[thing], w.above, w.now)
		if got, want := fmt.Sprint(seqs(a.released), seqs(a.waiting), len(a.used)), fmt.Sprint(seqs(w.thing(thing).released), seqs(w.thing(thing).waiting), len(w.thing(thing).used)); got != want {
			t.Fatalf("%s: released, waiting, used: %s read back, %s followed", thing, got, want)
		}
	}
	for _, h := range w.log {
		switch {
		case h.claim != nil:
			fresh.add(*h.claim, false)
		case h.mark != 0:
			fresh.mark(h.name, h.mark)
		}
	}
	fresh.again(w.limits, func(c *claim) bool { return things[c.thing].covers(c.name) })
	for _, c := range w.open {
		got, want := fresh.byName[c.name], w.account.byName[c.name]
		if got.covered != w.thing(c.thing).covers(c.name) || got.over != want.over {
			t.Fatalf("%s: covered %v, over %v read back; %v, %v followed", c.name, got.covered, got.over, want.covered, want.over)
		}
	}
}

func seqs(all []*claim) []uint64 {
	out := []uint64{}
	for _, c := range all {
		out = append(out, c.seq)
	}
	return out
}
