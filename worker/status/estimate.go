package status

import (
	"slices"
	"time"

	"certrecall/messages"
	"certrecall/worker/budget"
)

// Calls of DigiCert that a command needs at least, while nothing goes wrong.
const (
	callsRevokeOrder       = 1 // the PUT
	callsRevokeCertificate = 4 // the order, its duplicates, its reissues; the PUT
	callsPlan              = 3 // the order, its duplicates, its reissues
	callsList              = 1
)

func calls(c messages.Command) int {
	switch {
	case c.Action() == messages.ActionListDuplicates:
		return callsList
	case c.DryRun:
		return callsPlan
	case c.CertificateID != 0:
		return callsRevokeCertificate
	}
	return callsRevokeOrder
}

// work counts, lane by lane, the calls that the queue still needs.
type work map[messages.Lane]*laneWork

type laneWork struct {
	all  int // of everything in the lane
	ours int // up to the last command that the view is about, and with it
}

func (w work) add(c messages.Command, ours bool) {
	l := w[c.Lane]
	if l == nil {
		l = &laneWork{}
		w[c.Lane] = l
	}
	// What only reads takes permits of the listings, but waits in its lane.
	l.all += calls(c)
	if ours {
		l.ours = l.all
	}
}

// Calls tells how many calls come before the last command of the view that is
// still in the queue is done: all of the higher lanes, and in its own lane what
// was sent before it. revocations is the part that may use the whole budget.
func (v *View) Calls() (revocations, listings int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	ahead, last := 0, 0
	for _, lane := range messages.Lanes() {
		l := v.work[lane]
		if l == nil {
			continue
		}
		if l.ours > 0 {
			last = ahead + l.ours
			if lane.Action() == messages.ActionListDuplicates {
				listings = l.ours
			}
		}
		ahead += l.all
	}
	return last - listings, listings
}

// guard is what the workers reckon each window longer by.
const guard = 500 * time.Millisecond

// Estimate tells how long calls take at best under the windows, beginning with
// what is used of them now: revocations first, then listings, which may use
// only a share of each window. Without windows it is 0. It is a lower bound:
// retries, reads after unclear answers and other users of the key come on top.
func Estimate(use []budget.WindowUse, share float64, revocations, listings int) time.Duration {
	if len(use) == 0 || revocations+listings <= 0 {
		return 0
	}
	past := history(use)
	begun := make([]time.Duration, len(past), len(past)+revocations+listings)
	copy(begun, past)
	for i := range revocations + listings {
		var at time.Duration
		for _, w := range use {
			n := w.Calls
			if i >= revocations {
				n = max(1, int(share*float64(w.Calls)))
			}
			if before := len(begun) - n; before >= 0 {
				at = max(at, begun[before]+w.Per+guard)
			}
		}
		if n := len(begun); n > 0 {
			at = max(at, begun[n-1])
		}
		begun = append(begun, at)
	}
	return begun[len(begun)-1]
}

// history makes up calls that use the windows as they are used: nothing says
// when within a window they were, so they are spread evenly. They are in order,
// in time before now (negative).
func history(use []budget.WindowUse) []time.Duration {
	windows := slices.Clone(use)
	slices.SortFunc(windows, func(a, b budget.WindowUse) int { return int(a.Per - b.Per) })
	var past []time.Duration
	newer, since := 0, time.Duration(0)
	for _, w := range windows {
		n := w.Used - newer
		for i := range n {
			past = append(past, -since-(w.Per-since)*time.Duration(i+1)/time.Duration(n+1))
		}
		newer, since = max(newer, w.Used), w.Per
	}
	slices.Sort(past)
	return past
}
