package budget

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
)

// realFleet runs budgets against a real server with a store that syncs every write, each on a connection of its own.
func realFleet(tb testing.TB, workers int, limits Limits) []*Budget {
	tb.Helper()
	srv := natstest.Start(tb)
	if _, err := srv.JetStream().CreateKeyValue(tb.Context(), jetstream.KeyValueConfig{Bucket: "CONTROL"}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	var running sync.WaitGroup
	tb.Cleanup(func() { cancel(); running.Wait() })
	all := make([]*Budget, workers)
	for i := range all {
		kv, err := srv.JetStream().KeyValue(tb.Context(), "CONTROL")
		if err != nil {
			tb.Fatal(err)
		}
		all[i] = New(Config{KV: kv, Limits: limits, Now: time.Now, Report: func(i Incident) {
			if i.Kind != RecordBegun {
				tb.Errorf("reported %s", i)
			}
		}})
		running.Go(func() { _ = all[i].Run(ctx) })
	}
	return all
}

// drain takes n permits with so many callers a budget, and returns when the last one was there and what it cost.
func drain(tb testing.TB, all []*Budget, n, callers int, got func(at time.Time)) (took time.Duration, sum Stats) {
	tb.Helper()
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	close(left)
	before := total(all)
	began := time.Now()
	var wait sync.WaitGroup
	for _, b := range all {
		for range callers {
			wait.Go(func() {
				for range left {
					if _, err := b.Acquire(tb.Context(), Normal); err != nil {
						tb.Error(err)
						return
					}
					got(time.Now())
				}
			})
		}
	}
	wait.Wait()
	took, sum = time.Since(began), total(all)
	sum.Writes -= before.Writes
	sum.Conflicts -= before.Conflicts
	return took, sum
}

func total(all []*Budget) (sum Stats) {
	for _, b := range all {
		s := b.Stats()
		sum.Writes += s.Writes
		sum.Conflicts += s.Conflicts
		sum.Unclear += s.Unclear
		sum.Granted += s.Granted
	}
	return sum
}

// Sixteen reservers on a real server, in real time and with all that scheduling does: no window is overrun.
func TestSixteenReserversOnRealServer(t *testing.T) {
	t.Parallel()
	limits := mustParse(t, "100/1s")
	var mu sync.Mutex
	var at []int64
	took, sum := drain(t, realFleet(t, 16, limits), 250, 8, func(got time.Time) {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, got.UnixMilli())
	})
	t.Logf("250 permits took %s, %+v", took, sum)
	if w, when, bad := over(at, limits); bad {
		t.Errorf("window %s overrun at %s", w, time.UnixMilli(when+epoch0))
	}
	if took > 10*time.Second {
		t.Errorf("took %s, want little more than 3 s", took)
	}
}

// The contention alone: limits that never bind, all reservers at once.
func BenchmarkContention(b *testing.B) {
	for _, workers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			all := realFleet(b, workers, Limits{{MaxCalls, time.Second}})
			drain(b, all, workers*8, 8, func(time.Time) {})
			b.ResetTimer()
			took, sum := drain(b, all, b.N, 8, func(time.Time) {})
			b.ReportMetric(float64(sum.Writes)/took.Seconds(), "writes/s")
			b.ReportMetric(float64(sum.Conflicts)/took.Seconds(), "conflicts/s")
			b.ReportMetric(float64(b.N)/float64(sum.Writes), "permits/write")
		})
	}
}

// A fleet that waits for its limits: how near it comes to the ideal, and what it costs the server.
func BenchmarkFleetUnderLimits(b *testing.B) {
	limits := Limits{{100, 2 * time.Second}}
	const calls = 500
	for _, workers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			all := realFleet(b, workers, limits)
			for b.Loop() {
				took, sum := drain(b, all, calls, 8, func(time.Time) {})
				want := float64(ideal(calls, limits)) / 1000
				b.ReportMetric(took.Seconds()/want, "of-ideal")
				b.ReportMetric(took.Seconds()/(want/2*2.5), "of-ideal-with-guard")
				b.ReportMetric(float64(sum.Writes)/took.Seconds(), "writes/s")
				b.ReportMetric(float64(sum.Conflicts)/took.Seconds(), "conflicts/s")
				b.StopTimer()
				time.Sleep(2600 * time.Millisecond) // real time, not synctest: the window must be empty for the next round
				b.StartTimer()
			}
		})
	}
}

func BenchmarkAcquireWithoutLimits(b *testing.B) {
	all := realFleet(b, 1, nil)
	if _, err := all[0].Acquire(b.Context(), Normal); err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		p, err := all[0].Acquire(ctx, Normal)
		if err != nil || !p.Fresh() {
			b.Fatal(err)
		}
		all[0].Succeeded()
	}
}

// One look at the largest record: read, decide, write.
func BenchmarkArithmetic(b *testing.B) {
	rec := &record{epoch: 1, last: epoch0}
	for at := epoch0 - horizon.Milliseconds(); at <= epoch0; at += 50 {
		rec.cells = append(rec.cells, cell{at: at, count: 1})
		if at%1000 == 0 {
			rec.cells = rec.cells.coarsen(at)
		}
	}
	bytes := rec.encode()
	r := rules{limits: Limits{{1_000_000, 5 * time.Minute}, {1_000_000, 5 * time.Second}}, share: 1, owner: 1}
	b.ReportAllocs()
	for b.Loop() {
		rec, err := decodeRecord(bytes)
		if err != nil {
			b.Fatal(err)
		}
		r.decide(rec, rec.last, 0, [laneCount]int{Normal: 8})
		if len(rec.encode()) == 0 {
			b.Fatal("nothing")
		}
	}
	b.ReportMetric(float64(len(bytes)), "record-bytes")
}
