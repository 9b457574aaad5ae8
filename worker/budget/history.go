package budget

import (
	"math/bits"
	"slices"
	"time"
)

// All times of the arithmetic are milliseconds since 1970.
const (
	// guard is added to every window: permits are counted when they are granted, calls when they arrive. A permit may be
	// used for permitLife, and what is left of the guard is for the way to the receiver.
	guard = 500 * time.Millisecond
	// permitLife is how long after its grant a permit may be used.
	permitLife = 250 * time.Millisecond
	// horizon is how long permits are remembered: the longest window that any worker may have.
	horizon = MaxPer + guard
	// fineness bounds the width of a cell to one part in fineness of its age.
	fineness = 128
)

// A cell counts permits that were granted at the time at or shortly before it.
type cell struct {
	at     int64
	count  int
	sweeps int // how many of count are the sweep's
}

// A history holds the permits of the past as cells, oldest first, no two of one time. A cell gets wider with age, by
// moving permits to a later time and never to an earlier one: a window reckoned on a history holds at least the permits
// that were granted in it.
type history []cell

// width returns how wide a cell of the given age may be: the largest power of two that is no more than the age divided by
// fineness, so that the grids of all widths are nested.
func width(age int64) int64 {
	if age < 2*fineness {
		return 1
	}
	return 1 << (bits.Len64(uint64(age/fineness)) - 1)
}

// coarsen returns the history with each cell as wide as its age at now allows, without what is beyond the horizon.
func (h history) coarsen(now int64) history {
	out := make(history, 0, len(h)+1)
	for _, c := range h {
		age := now - c.at
		if age > horizon.Milliseconds() {
			continue
		}
		w := width(age)
		c.at = (c.at + w - 1) / w * w
		if n := len(out); n > 0 && c.at <= out[n-1].at { // an older and wider cell may reach past a younger one
			out[n-1].count += c.count
			out[n-1].sweeps += c.sweeps
			continue
		}
		out = append(out, c)
	}
	return out
}

// add returns the history with c counted.
func (h history) add(c cell) history {
	i, found := slices.BinarySearchFunc(h, c.at, func(c cell, at int64) int { return int(c.at - at) })
	if found {
		h[i].count += c.count
		h[i].sweeps += c.sweeps
		return h
	}
	return slices.Insert(h, i, c)
}

// merge returns the history with every cell of other counted.
func (h history) merge(other history) history {
	for _, c := range other {
		h = h.add(c)
	}
	return h
}

// remove takes back permits granted at the time of c. They are taken from the oldest cell that can hold them, which
// leaves the later ones: what remains is never reckoned earlier than it was.
func (h history) remove(c cell) history {
	i := slices.IndexFunc(h, func(have cell) bool { return have.at >= c.at })
	if i < 0 {
		return h
	}
	h[i].sweeps = max(0, h[i].sweeps-c.sweeps)
	h[i].count = max(h[i].sweeps, h[i].count-c.count)
	if h[i].count == 0 {
		return slices.Delete(h, i, i+1)
	}
	return h
}

// since returns the part of the history that a window of the given length still counts at now.
func (h history) since(now int64, per time.Duration) history {
	from := now - (per + guard).Milliseconds()
	for i := len(h); i > 0; i-- {
		if h[i-1].at < from {
			return h[i:]
		}
	}
	return h
}

// used returns how many permits of the history a window of the given length counts at now, and how many are the sweep's.
func (h history) used(now int64, per time.Duration) (count, sweeps int) {
	for _, c := range h.since(now, per) {
		count += c.count
		sweeps += c.sweeps
	}
	return count, sweeps
}

// freeAt returns the earliest time at which a window of the given length counts fewer than limit permits; of returns what
// of a cell counts.
func (h history) freeAt(limit int, per time.Duration, of func(cell) int) int64 {
	sum := 0
	for i := len(h) - 1; i >= 0; i-- {
		if sum += of(h[i]); sum >= limit {
			return h[i].at + (per + guard).Milliseconds() + 1
		}
	}
	return 0
}

func allOf(c cell) int    { return c.count }
func sweepsOf(c cell) int { return c.sweeps }

// moveBack moves the cells that a clock brought ahead of now back by as much as it was ahead. The others stay: they are by
// clocks that were right, even if the wrong one has rounded them up to beyond now, or are reckoned later than they were.
func (h history) moveBack(now, lead int64) history {
	rounded := now + lead/(fineness-1) + 1
	var out history
	for _, c := range h {
		switch {
		case c.at > rounded:
			c.at -= lead
		case c.at > now:
			c.at = now
		}
		out = out.add(c)
	}
	return out
}
