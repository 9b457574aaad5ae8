package budget

import (
	"slices"
	"time"
)

const (
	// tolerance is how far the record may be ahead of the server's clock before it is moved back.
	tolerance = 2 * time.Second
	// rejoin is how long nothing is granted after a record that was lost is made anew, so that every process can add its
	// own calls first.
	rejoin = time.Second
	// markLife is how long a mark holds lower lanes back unless it is refreshed, which is done at half of it.
	markLife = time.Second
)

// A mark says that a process has callers of a lane waiting: lower lanes of other processes are held back while it lives.
type mark struct {
	owner uint32
	until int64 // 0: no mark
}

// A record is what the fleet shares: one key, changed by compare-and-swap only.
type record struct {
	epoch uint32              // drawn when the record was made: a process that knows another one has yet to add its own calls
	hold  int64               // nothing is granted before
	last  int64               // when the record was last written; the time of the fleet never runs back behind it
	marks [laneCount - 1]mark // by rank; the lowest lane needs none
	cells history
}

// clone returns a copy that shares nothing with r.
func (r *record) clone() *record {
	c := *r
	c.cells = slices.Clone(r.cells)
	return &c
}

// live reports whether a mark holds others back at now. One that is further ahead than a mark can be counts as none.
func (m mark) live(now int64) bool {
	return m.until > now && m.until <= now+(markLife+tolerance).Milliseconds()
}

// held reports whether a mark of another owner holds lane back, and until when.
func (r *record) held(lane Lane, owner uint32, now int64) (until int64, held bool) {
	for _, m := range r.marks[:lane.rank()] {
		if m.owner != owner && m.live(now) {
			until, held = max(until, m.until), true
		}
	}
	return until, held
}

// moveBack brings a record that is ahead of now back to it. It reports by how much, 0 if within the tolerance.
func (r *record) moveBack(now int64) (lead time.Duration) {
	d := r.last - now
	if d <= tolerance.Milliseconds() {
		return 0
	}
	r.cells = r.cells.moveBack(now, d)
	r.hold = min(r.hold, now+rejoin.Milliseconds())
	r.marks = [laneCount - 1]mark{}
	r.last = now
	return time.Duration(d) * time.Millisecond
}
