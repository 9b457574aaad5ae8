package budget

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"certrecall/worker/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fleet is budgets on one control bucket, each with a connection of its own, and the receiver of their calls.
type fleet struct {
	t    *testing.T
	env  *natstest.Env
	kv   jetstream.KeyValue
	stop []func()

	mu        sync.Mutex
	arrivals  []int64 // ms
	incidents []Incident
}

func newFleet(t *testing.T, env *natstest.Env) *fleet {
	kv, err := env.JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "CONTROL"})
	if err != nil {
		t.Fatal(err)
	}
	return &fleet{t: t, env: env, kv: kv}
}

// start runs one more budget until the test ends.
func (f *fleet) start(limits Limits, change ...func(*Config)) *Budget {
	f.t.Helper()
	kv, err := f.env.JetStream().KeyValue(f.t.Context(), "CONTROL")
	if err != nil {
		f.t.Fatal(err)
	}
	cfg := Config{KV: kv, Limits: limits, Now: time.Now, Report: f.report}
	for _, c := range change {
		c(&cfg)
	}
	b := New(cfg)
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			f.t.Errorf("Run ended with %v", err)
		}
	}()
	stop := func() { cancel(); <-done }
	f.stop = append(f.stop, stop)
	f.t.Cleanup(stop)
	return b
}

func (f *fleet) report(i Incident) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.incidents = append(f.incidents, i)
}

// kinds returns the kinds of the incidents so far, and forgets them.
func (f *fleet) kinds() (kinds []IncidentKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.incidents {
		kinds = append(kinds, i.Kind)
	}
	f.incidents = nil
	return kinds
}

// call waits for a permit and makes a call that arrives after a random time on the way, of which the guard allows for what a
// permit does not live. It returns when the permit was there.
func (f *fleet) call(b *Budget, lane Lane) time.Time {
	p, err := b.Acquire(f.t.Context(), lane)
	if err != nil {
		f.t.Error(err)
		return time.Time{}
	}
	if !p.Fresh() {
		f.t.Error("Acquire returned a permit that is not fresh")
	}
	got := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrivals = append(f.arrivals, got.Add(rand.N(guard)).UnixMilli())
	return got
}

// calls makes n calls by so many callers at once.
func (f *fleet) calls(b *Budget, lane Lane, n, callers int) *sync.WaitGroup {
	var all sync.WaitGroup
	for i := range callers {
		share := n / callers
		if i < n%callers {
			share++
		}
		all.Go(func() {
			for range share {
				f.call(b, lane)
			}
		})
	}
	return &all
}

// judge fails the test if the receiver found a window overrun.
func (f *fleet) judge(limits Limits) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if w, at, bad := over(slices.Clone(f.arrivals), limits); bad {
		f.t.Errorf("window %s overrun by a call at %s", w, time.UnixMilli(at+epoch0).UTC())
	}
}

func mustParse(t *testing.T, s string) Limits {
	t.Helper()
	l, err := ParseLimits(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The fleet under DigiCert's limits scaled down: the ideal is 40 s.
func TestFleetFinishesNearIdeal(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 4, 16} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			natstest.Bubble(t, func(t *testing.T, env *natstest.Env) {
				f := newFleet(t, env)
				limits := mustParse(t, "200/20s,100/5s")
				const calls = 470
				began := time.Now()
				var all []*sync.WaitGroup
				var budgets []*Budget
				for i := range workers {
					b := f.start(limits)
					budgets = append(budgets, b)
					share := calls / workers
					if i < calls%workers {
						share++
					}
					all = append(all, f.calls(b, Normal, share, 8))
				}
				for _, w := range all {
					w.Wait()
				}
				took := time.Since(began)
				t.Logf("%d workers: %s for an ideal of 40 s, %+v", workers, took, total(budgets))
				if took > 44*time.Second {
					t.Errorf("took %s, want within 10 %% of 40 s", took)
				}
				f.judge(limits)
			})
		})
	}
}
