package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
	"certrecall/worker/budget"
)

// fleet is how near workers that share DigiCert's limits come to the time that
// the limits allow, and what sharing costs.
func (b *bench) fleet(ctx context.Context) error {
	limits, err := budget.ParseLimits(b.sizes.limits)
	if err != nil {
		return err
	}
	for _, workers := range b.sizes.fleet {
		if err := b.fleetOf(ctx, workers, limits); err != nil {
			return fmt.Errorf("%d workers: %w", workers, err)
		}
	}
	return nil
}

func (b *bench) fleetOf(ctx context.Context, workers int, limits budget.Limits) (err error) {
	p, err := b.newPlant(ctx, plantOptions{synced: true, limits: b.sizes.limits})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for range workers {
		if _, err := p.worker(ctx, 8, b.sizes.limits); err != nil {
			return err
		}
	}
	// Every worker has made a call when it started: they are to be out of the windows.
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(longest(limits) + time.Second):
	}
	var swaps atomic.Int64
	control := "$KV." + p.names.BudgetBucket() + ".budget"
	sub, err := p.conn.Subscribe(control, func(*nats.Msg) { swaps.Add(1) })
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	before, err := p.written(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := p.fill(ctx, messages.LaneRevoke, 0, b.sizes.revoke); err != nil {
		return err
	}
	if err := p.until(ctx, 0); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	after, err := p.written(ctx)
	if err != nil {
		return err
	}
	stats, err := p.stats(ctx)
	if err != nil {
		return err
	}
	b.fleetRows(workers, limits, took, float64(stats.OverLimit), float64(swaps.Load()), float64(after-before))
	return nil
}

func (b *bench) fleetRows(workers int, limits budget.Limits, took, over, tried, written float64) {
	who := fmt.Sprintf("workers: %d", workers)
	details := fmt.Sprintf("%d revocations, %s, every write synced", b.sizes.revoke, b.sizes.limits)
	b.add(benchRow{part: "fleet", what: who + ", time to finish", samples: []float64{took}, unit: "s", of: idealSeconds(b.sizes.revoke, limits), ofWhat: "ideal", target: atMost(1.1), details: details})
	b.add(benchRow{part: "fleet", what: who + ", calls over a limit", samples: []float64{over}, unit: "calls", target: atMost(0), details: details})
	b.add(benchRow{part: "fleet", what: who + ", swaps of the budget", samples: []float64{tried / took}, unit: "swaps/s",
		details: fmt.Sprintf("of which %s/s written, %s revocations a write", figure(written/took), figure(float64(b.sizes.revoke)/written))})
}

func longest(limits budget.Limits) time.Duration {
	var d time.Duration
	for _, w := range limits {
		d = max(d, w.Per)
	}
	return d
}

// written is how many values the budget bucket has stored.
func (p *plant) written(ctx context.Context) (uint64, error) {
	s, err := p.js.Stream(ctx, "KV_"+p.names.BudgetBucket())
	if err != nil {
		return 0, fmt.Errorf("reading the budget bucket: %w", err)
	}
	return s.CachedInfo().State.LastSeq, nil
}

// idealSeconds is when the last of n calls can be made at the earliest, if the
// first are made at once and no rolling window ever holds more than its limit.
func idealSeconds(n int, limits budget.Limits) float64 {
	at := make([]time.Duration, n)
	for i := range at {
		for _, w := range limits {
			if i >= w.Calls {
				at[i] = max(at[i], at[i-w.Calls]+w.Per)
			}
		}
		if i > 0 {
			at[i] = max(at[i], at[i-1])
		}
	}
	return at[n-1].Seconds()
}
