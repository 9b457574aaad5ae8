package budget

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"certrecall/worker/natstest"
)

// Workers whose idea of the server's time is wrong by half a minute either way, beside ones that are right.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "200/20s,100/5s")
		skewed := func(by time.Duration) func(*Config) {
			return func(c *Config) { c.Now = func() time.Time { return time.Now().Add(by) } }
		}
		began := time.Now()
		fleet := []*Budget{
			f.start(limits), f.start(limits, skewed(30*time.Second)), f.start(limits, skewed(-30*time.Second)), f.start(limits),
		}
		var waits []func()
		for _, b := range fleet {
			waits = append(waits, f.calls(b, Normal, 117, 8).Wait)
			time.Sleep(300 * time.Millisecond) // synctest
		}
		for _, wait := range waits {
			wait()
		}
		f.judge(limits)
		took := time.Since(began)
		t.Logf("468 calls took %s", took)
		if took > 44*time.Second+10*time.Second {
			t.Errorf("468 calls took %s", took)
		}
		kinds := f.kinds()
		if !slices.Contains(kinds, ClockWrong) || !slices.Contains(kinds, RecordAhead) || len(kinds) > 8 {
			t.Errorf("reported %v", kinds)
		}
	})
}

// A clock that jumps while its worker runs is found out by its next write, and again when it is put right.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "20/2s")
		var jump atomic.Int64
		b := f.start(limits, func(c *Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		})
		other := f.start(limits)
		for _, by := range []time.Duration{0, -time.Minute, time.Minute, 0, -time.Hour, 0} {
			jump.Store(int64(by))
			began := time.Now()
			more := f.calls(other, Normal, 40, 5)
			f.calls(b, Normal, 40, 5).Wait()
			more.Wait()
			if took := time.Since(began); took > 13*time.Second {
				t.Errorf("80 calls took %s after a jump to %s", took, by)
			}
		}
		f.judge(limits)
	})
}

// What a wrong clock has left behind is moved back by the first who writes, and reported.
func TestRecordAheadIsMoved(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		now := time.Now().UnixMilli()
		rec := &record{epoch: 1, last: now + 3_600_000, cells: history{{at: now, count: 4}, {at: now + 3_600_000, count: 3}}}
		if _, err := f.kv.Put(t.Context(), recordKey, rec.encode()); err != nil {
			t.Fatal(err)
		}
		b := f.start(mustParse(t, "10/5s"))
		mustAcquire(t, b, Normal)
		if used := usedOf(b); used != 8 {
			t.Errorf("%d used, want 8", used)
		}
		if d := cmp.Diff([]IncidentKind{RecordAhead}, f.kinds()); d != "" {
			t.Error(d)
		}
		began := time.Now()
		f.calls(b, Normal, 12, 12).Wait()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
