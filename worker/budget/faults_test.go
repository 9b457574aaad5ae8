package budget

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
)

// A faultyKV does as its hooks say before or instead of writing.
type faultyKV struct {
	jetstream.KeyValue
	update func(ctx context.Context, write func() (uint64, error)) (uint64, error)
}

func (kv faultyKV) Update(ctx context.Context, key string, value []byte, rev uint64) (uint64, error) {
	return kv.update(ctx, func() (uint64, error) { return kv.KeyValue.Update(ctx, key, value, rev) })
}

// The record is deleted while three processes use it: each adds its own calls to the new one before anything is granted.
func TestRecordDeleted(t *testing.T) {
	t.Parallel()
	testLostRecord(t, RecordMissing, func(t *testing.T, kv jetstream.KeyValue) {
		if err := kv.Delete(t.Context(), recordKey); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordPurged(t *testing.T) {
	t.Parallel()
	testLostRecord(t, RecordMissing, func(t *testing.T, kv jetstream.KeyValue) {
		if err := kv.Purge(t.Context(), recordKey); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordGarbage(t *testing.T) {
	t.Parallel()
	testLostRecord(t, RecordUnreadable, func(t *testing.T, kv jetstream.KeyValue) {
		if _, err := kv.Put(t.Context(), recordKey, []byte("hello")); err != nil {
			t.Error(err)
		}
	})
}

func testLostRecord(t *testing.T, want IncidentKind, lose func(*testing.T, jetstream.KeyValue)) {
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "200/20s,100/5s")
		a, b, idle := f.start(limits), f.start(limits), f.start(limits)
		f.calls(idle, Normal, 60, 10).Wait()
		if got := f.kinds(); !slices.Equal(got, []IncidentKind{RecordBegun}) {
			t.Errorf("at the start: %v", got)
		}
		all, more := f.calls(a, Normal, 300, 10), f.calls(b, Normal, 300, 10)
		for range 6 {
			time.Sleep(5300 * time.Millisecond) // synctest
			lose(t, f.kv)
		}
		all.Wait()
		more.Wait()
		f.judge(limits)
		kinds := f.kinds()
		if !slices.Contains(kinds, want) || slices.Contains(kinds, RecordBegun) || slices.Contains(kinds, ClockWrong) {
			t.Errorf("reported %v, want %s", kinds, want)
		}
	})
}

// A process that comes after the loss starts from what the others add.
func TestRecordDeletedBeforeNewcomer(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "100/60s")
		old := f.start(limits)
		f.calls(old, Normal, 90, 10).Wait()
		if err := f.kv.Delete(t.Context(), recordKey); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.calls(f.start(limits), Normal, 30, 10).Wait()
		f.judge(limits)
	})
}

// A permit of a record that is gone is not taken back from the new one, where its place may be another's.
func TestGivenBackAfterLoss(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "100/60s")
		a, b := f.start(limits), f.start(limits)
		p := mustAcquire(t, a, Normal)
		time.Sleep(100 * time.Millisecond) // synctest
		f.calls(b, Normal, 5, 5).Wait()
		if err := f.kv.Delete(t.Context(), recordKey); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // synctest
		if used := usedOf(a); used != 6 {
			t.Fatalf("%d permits are used in the new record, want 6", used)
		}
		p.GiveBack()
		synctest.Wait()
		if used := usedOf(a); used != 6 {
			t.Errorf("%d permits are used, want 6", used)
		}
	})
}

// The whole bucket goes and comes back.
func TestBucketRecreated(t *testing.T) {
	natstest.LoneBubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "100/20s")
		a, b := f.start(limits), f.start(limits)
		all, more := f.calls(a, Normal, 150, 10), f.calls(b, Normal, 150, 10)
		time.Sleep(10 * time.Second) // synctest
		js := env.JetStream()
		if err := js.DeleteKeyValue(t.Context(), "CONTROL"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Second) // synctest
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "CONTROL"}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		all.Wait()
		more.Wait()
		if took := time.Since(began); took > 50*time.Second {
			t.Errorf("200 calls took %s after the bucket was back", took)
		}
		f.judge(limits)
		kinds := f.kinds()
		if !slices.Contains(kinds, OutOfReach) || !slices.Contains(kinds, RecordMissing) || len(kinds) > 12 {
			t.Errorf("reported %v", kinds)
		}
		if b.NotBefore() != (time.Time{}) {
			t.Error("a not-before came from nowhere")
		}
	})
}

// No calls while the store is out of reach; all goes on when it is back, and what happened is reported once.
func TestStoreOutOfReach(t *testing.T) {
	natstest.LoneBubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "100/5s")
		b := f.start(limits)
		f.calls(b, Normal, 10, 10).Wait()
		f.kinds()
		env.StopServer()
		time.Sleep(time.Second) // synctest
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := b.Acquire(ctx, Urgent); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Acquire returned %v", err)
		}
		if got := f.kinds(); !slices.Equal(got, []IncidentKind{OutOfReach}) {
			t.Errorf("reported %v", got)
		}
		all := f.calls(b, Normal, 30, 10)
		time.Sleep(time.Minute) // synctest
		env.StartServer()
		began := time.Now()
		all.Wait()
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("30 calls took %s after the store was back", took)
		}
		f.judge(limits)
	})
}

// Writes whose outcome is not known count as spent, whether they were done or not; permits never come of them.
func TestUnclearWrites(t *testing.T) {
	t.Parallel()
	for name, done := range map[string]bool{"done": true, "not done": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
				f := newFleet(t, env)
				limits := mustParse(t, "200/20s,100/5s")
				var n atomic.Int64
				b := f.start(limits, func(c *Config) {
					c.KV = faultyKV{c.KV, func(ctx context.Context, write func() (uint64, error)) (uint64, error) {
						if n.Add(1)%4 != 0 {
							return write()
						}
						if done {
							if rev, err := write(); err != nil {
								return rev, err
							}
						}
						<-ctx.Done()
						return 0, ctx.Err()
					}}
				})
				f.calls(b, Normal, 250, 20).Wait()
				f.judge(limits)
				s := b.Stats()
				if s.Unclear == 0 || s.Granted != 250 {
					t.Errorf("%+v", s)
				}
				spent := 0
				for _, c := range b.reserver.own {
					spent += c.count
				}
				if spent <= 250 {
					t.Errorf("%d permits are remembered as spent, want more than the 250 used", spent)
				}
			})
		})
	}
}

// A give-back whose outcome is not known is not repeated.
func TestUnclearGiveBack(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		var fail atomic.Bool
		var tries atomic.Int64
		b := f.start(mustParse(t, "10/60s"), func(c *Config) {
			c.KV = faultyKV{c.KV, func(ctx context.Context, write func() (uint64, error)) (uint64, error) {
				if fail.Load() {
					tries.Add(1)
					<-ctx.Done()
					return 0, ctx.Err()
				}
				return write()
			}}
		})
		p := mustAcquire(t, b, Normal)
		mustAcquire(t, b, Normal)
		fail.Store(true)
		p.GiveBack()
		time.Sleep(20 * time.Second) // synctest
		fail.Store(false)
		mustAcquire(t, b, Normal)
		if tries.Load() != 1 {
			t.Errorf("tried %d times", tries.Load())
		}
		if used := usedOf(b); used != 3 {
			t.Errorf("%d permits used, want 3", used)
		}
	})
}

// A store that takes longer for a write than a permit lives slows the fleet down; it does not stop it.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "200/20s,100/5s")
		b := f.start(limits, func(c *Config) {
			c.KV = faultyKV{c.KV, func(_ context.Context, write func() (uint64, error)) (uint64, error) {
				time.Sleep(400 * time.Millisecond) // synctest
				return write()
			}}
		})
		began := time.Now()
		f.calls(b, Normal, 300, 20).Wait()
		took := time.Since(began)
		t.Logf("300 calls took %s, %+v", took, b.Stats())
		if took > 45*time.Second {
			t.Errorf("300 calls took %s", took)
		}
		f.judge(limits)
	})
}
