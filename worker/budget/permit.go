package budget

import (
	"sync/atomic"
	"time"
)

// A Permit allows one call, which must begin while the permit is fresh. Permits may be copied; all copies are one permit.
// The zero Permit is of a budget without limits: it is always fresh.
type Permit struct{ g *grant }

// A grant is one permit as it was counted in the record.
type grant struct {
	queue    *queue
	lane     Lane // under which it was counted
	at       int64
	epoch    uint32
	deadline time.Time
	returned atomic.Bool
}

// Fresh reports whether a call may still begin on the permit: for 250 ms after the grant, unless it was given back.
func (p Permit) Fresh() bool {
	return p.g == nil || !p.g.returned.Load() && p.g.lives(time.Now())
}

// lives goes by whichever clock says later: the monotonic one stands still while a machine is suspended, and the wall
// clock may be set back. A step forward costs a permit.
func (g *grant) lives(now time.Time) bool {
	return now.Before(g.deadline) && now.Round(0).Before(g.deadline.Round(0))
}

// GiveBack returns a permit on which no call began. While it is fresh it goes to another caller of this process, else it
// is taken back in the record; it counts as spent if that cannot be done. Giving back twice is giving back once.
func (p Permit) GiveBack() {
	if p.g == nil || !p.g.returned.CompareAndSwap(false, true) {
		return
	}
	p.g.queue.pass(p.g)
}

// serves reports whether the permit may serve a caller of the given lane. Listings and the sweep take only what was
// counted as theirs, so that neither gets more than its share.
func (g *grant) serves(lane Lane) bool {
	return lane == g.lane || lane == Urgent || lane == Normal
}

// cell is what the permit is in a history.
func (g *grant) cell() cell {
	c := cell{at: g.at, count: 1}
	if g.lane == Sweep {
		c.sweeps = 1
	}
	return c
}

// again returns the same permit for another caller.
func (g *grant) again() *grant {
	return &grant{queue: g.queue, lane: g.lane, at: g.at, epoch: g.epoch, deadline: g.deadline}
}
