package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const mib = 1 << 20

// start is what the program weighs and how soon it is ready: the process is
// started when the streams are there, and asked until it says so.
func (b *bench) start(ctx context.Context) (err error) {
	if !b.inside() {
		info, err := os.Stat(b.Certrecall)
		if err != nil {
			return fmt.Errorf("looking at the program: %w", err)
		}
		b.add(benchRow{part: "start", what: "size of certrecall", samples: []float64{float64(info.Size()) / mib}, unit: "MiB"})
	}
	p, err := b.newPlant(ctx, plantOptions{synced: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	var took []float64
	for range b.sizes.starts {
		w, err := p.worker(ctx, 8, "1000/5m,100/5s")
		if err != nil {
			return err
		}
		took = append(took, float64(time.Since(w.began).Milliseconds()))
		if err := w.stop(); err != nil {
			return err
		}
		p.workers = nil
	}
	b.add(benchRow{part: "start", what: "start to ready", samples: took, unit: "ms", target: atMost(500), details: "streams exist, every write synced"})
	return nil
}

// memory is what a worker needs while very many commands wait, and after hours of them.
func (b *bench) memory(ctx context.Context) error {
	for _, c := range contests() {
		waiting := b.sizes.waiting
		if c.name == "list" { // the queue is not the worker's; once is enough
			waiting = 2 * b.sizes.hour
		}
		if err := b.memoryOf(ctx, c, max(waiting, (b.sizes.hours+1)*b.sizes.hour)); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) memoryOf(ctx context.Context, c contest, waiting int) (err error) {
	p, err := b.newPlant(ctx, plantOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.fill(ctx, c.lane, 0, waiting); err != nil {
		return err
	}
	w, err := p.worker(ctx, 8, "0")
	if err != nil {
		return err
	}
	measure := func(answered int) (m footprint, err error) {
		if err := p.until(ctx, waiting-answered); err != nil {
			return m, err
		}
		return w.footprint(ctx, p, waiting)
	}
	// The first hour's worth fills pools and connections.
	first, err := measure(b.sizes.hour)
	if err != nil {
		return err
	}
	last, err := measure((b.sizes.hours + 1) * b.sizes.hour)
	if err != nil {
		return err
	}
	details := fmt.Sprintf("%d waiting, 8 at once", waiting)
	add := func(what string, v float64, unit string, t target) {
		b.add(benchRow{part: "memory", what: c.name + ", " + what, samples: []float64{v}, unit: unit, target: t, details: details})
	}
	n := last.answered - first.answered
	if last.peak > 0 {
		add("resident, at most", last.peak/mib, "MiB", atMost(64))
		add(fmt.Sprintf("resident, growth over %d commands", int(n)), (last.resident-first.resident)/mib, "MiB", target{})
	}
	add("live heap, growth", (last.live-first.live)/mib, "MiB", atMost(1))
	add("allocations a command", (last.allocations-first.allocations)/n, "allocs", target{})
	add("allocated a command", (last.allocated-first.allocated)/n/1024, "KiB", target{})
	add("CPU a command", (last.cpu-first.cpu)/n*1e6, "µs", target{})
	return nil
}

// footprint is what a worker has used after so many answers.
type footprint struct {
	answered, resident, peak, live, allocations, allocated, cpu float64
}

func (c *child) footprint(ctx context.Context, p *plant, waiting int) (f footprint, err error) {
	left, err := p.queued(ctx)
	if err != nil {
		return f, err
	}
	f.answered = float64(waiting - left)
	f.resident, f.peak = c.memory()
	for _, m := range []struct {
		name string
		into *float64
	}{
		{"go_memstats_mallocs_total", &f.allocations}, {"go_memstats_alloc_bytes_total", &f.allocated},
		{"go_memstats_next_gc_bytes", &f.live}, {"process_cpu_seconds_total", &f.cpu},
	} {
		if *m.into, err = c.metric(ctx, m.name); err != nil {
			return f, err
		}
	}
	// The collector runs again when the heap is twice what was live.
	f.live /= 2
	return f, nil
}
