package gate

import (
	"sort"
	"time"
)

// maxKnots bounds the memory of a meter. Beyond it older closures are told
// less exactly, never forgotten.
const maxKnots = 2048

// meter adds up the time during which something was closed, so that the sum
// since any moment can be told.
type meter struct {
	// knots of the sum as a function of time, linear in between; the times
	// never go back. The first is the making of the meter.
	knots  []knot
	closed bool // since the last knot
}

type knot struct {
	at  time.Time
	sum time.Duration // closed up to then
}

func newMeter(now time.Time) *meter { return &meter{knots: []knot{{at: now}}} }

// set says whether it is closed from now on.
func (m *meter) set(now time.Time, closed bool) {
	if closed == m.closed {
		return
	}
	last := m.knots[len(m.knots)-1]
	if now.Before(last.at) {
		now = last.at
	}
	m.knots = append(m.knots, knot{now, m.sum(now)})
	m.closed = closed
	if len(m.knots) > maxKnots {
		m.thin()
	}
}

// since gives the time closed from a moment until now.
func (m *meter) since(from, now time.Time) time.Duration {
	return max(m.sum(now)-m.sum(from), 0)
}

// sum gives the time closed up to t.
func (m *meter) sum(t time.Time) time.Duration {
	i := sort.Search(len(m.knots), func(i int) bool { return m.knots[i].at.After(t) })
	switch {
	case i == 0:
		return 0
	case i == len(m.knots):
		last := m.knots[i-1]
		if m.closed {
			return last.sum + t.Sub(last.at)
		}
		return last.sum
	}
	a, b := m.knots[i-1], m.knots[i]
	share := float64(t.Sub(a.at)) / float64(b.at.Sub(a.at))
	return a.sum + time.Duration(share*float64(b.sum-a.sum))
}

// thin drops every second knot of the older half. The sum stays right at those
// that remain.
func (m *meter) thin() {
	half := len(m.knots) / 2
	kept := m.knots[:0]
	for i, k := range m.knots {
		if i >= half || i%2 == 0 {
			kept = append(kept, k)
		}
	}
	m.knots = kept
}
