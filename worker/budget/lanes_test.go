package budget

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"certrecall/worker/natstest"
)

// A wall of listings in other processes holds an urgent revocation no longer than the share that they may use allows.
func TestUrgentGoesBeforeListingsFleetWide(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "10/1s")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wall sync.WaitGroup
		var listed atomic.Int64
		for range 3 {
			b := f.start(limits)
			for range 40 {
				wall.Go(func() {
					for {
						p, err := b.Acquire(ctx, Listing)
						if err != nil {
							return
						}
						if p.Fresh() {
							listed.Add(1)
						}
					}
				})
			}
		}
		b := f.start(limits)
		for range 20 {
			time.Sleep(1370 * time.Millisecond) // synctest
			began := time.Now()
			f.calls(b, Urgent, 5, 5).Wait()
			if took := time.Since(began); took > 1600*time.Millisecond {
				t.Errorf("five urgent calls took %s, want no more than a window and the guard", took)
			}
		}
		began, before := time.Now(), listed.Load()
		time.Sleep(60 * time.Second) // synctest
		rate := float64(listed.Load()-before) / time.Since(began).Seconds()
		t.Logf("listings alone: %.2f a second", rate)
		if rate < 0.9*8/1.5 || rate > 8/1.5 {
			t.Errorf("%.2f listings a second, want near their share of %.2f", rate, 8/1.5)
		}
		cancel()
		wall.Wait()
	})
}

// A normal revocation waits for urgent ones of another process, and takes what they leave without losing time.
func TestNormalTakesWhatUrgentLeaves(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "20/2s")
		a, b := f.start(limits), f.start(limits)
		began := time.Now()
		normal := f.calls(b, Normal, 100, 30)
		time.Sleep(100 * time.Millisecond) // synctest
		urgent := f.calls(a, Urgent, 60, 30)
		urgent.Wait()
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("60 urgent calls took %s, want three windows: the first was taken", took)
		}
		normal.Wait()
		// 160 calls at 20 in 2.5 s, all at once: the last ones at 7 * 2.5 s.
		if took := time.Since(began); took > 18*time.Second {
			t.Errorf("all took %s, want 17.5 s", took)
		}
		f.judge(limits)
	})
}

// While revocations want every call, the sweep gets its twentieth, and no more.
func TestSweepGetsItsTwentieth(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "100/5s")
		ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
		defer cancel()
		var all sync.WaitGroup
		var mu sync.Mutex
		counts := map[Lane]int{}
		run := func(b *Budget, lane Lane, callers int) {
			for range callers {
				all.Go(func() {
					for {
						if _, err := b.Acquire(ctx, lane); err != nil {
							return
						}
						mu.Lock()
						counts[lane]++
						mu.Unlock()
					}
				})
			}
		}
		run(f.start(limits), Urgent, 40)
		run(f.start(limits), Urgent, 40)
		time.Sleep(3 * time.Second) // synctest
		run(f.start(limits), Sweep, 20)
		all.Wait()
		t.Logf("%v in 120 s", counts)
		windows := 120 / 5.5
		if got := float64(counts[Sweep]) / windows; got < 4 || got > 5.2 {
			t.Errorf("%.1f calls of the sweep a window, want 5", got)
		}
		if total := float64(counts[Sweep]+counts[Urgent]) / windows; total < 95 || total > 105 {
			t.Errorf("%.1f calls a window, want 100", total)
		}
	})
}

// Workers with different limits, as in a rolling deploy: the tighter hold to theirs, and all together to the widest.
func TestDifferentLimitsInOneFleet(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		wide, tight := mustParse(t, "100/5s"), mustParse(t, "50/5s,30/2s")
		a, b := f.start(wide), f.start(tight)
		first, second := f.calls(a, Normal, 300, 10), f.calls(b, Normal, 60, 10)
		first.Wait()
		second.Wait()
		f.judge(wide)
		f.arrivals = nil
		time.Sleep(6 * time.Second) // synctest
		began := time.Now()
		f.calls(b, Normal, 150, 10).Wait()
		f.judge(tight)
		if took := time.Since(began); took > 14*time.Second { // 30 at 0, 5.5 and 11 s, 20 each 2.5 s later
			t.Errorf("150 calls of the tighter took %s, want 13.5 s", took)
		}
	})
}
