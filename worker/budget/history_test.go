package budget

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A history in cells counts at least the permits of a window, and at most those of one longer by a part in 127.
func TestCellsCountConservatively(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := epoch0
		var exact []int64
		var h history
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64Range(0, 5000), rapid.Int64Range(0, 3_600_000)).Draw(t, "pause")
			if rapid.Bool().Draw(t, "coarsen") {
				h = h.coarsen(now)
			}
			n := rapid.IntRange(0, 5).Draw(t, "n")
			if n > 0 {
				h = h.add(cell{at: now, count: n})
			}
			for range n {
				exact = append(exact, now)
			}
		}
		h = h.coarsen(now)
		if !slices.IsSortedFunc(h, func(a, b cell) int { return int(a.at - b.at) }) {
			t.Fatalf("not sorted: %v", h)
		}
		per := time.Duration(rapid.Int64Range(1000, MaxPer.Milliseconds()).Draw(t, "per")) * time.Millisecond
		got, _ := h.used(now, per)
		count := func(length int64) (n int) {
			for _, at := range exact {
				if at >= now-length {
					n++
				}
			}
			return n
		}
		length := (per + guard).Milliseconds()
		low, high := count(length), count(length+length/(fineness-1)+1)
		if got < low || got > high {
			t.Fatalf("window %s counts %d permits, want %d to %d", per, got, low, high)
		}
	})
}

// Where the width changes, an older cell may be rounded up beyond a younger one: they become one.
func TestCellsStayInOrder(t *testing.T) {
	t.Parallel()
	for phase := range int64(1024) {
		now := epoch0 + phase
		rec := &record{epoch: 1, last: now}
		for _, age := range []int64{fineness*1024 + 100, fineness * 1024, fineness*1024 - 1, fineness*1024 - 72, 5} {
			rec.cells = append(rec.cells, cell{at: now - age, count: 1})
		}
		want := now - rec.cells[3].at
		rec = through(t, rec)
		for i, c := range rec.cells[1:] {
			if c.at <= rec.cells[i].at {
				t.Fatalf("phase %d: %v", phase, rec.cells)
			}
		}
		if n, _ := rec.cells.used(now, time.Duration(want)*time.Millisecond-guard); n < 2 {
			t.Fatalf("phase %d: %d permits in the last %d ms, want at least 2", phase, n, want)
		}
	}
}

// What is left of a history after permits were taken back counts at least the permits that are left.
func TestTakingBackIsConservative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := epoch0
		var exact []int64
		var h history
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			now += rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64Range(0, 30_000)).Draw(t, "pause")
			h = h.coarsen(now)
			if len(exact) > 0 && rapid.IntRange(0, 2).Draw(t, "back") == 0 {
				i := rapid.IntRange(0, len(exact)-1).Draw(t, "which")
				h = h.remove(cell{at: exact[i], count: 1})
				exact = slices.Delete(exact, i, i+1)
				continue
			}
			h = h.add(cell{at: now, count: 1})
			exact = append(exact, now)
		}
		total := 0
		for _, c := range h {
			total += c.count
		}
		if total != len(exact) {
			t.Fatalf("%d permits are left, want %d", total, len(exact))
		}
		per := time.Duration(rapid.Int64Range(1000, 600_000).Draw(t, "per")) * time.Millisecond
		want := 0
		for _, at := range exact {
			if at >= now-(per+guard).Milliseconds() {
				want++
			}
		}
		if got, _ := h.used(now, per); got < want {
			t.Fatalf("window %s counts %d permits, want at least %d", per, got, want)
		}
	})
}

// A record that one wrong clock has brought ahead is moved back without ageing what the others wrote: moved as a whole, it
// would forget the last seconds, and the burst could be had twice.
func TestMoveBackForgetsNothing(t *testing.T) {
	t.Parallel()
	limits := Limits{{100, 5 * time.Second}}
	right := rules{limits: limits, owner: 1}
	rec := &record{epoch: 1, last: epoch0}
	for range 6 {
		right.decide(rec, epoch0, 0, [laneCount]int{Normal: 14})
	}
	// Thirty seconds ahead: sees an empty window.
	ahead := epoch0 + 30_000
	rec.last = ahead
	rules{limits: limits, owner: 2}.decide(rec, ahead, 0, [laneCount]int{Normal: 4})

	rec = through(t, rec)
	if lead := rec.moveBack(epoch0 + 1000); lead != 29*time.Second {
		t.Fatalf("moved back by %s", lead)
	}
	if used, _ := rec.cells.used(rec.last, 5*time.Second); used != 88 {
		t.Errorf("%d permits are counted, want 88", used)
	}
	if lead := rec.moveBack(epoch0); lead != 0 {
		t.Errorf("moved by %s within the tolerance", lead)
	}
}

// When the server's clock itself was set back, the calls of its old time are reckoned by the new one.
func TestMoveBackAfterServerClockWasSetBack(t *testing.T) {
	t.Parallel()
	r := rules{limits: Limits{{100, 5 * time.Second}}, owner: 1}
	rec := &record{epoch: 1, last: epoch0}
	for i := range int64(100) {
		rec.last = epoch0 + i*1000
		r.decide(rec, rec.last, 0, [laneCount]int{Normal: 1})
	}
	now := epoch0 - 3_600_000
	if lead := rec.moveBack(now); lead != 3_600_000*time.Millisecond+99*time.Second {
		t.Fatalf("moved back by %s", lead)
	}
	if used, _ := rec.cells.used(now, 5*time.Second); used != 6 {
		t.Errorf("%d permits are counted, want 6", used)
	}
}

// A full day at the default limits, and the largest record that any use can make.
func TestRecordStaysSmall(t *testing.T) {
	t.Parallel()
	limits, err := ParseLimits("1000/5m,100/5s")
	if err != nil {
		t.Fatal(err)
	}
	r := rules{limits: limits, owner: 1}
	now := epoch0
	rec := &record{epoch: 1, last: now}
	for now < epoch0+horizon.Milliseconds() {
		rec.last = now
		d := r.decide(rec, now, 0, [laneCount]int{Normal: 1000})
		rec.cells = rec.cells.coarsen(now)
		now = max(d.next, now)
	}
	size := len(rec.encode())
	t.Logf("%d cells, %d bytes after a day at the default limits", len(rec.cells), size)
	if size > 4096 {
		t.Errorf("%d bytes", size)
	}
	rec = &record{epoch: 1, last: now}
	for at := now - horizon.Milliseconds(); at <= now; at += 50 {
		rec.cells = append(rec.cells, cell{at: at, count: 1, sweeps: 1})
		if at%1000 == 0 {
			rec.cells = rec.cells.coarsen(at)
		}
	}
	size = len(rec.encode())
	t.Logf("%d cells, %d bytes with permits all the time for a day", len(rec.cells), size)
	if len(rec.cells) > maxCells/2 || size > 16<<10 {
		t.Errorf("%d cells, %d bytes", len(rec.cells), size)
	}
}
