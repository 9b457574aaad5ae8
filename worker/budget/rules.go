package budget

import (
	"math"
	"time"
)

const (
	// maxBatch is how many permits one write may take.
	maxBatch = 16
	// markAhead is how long before a permit is expected a mark is written for it.
	markAhead = 200 * time.Millisecond
	never     = math.MaxInt64
)

// rules are what one process applies to the record.
type rules struct {
	limits Limits
	share  float64 // of each window, for listings
	owner  uint32  // of the marks of this process
	batch  int     // how many permits this write may take; 0 = maxBatch
}

// A decision is what one look at the record comes to.
type decision struct {
	grants [laneCount]int // by lane
	marked bool           // the marks were changed
	next   int64          // when to look again: now if more may be granted at once, never if nothing waits
}

func (d decision) total() (n int) {
	for _, g := range d.grants {
		n += g
	}
	return n
}

// longest returns the length of the longest window.
func (r rules) longest() (d time.Duration) {
	for _, w := range r.limits {
		d = max(d, w.Per)
	}
	return d
}

// room returns how many permits a lane may take at now and, if none, when the next gets free. bound tells whether the
// lane has to wait although calls of other lanes could go.
func (r rules) room(h history, now int64, lane Lane) (n int, free int64, bound bool) {
	n = math.MaxInt
	total := math.MaxInt
	narrow := func(limit, used int, per time.Duration, of func(cell) int) {
		if n = min(n, limit-used); limit <= used {
			free = max(free, h.freeAt(limit, per, of))
		}
	}
	for _, w := range r.limits {
		used, _ := h.used(now, w.Per)
		total = min(total, w.Calls-used)
		switch lane {
		case Listing:
			narrow(w.listingCalls(r.share), used, w.Per, allOf)
		case Sweep:
			own := w.sweep()
			_, sweeps := h.used(now, own.Per)
			narrow(own.Calls, sweeps, own.Per, sweepsOf)
			narrow(w.Calls, used, w.Per, allOf)
		case Urgent, Normal:
			narrow(w.Calls, used, w.Per, allOf)
		}
	}
	n = max(0, n)
	return n, free, n == 0 && total > 0
}

// decide grants what the windows allow to the waiting callers of this process, in the order of the lanes, and counts it in
// the record as granted at now+lead. now is not before the last time in the record. Where the highest waiting lane
// has to wait, it marks the record for it shortly before the next permit is expected.
func (r rules) decide(rec *record, now, lead int64, waiting [laneCount]int) decision {
	d := decision{next: never}
	if now < rec.hold {
		if waiting != [laneCount]int{} {
			d.next = rec.hold
		}
		return d
	}
	left, marking := maxBatch, true
	if r.batch > 0 {
		left = min(left, r.batch)
	}
	for _, lane := range byRank {
		if waiting[lane] == 0 {
			continue
		}
		if until, held := rec.held(lane, r.owner, now); held {
			d.next = min(d.next, until)
			continue
		}
		room, _, _ := r.room(rec.cells, now, lane)
		n := min(waiting[lane], room, left)
		if n > 0 {
			c := cell{at: now + lead, count: n}
			if lane == Sweep {
				c.sweeps = n
			}
			rec.cells = rec.cells.add(c)
			d.grants[lane] = n
			left -= n
		}
		if n == waiting[lane] {
			d.marked = r.unmark(rec, lane) || d.marked
			continue
		}
		if left == 0 {
			d.next = now
			break
		}
		_, free, bound := r.room(rec.cells, now, lane)
		d.next = min(d.next, free)
		if marking && lane != Listing && !bound {
			d.next = min(d.next, r.mark(rec, &d, lane, now, free))
			marking = false
		}
	}
	return d
}

// unmark takes away this process's mark for a lane.
func (r rules) unmark(rec *record, lane Lane) bool {
	if lane == Listing {
		return false
	}
	m := &rec.marks[lane.rank()]
	if m.until == 0 || m.owner != r.owner {
		return false
	}
	*m = mark{}
	return true
}

// mark marks the record for a lane whose next permit gets free at free, unless that is still far, or a mark is there that
// need not be refreshed yet. It returns when to look at the mark again.
func (r rules) mark(rec *record, d *decision, lane Lane, now, free int64) int64 {
	if ahead := free - markAhead.Milliseconds(); ahead > now {
		return ahead
	}
	m := &rec.marks[lane.rank()]
	if m.live(now) {
		if m.owner != r.owner {
			return m.until
		}
		if refresh := m.until - markLife.Milliseconds()/2; refresh > now {
			return refresh
		}
	}
	*m = mark{owner: r.owner, until: now + markLife.Milliseconds()}
	d.marked = true
	return now + markLife.Milliseconds()/2
}
