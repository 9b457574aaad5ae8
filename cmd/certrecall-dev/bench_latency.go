package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"certrecall/messages"
)

// latency is from the publish of a command to its event at a consumer, at 100
// commands a second with a DigiCert that answers at once; the mean time of the
// HTTP call is taken off.
func (b *bench) latency(ctx context.Context) error {
	for _, c := range contests() {
		if err := b.latencyOf(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) latencyOf(ctx context.Context, c contest) (err error) {
	p, err := b.newPlant(ctx, plantOptions{synced: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	w, err := p.worker(ctx, 8, "0")
	if err != nil {
		return err
	}
	took, err := p.pace(ctx, c, 100, b.sizes.latency)
	if err != nil {
		return err
	}
	sum, err := w.metric(ctx, "certrecall_digicert_call_duration_seconds_sum")
	if err != nil {
		return err
	}
	count, err := w.metric(ctx, "certrecall_digicert_call_duration_seconds_count")
	if err != nil {
		return err
	}
	call := sum / count * 1000
	details := fmt.Sprintf("100 commands/s for %s, every write synced, less the call's %s ms", b.sizes.latency, figure(call))
	for _, q := range []struct {
		name   string
		share  float64
		target target
	}{{"p50", 0.5, atMost(4)}, {"p99", 0.99, atMost(15)}} {
		b.add(benchRow{part: "latency", what: c.name + ", publish to event, " + q.name, samples: []float64{quantile(took, q.share) - call}, unit: "ms", target: q.target, details: details})
	}
	return nil
}

// pace publishes commands at an even pace for a time, whatever becomes of
// them, and gives how long each took to its event, in milliseconds.
func (p *plant) pace(ctx context.Context, c contest, perSecond int, last time.Duration) ([]float64, error) {
	name := messages.EventDuplicatesListed
	if c.lane.Action() == messages.ActionRevoke {
		name = messages.EventRevoked
	}
	var mu sync.Mutex
	began := map[string]time.Time{}
	var took []float64
	n := max(int(last.Seconds()*float64(perSecond)), 1)
	all := make(chan struct{})
	stop, err := p.follow(ctx, name, func(id string) {
		mu.Lock()
		defer mu.Unlock()
		took = append(took, float64(time.Since(began[id]).Microseconds())/1000)
		if len(took) == n {
			close(all)
		}
	})
	if err != nil {
		return nil, err
	}
	defer stop()
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	subject := p.names.CommandSubject(c.lane, benchSource)
	for i := range n {
		<-tick.C
		id, body := commandOf(c.lane, i)
		mu.Lock()
		began[id] = time.Now()
		mu.Unlock()
		if _, err := p.js.PublishAsync(subject, body); err != nil {
			return nil, fmt.Errorf("publishing a command: %w", err)
		}
	}
	select {
	case <-all:
		return took, nil
	case <-time.After(childPatience):
		mu.Lock()
		defer mu.Unlock()
		return nil, fmt.Errorf("only %d of %d events came", len(took), n)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
