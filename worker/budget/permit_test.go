package budget

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"certrecall/worker/natstest"
	"certrecall/worker/streams/kv"
)

func mustAcquire(t *testing.T, b *Budget, lane Lane) Permit {
	t.Helper()
	p, err := b.Acquire(t.Context(), lane)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func usedOf(b *Budget) int { return b.Use()[0].Used }

func TestPermitLivesShortly(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		b := f.start(mustParse(t, "10/5s"))
		p := mustAcquire(t, b, Normal)
		time.Sleep(permitLife - time.Millisecond) // synctest
		if !p.Fresh() {
			t.Error("not fresh within its life")
		}
		time.Sleep(time.Millisecond) // synctest
		if p.Fresh() {
			t.Error("fresh after its life")
		}
		if used := usedOf(b); used != 1 {
			t.Fatalf("%d permits used", used)
		}
		p.GiveBack()
		p.GiveBack()
		synctest.Wait()
		if used := usedOf(b); used != 0 {
			t.Errorf("%d permits used after it was given back", used)
		}
		if use, _, err := ReadUse(t.Context(), f.kv, mustParse(t, "10/5s"), time.Now()); err != nil || use[0].Used != 0 || use[0].Left != 10 {
			t.Errorf("the record says %v, %v", use, err)
		}
	})
}

// A fresh permit that is given back goes to a caller of the same process at once; none is lost or doubled by it.
func TestGivenBackGoesToWaitingCaller(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		b := newFleet(t, env).start(mustParse(t, "2/60s"))
		first, second := mustAcquire(t, b, Urgent), mustAcquire(t, b, Listing)
		synctest.Wait()
		writes := b.Stats().Writes

		var got sync.WaitGroup
		at := map[Lane]time.Time{}
		var mu sync.Mutex
		for _, lane := range []Lane{Listing, Normal} {
			got.Go(func() {
				if p := mustAcquire(t, b, lane); !p.Fresh() {
					t.Errorf("the %s caller got a stale permit", lane)
				}
				mu.Lock()
				at[lane] = time.Now()
				mu.Unlock()
			})
		}
		synctest.Wait()
		now := time.Now()
		first.GiveBack()
		synctest.Wait()
		if at[Normal] != now || !at[Listing].IsZero() {
			t.Errorf("a revocation's permit went to %v", at)
		}
		if first.Fresh() {
			t.Error("a permit is fresh for the one who gave it back")
		}
		second.GiveBack()
		synctest.Wait()
		if at[Listing] != now {
			t.Errorf("a listing's permit went to %v", at)
		}
		if w := b.Stats().Writes; w != writes {
			t.Errorf("%d writes for what stayed in the process", w-writes)
		}
		got.Wait()
	})
}

// A listing does not get what was counted as a revocation's: that may be beyond its share.
func TestListingGetsNoPermitOfRevocation(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		b := newFleet(t, env).start(mustParse(t, "10/60s"))
		var all []Permit
		for range 10 {
			all = append(all, mustAcquire(t, b, Normal))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done := make(chan error)
		go func() {
			_, err := b.Acquire(ctx, Listing)
			done <- err
		}()
		synctest.Wait()
		all[0].GiveBack()
		all[1].GiveBack() // 8 of 10 are used: the listings' share is full
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a listing got a permit: %v", err)
		}
		if used := usedOf(b); used != 8 {
			t.Errorf("%d permits used, want 8", used)
		}
	})
}

// A caller that goes away leaves at once, and leaves nothing behind: neither a place in the queue nor a permit.
func TestCallerGoesAway(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		b := newFleet(t, env).start(mustParse(t, "5/5s"))
		for range 5 {
			mustAcquire(t, b, Normal)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if _, err := b.Acquire(ctx, Lane(i%laneCount)); !errors.Is(err, context.Canceled) {
					t.Errorf("Acquire returned %v", err)
				}
			})
		}
		time.Sleep(time.Second) // synctest
		began := time.Now()
		cancel()
		all.Wait()
		if time.Since(began) != 0 {
			t.Errorf("the callers left after %s", time.Since(began))
		}
		if waiting, _ := b.queue.counts(); waiting != [laneCount]int{} {
			t.Errorf("%v callers still wait", waiting)
		}
		time.Sleep(10 * time.Second) // synctest
		if used := usedOf(b); used != 0 {
			t.Errorf("%d permits were taken for nobody", used)
		}
		if _, err := b.Acquire(ctx, Normal); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

// Callers that leave in the very moment in which they are served give their permits back.
func TestCallerLeavesWhenServed(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		b := newFleet(t, env).start(mustParse(t, "1000/60s"))
		var all sync.WaitGroup
		var mu sync.Mutex
		kept := 0
		for i := range 500 {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					go cancel()
				}
				_, err := b.Acquire(ctx, Normal)
				cancel()
				if err == nil {
					mu.Lock()
					kept++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second) // synctest
		if used := usedOf(b); used != kept {
			t.Errorf("%d permits are counted, %d were kept", used, kept)
		}
		if kept < 250 {
			t.Errorf("%d permits were kept, want those of all who stayed", kept)
		}
	})
}

func TestWithoutLimits(t *testing.T) { // not parallel: it counts allocations
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		b := f.start(nil)
		for range 10_000 {
			p := mustAcquire(t, b, Listing)
			if !p.Fresh() {
				t.Fatal("not fresh")
			}
			p.GiveBack()
		}
		if e, err := kv.Raw(f.kv).Get(t.Context(), recordKey); err != nil || !e.Gone {
			t.Errorf("there is a record: %v %v", e, err)
		}
		if use := b.Use(); use != nil {
			t.Errorf("use %v", use)
		}
		if n := testing.AllocsPerRun(1000, func() {
			p, _ := b.Acquire(t.Context(), Normal)
			p.GiveBack()
			b.Succeeded()
		}); n > 0 {
			t.Errorf("%v allocations a permit", n)
		}
	})
}

// The permit of a caller that has left, but was still in the queue when it was served, is not lost.
func TestServedWhenGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(func() bool { return false })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := q.wait(ctx, Normal)
			done <- err
		}()
		synctest.Wait() // it waits
		q.mu.Lock()
		cancel() // it has left the select, and waits for the lock
		w := q.waiting[Normal][0]
		q.waiting[Normal] = nil
		w.got <- &grant{queue: q, deadline: time.Now().Add(time.Hour)}
		q.mu.Unlock()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("wait returned %v", err)
		}
		if _, returned := q.counts(); len(returned) != 1 {
			t.Errorf("%d permits are to be taken back, want 1", len(returned))
		}
	})
}
