package budget

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
	"certrecall/worker/streams/kv"
)

// farKV is a bucket whose server is far away.
type farKV struct {
	jetstream.KeyValue
	trip time.Duration // there and back
}

func (kv farKV) away(do func()) {
	time.Sleep(kv.trip / 2) // synctest
	do()
	time.Sleep(kv.trip / 2) // synctest
}

func (kv farKV) Update(ctx context.Context, key string, value []byte, rev uint64) (r uint64, err error) {
	kv.away(func() { r, err = kv.KeyValue.Update(ctx, key, value, rev) })
	return r, err
}

func (kv farKV) Get(ctx context.Context, key string) (e jetstream.KeyValueEntry, err error) {
	kv.away(func() { e, err = kv.KeyValue.Get(ctx, key) })
	return e, err
}

func (kv farKV) Put(ctx context.Context, key string, value []byte) (r uint64, err error) {
	kv.away(func() { r, err = kv.KeyValue.Put(ctx, key, value) })
	return r, err
}

// Permits are shared in fair turns, among equals and with one that is far from the server.
func TestFairTurns(t *testing.T) {
	t.Parallel()
	for _, far := range []time.Duration{0, 40 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(fmt.Sprint(far), func(t *testing.T) {
			t.Parallel()
			natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
				f := newFleet(t, env)
				limits := mustParse(t, "200/20s,100/5s")
				const workers = 6
				var got [workers]atomic.Int64
				ctx, cancel := context.WithCancel(t.Context())
				for i := range workers {
					b := f.start(limits, func(c *Config) {
						if i == 0 && far > 0 {
							c.KV = farKV{c.KV, far}
						}
					})
					for range 30 {
						go func() {
							for {
								if _, err := b.Acquire(ctx, Normal); err != nil {
									return
								}
								got[i].Add(1)
							}
						}()
					}
				}
				time.Sleep(5 * time.Minute) // synctest
				cancel()
				synctest.Wait()
				var counts []int64
				sum := int64(0)
				for i := range got {
					counts = append(counts, got[i].Load())
					sum += got[i].Load()
				}
				t.Logf("permits %v, %d in all", counts, sum)
				fair := sum / workers
				if least, most := slices.Min(counts), slices.Max(counts); least < fair*8/10 || most > fair*14/10 {
					t.Errorf("from %d to %d permits, want them near %d", least, most, fair)
				}
				if sum < 2750 { // 15 windows of 20.5 s, 200 each
					t.Errorf("%d permits in all: turns cost too much", sum)
				}
			})
		})
	}
}

// A process that waited and died is passed over.
func TestTurnOfTheDead(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		limits := mustParse(t, "10/5s")
		a, b := f.start(limits), f.start(limits)
		f.calls(a, Normal, 10, 10).Wait()
		waiting := f.calls(b, Normal, 10, 10)
		time.Sleep(time.Second) // synctest
		if _, err := f.kv.Get(t.Context(), f.turnOf(t)); err != nil {
			t.Errorf("nobody said that it waits: %v", err)
		}
		for owner := range 20 {
			if _, err := f.kv.Put(t.Context(), fmt.Sprintf("%s%d", turnPrefix, owner), fmt.Appendf(nil, `{"rank":1,"since":%d}`, time.Now().Add(-time.Minute).UnixMilli())); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		waiting.Wait()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("waited %s behind the dead", took)
		}
		synctest.Wait()
	})
}

// turnOf gives the key of the one process that waits.
func (f *fleet) turnOf(t *testing.T) string {
	t.Helper()
	keys, err := f.kv.ListKeysFiltered(t.Context(), turnPrefix+"*")
	if err != nil {
		t.Fatal(err)
	}
	for key := range keys.Keys() {
		return key
	}
	return turnPrefix + "none"
}

// After a restart of NATS the others hear of a 429 as soon as they are connected again.
func TestA429IsKnownRightAfterARestart(t *testing.T) {
	natstest.LoneBubble(t, func(t *testing.T, env *natstest.Env) {
		f := newFleet(t, env)
		start := func() *Budget {
			conn := env.Conn(nats.ReconnectWait(100*time.Millisecond), nats.ReconnectJitter(0, 0))
			js, err := jetstream.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			return f.start(nil, func(c *Config) {
				if c.KV, err = js.KeyValue(t.Context(), "CONTROL"); err != nil {
					t.Fatal(err)
				}
				c.Conn = conn
			})
		}
		a, b := start(), start()
		time.Sleep(time.Second) // synctest
		env.StopServer()
		time.Sleep(time.Second) // synctest
		env.StartServer()
		time.Sleep(500 * time.Millisecond) // synctest
		a.Throttled(time.Now(), time.Minute)
		time.Sleep(1500 * time.Millisecond) // synctest
		if left := time.Until(b.NotBefore()); left < 50*time.Second {
			t.Errorf("another process may call for all it knows: not before in %s", left)
		}
	})
}

// What is older than what is known changes nothing.
func TestOlderNotBeforeIsPassedOver(t *testing.T) {
	t.Parallel()
	now := time.Now()
	th := newThrottle(kv.Keys[[]byte]{}, &clock{raw: time.Now}, func(Incident) {})
	record := func(until time.Time) []byte {
		b, err := NotBefore{Until: until, Level: 1, Changed: now}.encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	blocked := func(want bool) {
		t.Helper()
		if th.blocked() != want {
			t.Errorf("blocked: %t", !want)
		}
	}
	_ = th.read(entry{Value: record(now.Add(time.Minute)), Revision: 7})
	blocked(true)
	_ = th.read(entry{Value: record(now), Revision: 6})
	blocked(true)
	_ = th.read(entry{Value: record(now), Revision: 3, Anew: true})
	blocked(false)
	_ = th.read(entry{Value: record(now.Add(time.Minute)), Revision: 4})
	blocked(true)
	_ = th.read(entry{Gone: true, Revision: 5})
	blocked(false)
}

// A permit is as old as the later of two clocks says.
func TestAPermitAgesByEitherClock(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		deadline time.Time
		want     bool
	}{
		"fresh":                          {now.Add(permitLife), true},
		"stale":                          {now.Add(-time.Millisecond), false},
		"the machine was suspended":      {now.Round(0).Add(-time.Millisecond), false}, // the monotonic clock has not moved
		"by the wall clock alone, fresh": {now.Round(0).Add(permitLife), true},
	} {
		g := &grant{deadline: c.deadline}
		if g.lives(now) != c.want {
			t.Errorf("%s: %t", name, !c.want)
		}
	}
}
