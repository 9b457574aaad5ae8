package budget

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// epoch0 is where the arithmetic's tests begin, in milliseconds.
const epoch0 = int64(1_700_000_000_000)

// over returns the first window that a receiver of calls at the given times finds overrun, counted in exact rolling
// windows, and the time of the call that did it.
func over(arrivals []int64, limits Limits) (Window, int64, bool) {
	slices.Sort(arrivals)
	for _, w := range limits {
		for i := w.Calls; i < len(arrivals); i++ {
			if arrivals[i]-arrivals[i-w.Calls] < w.Per.Milliseconds() {
				return w, arrivals[i] - epoch0, true
			}
		}
	}
	return Window{}, 0, false
}

// ideal returns how long calls take that all wait at the beginning, in exact rolling windows with every burst used.
func ideal(calls int, limits Limits) int64 {
	at := make([]int64, calls)
	for i := range at {
		for _, w := range limits {
			if i >= w.Calls {
				at[i] = max(at[i], at[i-w.Calls]+w.Per.Milliseconds())
			}
		}
	}
	return at[calls-1]
}

func drawLimits(t *rapid.T, label string) Limits {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Window {
		return Window{
			Calls: rapid.IntRange(1, 60).Draw(t, "calls"),
			Per:   time.Duration(rapid.IntRange(1000, 20_000).Draw(t, "per")) * time.Millisecond,
		}
	}), 1, 3).Draw(t, label)
}

// through sends a record through its bytes.
func through(t interface{ Fatal(...any) }, rec *record) *record {
	got, err := decodeRecord(rec.encode())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Whatever a fleet asks for and gives back, and however long each call is on its way up to the guard, no exact rolling
// window of the receiver is overrun.
func TestNoWindowOverrunAtReceiver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := drawLimits(t, "limits")
		fleet := make([]rules, rapid.IntRange(1, 4).Draw(t, "workers"))
		for i := range fleet {
			fleet[i] = rules{limits: limits, share: rapid.Float64Range(0.1, 1).Draw(t, "share"), owner: uint32(i + 1)}
		}
		now := epoch0
		rec := &record{epoch: 1, last: now}
		var arrivals []int64
		listings, sweeps := 0, 0
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now += rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(0, 6000)).Draw(t, "pause")
			lead := rapid.SampledFrom([]int64{0, 0, 0, 300}).Draw(t, "lead")
			var waiting [laneCount]int
			for lane := range waiting {
				waiting[lane] = rapid.IntRange(0, 30).Draw(t, "waiting")
			}
			rec = through(t, rec)
			at := max(rec.last, now)
			rec.last = at
			d := rapid.SampledFrom(fleet).Draw(t, "worker").decide(rec, at, lead, waiting)
			for lane, n := range d.grants {
				for range n {
					if rapid.IntRange(0, 9).Draw(t, "fate") == 0 {
						rec.cells = rec.cells.remove((&grant{lane: Lane(lane), at: at + lead}).cell())
						continue
					}
					arrivals = append(arrivals, at+rapid.Int64Range(0, guard.Milliseconds()+lead).Draw(t, "way"))
				}
			}
			listings += d.grants[Listing]
			sweeps += d.grants[Sweep]
		}
		if w, at, bad := over(arrivals, limits); bad {
			t.Fatalf("window %s overrun at +%d ms by %d calls, %d listings, %d sweeps", w, at, len(arrivals), listings, sweeps)
		}
	})
}

// finish returns how long a fleet of one takes for calls that all wait at the beginning.
func finish(t *testing.T, calls int, limits Limits) int64 {
	r := rules{limits: limits, share: 1, owner: 1}
	now := epoch0
	rec := &record{epoch: 1, last: now}
	for last := now; ; {
		if calls == 0 {
			return last - epoch0
		}
		rec = through(t, rec)
		rec.last = now
		d := r.decide(rec, now, 0, [laneCount]int{Urgent: calls})
		if n := d.total(); n > 0 {
			calls -= n
			last = now
		}
		now = max(d.next, now)
	}
}

// The guard and the width of the cells cost at most 3 % where it matters: in incidents longer than the longest window.
func TestFinishesNearIdeal(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"1000/5m,100/5s", "1000/3m,100/5s"} {
		limits, err := ParseLimits(s)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for _, calls := range []int{1001, 1500, 2000, 3333, 5000, 10_000} {
			got, want := finish(t, calls, limits), ideal(calls, limits)
			worst = max(worst, float64(got)/float64(want)-1)
			if float64(got) > 1.03*float64(want) {
				t.Errorf("%s: %d calls took %d ms, ideal %d ms: %.1f %% over", s, calls, got, want, 100*(float64(got)/float64(want)-1))
			}
		}
		t.Logf("%s: at most %.2f %% over the ideal", s, 100*worst)
	}
}

func TestFinishesNearIdealScaled(t *testing.T) {
	t.Parallel()
	limits := Limits{{200, 20 * time.Second}, {100, 5 * time.Second}}
	if got := ideal(470, limits); got != 40_000 {
		t.Fatalf("ideal %d ms, want 40 s", got)
	}
	if got := finish(t, 470, limits); got > 41_500 {
		t.Errorf("took %d ms", got)
	}
}

func TestLanesInOneProcess(t *testing.T) {
	t.Parallel()
	limits := Limits{{100, 5 * time.Second}}
	r := rules{limits: limits, share: 0.8, owner: 1}
	tests := []struct {
		name    string
		used    cell
		waiting [laneCount]int
		want    [laneCount]int
	}{
		{"one batch", cell{}, [laneCount]int{Urgent: 40}, [laneCount]int{Urgent: maxBatch}},
		{"by rank", cell{}, [laneCount]int{Urgent: 3, Normal: 4, Listing: 50, Sweep: 2}, [laneCount]int{Sweep: 2, Urgent: 3, Normal: 4, Listing: 7}},
		{"urgent before normal", cell{count: 95}, [laneCount]int{Urgent: 3, Normal: 40}, [laneCount]int{Urgent: 3, Normal: 2}},
		{"listings below their share", cell{count: 77}, [laneCount]int{Listing: 50}, [laneCount]int{Listing: 3}},
		{"no listings above it", cell{count: 80}, [laneCount]int{Listing: 50, Normal: 1}, [laneCount]int{Normal: 1}},
		{"the sweep's twentieth", cell{count: 10, sweeps: 3}, [laneCount]int{Sweep: 50}, [laneCount]int{Sweep: 2}},
		{"the sweep goes first", cell{count: 99}, [laneCount]int{Sweep: 1, Urgent: 9}, [laneCount]int{Sweep: 1}},
		{"the sweep at its share holds nobody", cell{count: 90, sweeps: 5}, [laneCount]int{Sweep: 5, Normal: 4}, [laneCount]int{Normal: 4}},
		{"full", cell{count: 100}, [laneCount]int{1, 1, 1, 1}, [laneCount]int{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := &record{epoch: 1, last: epoch0}
			if tt.used.count > 0 {
				tt.used.at = epoch0 - 100
				rec.cells = rec.cells.add(tt.used)
			}
			if got := r.decide(rec, epoch0, 0, tt.waiting); got.grants != tt.want {
				t.Errorf("granted %v, want %v", got.grants, tt.want)
			}
		})
	}
}

// A process whose urgent callers wait holds back the lower lanes of the others, until it is served or its mark has run out.
func TestMarksHoldLowerLanesBack(t *testing.T) {
	t.Parallel()
	limits := Limits{{10, time.Second}}
	a, b := rules{limits: limits, share: 1, owner: 1}, rules{limits: limits, share: 1, owner: 2}
	rec := &record{epoch: 1, last: epoch0, cells: history{{at: epoch0, count: 10}}}
	free := epoch0 + 1501

	far := a.decide(rec, epoch0+1, 0, [laneCount]int{Urgent: 1})
	if far.marked || far.next != free-markAhead.Milliseconds() {
		t.Fatalf("marked %v, next +%d: a mark comes only shortly before the permit", far.marked, far.next-epoch0)
	}
	near := a.decide(rec, free-100, 0, [laneCount]int{Urgent: 1})
	if !near.marked || near.next != free {
		t.Fatalf("marked %v, next +%d, want a mark and +%d", near.marked, near.next-epoch0, free-epoch0)
	}
	if again := a.decide(rec, free-50, 0, [laneCount]int{Urgent: 1}); again.marked {
		t.Error("a mark was refreshed that is fresh")
	}
	if d := b.decide(rec.clone(), free, 0, [laneCount]int{Normal: 5, Listing: 5}); d.total() != 0 || d.next != free-100+1000 {
		t.Errorf("lower lanes got %v, next +%d", d.grants, d.next-epoch0)
	}
	if d := b.decide(rec.clone(), free, 0, [laneCount]int{Urgent: 2}); d.grants[Urgent] != 2 {
		t.Errorf("the same lane elsewhere got %v", d.grants)
	}
	if d := b.decide(rec.clone(), free-100+1000, 0, [laneCount]int{Listing: 5}); d.grants[Listing] != 5 {
		t.Errorf("a mark that ran out still holds: %v", d.grants)
	}
	if d := a.decide(rec, free, 0, [laneCount]int{Urgent: 1}); d.grants[Urgent] != 1 {
		t.Fatalf("the one that marked got %v", d.grants)
	}
	if d := b.decide(rec, free, 0, [laneCount]int{Listing: 5}); d.grants[Listing] != 5 {
		t.Errorf("the mark outlived its service: %v", d.grants)
	}
}

// Processes with different limits hold to their own, on one history.
func TestDifferentLimits(t *testing.T) {
	t.Parallel()
	wide, tight := rules{limits: Limits{{100, 5 * time.Second}}, owner: 1}, rules{limits: Limits{{10, 5 * time.Second}}, owner: 2}
	rec := &record{epoch: 1, last: epoch0}
	wide.decide(rec, epoch0, 0, [laneCount]int{Normal: 8})
	if d := tight.decide(rec, epoch0, 0, [laneCount]int{Normal: 8}); d.grants[Normal] != 2 {
		t.Errorf("the tighter got %v, want 2", d.grants)
	}
	wide.decide(rec, epoch0, 0, [laneCount]int{Normal: 16})
	if d := tight.decide(rec, epoch0+5000, 0, [laneCount]int{Normal: 8}); d.total() != 0 || d.next != epoch0+5501-markAhead.Milliseconds() {
		t.Errorf("the tighter got %v, next +%d", d.grants, d.next-epoch0)
	}
}
