package budget

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"certrecall/worker/natstest"
	"certrecall/worker/streams/kv"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Each row is a 429 or success at a second, to a call that began at another; until and level are what is set after it.
func TestNotBeforeSteps(t *testing.T) {
	t.Parallel()
	type step struct {
		at, began  int
		success    bool
		retryAfter time.Duration
		until      int
		level      int
		changed    bool
	}
	for name, steps := range map[string][]step{
		"doubles to two minutes": {
			{at: 0, began: -1, until: 5, level: 1, changed: true},
			{at: 6, began: 5, until: 16, level: 2, changed: true},
			{at: 17, began: 16, until: 37, level: 3, changed: true},
			{at: 38, began: 37, until: 78, level: 4, changed: true},
			{at: 79, began: 78, until: 159, level: 5, changed: true},
			{at: 160, began: 159, until: 280, level: 6, changed: true},
			{at: 281, began: 280, until: 401, level: 7, changed: true},
		},
		"those in flight are one": {
			{at: 0, began: -1, until: 5, level: 1, changed: true},
			{at: 0, began: -2, until: 5, level: 1},
			{at: 1, began: -1, until: 5, level: 1},
			{at: 3, began: 0, until: 5, level: 1},
		},
		"a success makes the next pause short": {
			{at: 0, began: -1, until: 5, level: 1, changed: true},
			{at: 6, began: 5, until: 16, level: 2, changed: true},
			{at: 7, began: -9, success: true, until: 16, level: 0, changed: true},
			{at: 8, began: 6, success: true, until: 16, level: 0},
			{at: 9, began: 6, until: 16, level: 0},
			{at: 17, began: 16, until: 22, level: 1, changed: true},
		},
		"as long as asked": {
			{at: 0, began: -1, retryAfter: time.Minute, until: 60, level: 1, changed: true},
			{at: 0, began: -1, retryAfter: time.Minute, until: 60, level: 1},
			{at: 1, began: -1, retryAfter: 2 * time.Minute, until: 121, level: 1, changed: true},
			{at: 122, began: 121, until: 132, level: 2, changed: true},
		},
		"within bounds": {
			{at: 0, began: -1, retryAfter: time.Millisecond, until: 1, level: 1, changed: true},
			{at: 2, began: 1, retryAfter: 48 * time.Hour, until: 902, level: 2, changed: true},
		},
		"never shortened": {
			{at: 0, began: -1, retryAfter: time.Minute, until: 60, level: 1, changed: true},
			{at: 2, began: 1, retryAfter: time.Second, until: 60, level: 2, changed: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n NotBefore
			second := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
			for i, s := range steps {
				var changed bool
				if s.success {
					n, changed = n.succeeded(second(s.at))
				} else {
					n, changed = n.throttled(second(s.at), second(s.began), s.retryAfter)
				}
				if !n.Until.Equal(second(s.until)) || n.Level != s.level || changed != s.changed {
					t.Fatalf("step %d: until +%s, level %d, changed %v; want +%d s, %d, %v", i, n.Until.Sub(t0), n.Level, changed, s.until, s.level, s.changed)
				}
				b, err := n.encode()
				if err != nil {
					t.Fatal(err)
				}
				if again, err := decodeNotBefore(b); err != nil || again != n {
					t.Fatalf("step %d: read back %+v, %v; want %+v", i, again, err, n)
				}
			}
		})
	}
}

func TestNotBeforeOfWrongClock(t *testing.T) {
	t.Parallel()
	n := NotBefore{Level: 1, Changed: t0.Add(time.Hour)}
	if got, changed := n.throttled(t0, t0.Add(-time.Second), 0); !changed || got.Level != 2 {
		t.Errorf("a change in the far future keeps the level at %d", got.Level)
	}
	n.Changed = t0.Add(time.Second)
	if got, changed := n.throttled(t0, t0.Add(-time.Second), 0); changed {
		t.Errorf("a change a second ahead is no reason to raise: %+v", got)
	}
}

// One 429 stops everybody at once, those without limits and those who come later; then all go on.
func TestThrottledStopsTheFleet(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "1000/5m,100/5s")
		a, b, unlimited := f.start(limits), f.start(limits), f.start(nil)
		for _, x := range []*Budget{a, b, unlimited} {
			mustAcquire(t, x, Normal)
		}
		began := time.Now()
		time.Sleep(100 * time.Millisecond) // synctest
		if !a.NotBefore().IsZero() {
			t.Fatal("a not-before without a 429")
		}
		for range 32 { // one flight
			a.Throttled(began, 0)
			b.Throttled(began, 0)
			unlimited.Throttled(began.Add(-time.Minute), 0)
		}
		answered := time.Now()
		synctest.Wait()
		late := f.start(nil)
		all := []*Budget{a, b, unlimited, late}
		var wait sync.WaitGroup
		for _, x := range all {
			wait.Go(func() {
				if got := f.call(x, Urgent).Sub(answered); got < 5*time.Second || got > 5100*time.Millisecond {
					t.Errorf("a permit after %s, want 5 s", got)
				}
			})
		}
		synctest.Wait()
		for i, x := range all {
			if d := x.NotBefore().Sub(answered); d != 5*time.Second {
				t.Errorf("budget %d: not before +%s, want 5 s", i, d)
			}
			select {
			case <-x.NotBeforeChanged():
			default:
				t.Errorf("budget %d: the change was not told", i)
			}
		}
		wait.Wait()
		if _, nb, err := ReadUse(t.Context(), f.kv, limits, time.Now()); err != nil || nb.Level != 1 {
			t.Errorf("the record says %+v, %v", nb, err)
		}
		if !a.NotBefore().IsZero() {
			t.Error("the not-before is not over")
		}

		// The next flight: 10 s. Then a success of anybody, and 5 s again.
		b.Throttled(time.Now(), 0)
		synctest.Wait()
		if d := time.Until(a.NotBefore()); d != 10*time.Second {
			t.Errorf("the second pause is %s, want 10 s", d)
		}
		unlimited.Succeeded()
		time.Sleep(11 * time.Second) // synctest
		rev := revision(t, f)
		for _, x := range all {
			x.Succeeded()
		}
		synctest.Wait()
		if again := revision(t, f); again != rev {
			t.Error("a success wrote although there was nothing to reset")
		}
		late.Throttled(time.Now(), 0)
		synctest.Wait()
		if d := time.Until(a.NotBefore()); d != 5*time.Second {
			t.Errorf("the pause after a success is %s, want 5 s", d)
		}
	})
}

func revision(t *testing.T, f *fleet) uint64 {
	t.Helper()
	e, err := kv.Raw(f.kv).Get(t.Context(), notBeforeKey)
	if err != nil {
		t.Fatal(err)
	}
	return e.Revision
}

// A permit that was granted in the moment of a 429 is not used: it is given back, and the caller waits.
func TestThrottledWhileWaiting(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		b := f.start(mustParse(t, "5/5s"))
		for range 5 {
			mustAcquire(t, b, Normal)
		}
		began := time.Now()
		var at time.Time
		done := make(chan struct{})
		go func() { at = f.call(b, Urgent); close(done) }()
		time.Sleep(5400 * time.Millisecond) // synctest
		b.Throttled(began, time.Minute)
		<-done
		if got := at.Sub(began); got < 65400*time.Millisecond || got > 65600*time.Millisecond {
			t.Errorf("a permit after %s, want 1 m 5.4 s", got)
		}
		if used := usedOf(b); used != 1 {
			t.Errorf("%d permits used, want 1", used)
		}
	})
}

// An operator may take the not-before away, or leave something else in its place.
func TestNotBeforeTakenAway(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		b := f.start(mustParse(t, "100/5s"))
		mustAcquire(t, b, Normal)
		b.Throttled(time.Now(), 10*time.Minute)
		began := time.Now()
		waiting := f.calls(b, Normal, 1, 1)
		synctest.Wait()
		if b.NotBefore().IsZero() {
			t.Fatal("no not-before after a 429")
		}
		if err := f.kv.Delete(t.Context(), notBeforeKey); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !b.NotBefore().IsZero() {
			t.Error("still a not-before after it was taken away")
		}
		waiting.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("a caller with limits waited %s", took)
		}

		if _, err := f.kv.PutString(t.Context(), notBeforeKey, "tomorrow"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mustAcquire(t, b, Normal)
		if got := f.kinds(); !slices.Equal(got, []IncidentKind{RecordBegun, NotBeforeUnreadable}) {
			t.Errorf("reported %v", got)
		}
		time.Sleep(time.Second) // synctest
		b.Throttled(time.Now(), 0)
		synctest.Wait()
		if _, nb, err := ReadUse(t.Context(), f.kv, nil, time.Now()); err != nil || nb.Level != 1 {
			t.Errorf("after the next 429 the record says %+v, %v", nb, err)
		}
	})
}

// What is heard while the store is away holds here at once, and for all when it is back.
func TestThrottledWhileStoreIsAway(t *testing.T) {
	natstest.LoneBubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		a, b := f.start(nil), f.start(nil)
		mustAcquire(t, a, Normal)
		mustAcquire(t, b, Normal)
		env.StopServer()
		time.Sleep(time.Second) // synctest
		began := time.Now()
		a.Throttled(began.Add(-time.Millisecond), 10*time.Minute)
		if d := a.NotBefore().Sub(began); d != 10*time.Minute {
			t.Errorf("not before +%s", d)
		}
		time.Sleep(time.Minute) // synctest
		env.StartServer()
		time.Sleep(30 * time.Second) // synctest
		for _, x := range []*Budget{a, b} {
			if d := x.NotBefore().Sub(began).Round(time.Second); d != 10*time.Minute {
				t.Errorf("after the store came back: not before +%s, want 10 min", d)
			}
		}
	})
}
