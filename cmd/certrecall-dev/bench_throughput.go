package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"certrecall/messages"
)

const atOnce = 64 // calls at once of a throughput

// runner starts what is to be measured on a plant whose queue is full.
type runner func(context.Context, *plant) error

func ours(concurrency, workers int) runner {
	return func(ctx context.Context, p *plant) error {
		for range workers {
			if _, err := p.launch(ctx, concurrency, "0"); err != nil {
				return err
			}
		}
		return nil
	}
}

func bareWith(lane messages.Lane, concurrency, prefetch int) runner {
	return func(ctx context.Context, p *plant) error { return p.bare(ctx, lane, concurrency, prefetch) }
}

// measuredRate is one measured throughput.
type measuredRate struct {
	perSecond float64
	cpu       string  // what a command took of it, process by process
	micros    float64 // the same in one, in microseconds; 0 where it is not known
}

// commandsPerSecond fills the queue of a new plant, starts the runner, and
// measures until the queue is empty.
func (b *bench) commandsPerSecond(ctx context.Context, o plantOptions, lane messages.Lane, n int, run runner, profile string) (s measuredRate, err error) {
	p, err := b.newPlant(ctx, o)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.fill(ctx, lane, 0, n); err != nil {
		return s, err
	}
	filled := p.nats.cpu()
	if err := run(ctx, p); err != nil {
		return s, err
	}
	profiled := make(chan error, 1)
	go func() { profiled <- b.profile(ctx, p, profile) }()
	all, err := p.samples(ctx, 0)
	if err = errors.Join(err, <-profiled); err != nil {
		return s, err
	}
	s.perSecond = rate(all, n)
	here, server, sim := p.workers[0].cpu(), p.nats.cpu()-filled, p.sim.cpu()
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	s.micros = each(here + server + sim)
	s.cpu = fmt.Sprintf("%s µs here, %s NATS, %s DigiCert", figure(each(here)), figure(each(server)), figure(each(sim)))
	stats, err := p.stats(ctx)
	if err == nil && stats.Calls < n {
		err = fmt.Errorf("%d commands made only %d calls", n, stats.Calls)
	}
	return s, err
}

// profile keeps where the CPU time of the first worker goes, and what it allocates.
func (b *bench) profile(ctx context.Context, p *plant, name string) error {
	if b.Profile == "" || name == "" {
		return nil
	}
	w := p.workers[0]
	if err := w.ready(ctx); err != nil {
		return err
	}
	for kind, query := range map[string]string{"cpu": "profile?seconds=6", "allocs": "allocs"} {
		_, body, err := get(ctx, w.url+"/debug/pprof/"+query)
		if err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		if err := os.WriteFile(filepath.Join(b.Profile, name+"."+kind+".pprof"), body, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// contest is one lane with its event's name and what it has to reach of a bare loop.
type contest struct {
	name   string
	lane   messages.Lane
	target float64
}

func contests() []contest {
	return []contest{{"list", messages.LaneListDuplicates, 0.9}, {"revoke", messages.LaneRevoke, 0.4}}
}

// throughput is measured with a DigiCert that answers at once, beside a bare
// loop; the samples of the two alternate, so that both meet the same machine.
func (b *bench) throughput(ctx context.Context) error {
	for _, synced := range []bool{true, false} {
		with := "every write synced"
		if !synced {
			with = "writes not synced"
		}
		for _, c := range contests() {
			if err := b.contest(ctx, c, synced, with); err != nil {
				return fmt.Errorf("%s, %s: %w", c.name, with, err)
			}
		}
	}
	return nil
}

func (b *bench) contest(ctx context.Context, c contest, synced bool, with string) error {
	var perSecond, micros [3][]float64
	var cpu [3]string
	n := b.sizes.commands
	for range b.sizes.rounds {
		for i, one := range []struct {
			run     runner
			profile string
		}{
			{bareWith(c.lane, atOnce, 1), ""},
			{ours(atOnce, 1), fmt.Sprintf("%s-synced-%t", c.name, synced)},
			{bareWith(c.lane, atOnce, 2*atOnce), ""},
		} {
			s, err := b.commandsPerSecond(ctx, plantOptions{synced: synced}, c.lane, n, one.run, one.profile)
			if err != nil {
				return err
			}
			perSecond[i], micros[i], cpu[i] = append(perSecond[i], s.perSecond), append(micros[i], s.micros), s.cpu
		}
	}
	what, bare := c.name+", "+with, median(perSecond[0])
	b.add(benchRow{part: "throughput", what: what + ", bare loop", samples: perSecond[0], unit: "commands/s"})
	b.add(benchRow{part: "throughput", what: what, samples: perSecond[1], unit: "commands/s", of: bare, ofWhat: "bare loop", target: atLeast(c.target)})
	b.add(benchRow{part: "throughput", what: what + ", bare loop that prefetches", samples: perSecond[2], unit: "commands/s", of: bare, ofWhat: "bare loop"})
	// Unlike a throughput, this is nearly the same on a machine that has something else to do.
	if used := median(micros[0]); used > 0 {
		b.add(benchRow{part: "throughput", what: what + ", CPU a command, bare loop", samples: micros[0], unit: "µs", details: cpu[0]})
		b.add(benchRow{part: "throughput", what: what + ", CPU a command", samples: micros[1], unit: "µs", of: used, ofWhat: "bare loop", details: cpu[1]})
	}
	return nil
}

// scale is measured with a DigiCert that takes 50 ms: as the share of what so
// many calls at once can be, and over one and four workers.
func (b *bench) scale(ctx context.Context) error {
	const latency = 50 * time.Millisecond
	o := plantOptions{synced: true, latency: latency}
	for _, c := range contests() {
		for _, concurrency := range b.sizes.atOnce {
			ideal := float64(concurrency) / latency.Seconds()
			n := b.enough(ideal)
			s, err := b.commandsPerSecond(ctx, o, c.lane, n, ours(concurrency, 1), "")
			if err != nil {
				return err
			}
			b.add(benchRow{part: "scale", what: fmt.Sprintf("%s, %d at once", c.name, concurrency), samples: []float64{s.perSecond}, unit: "commands/s",
				of: ideal, ofWhat: "at once / 50 ms", details: "DigiCert of 50 ms, every write synced"})
		}
		var one float64
		for _, workers := range b.sizes.crew {
			n := b.enough(8 * float64(workers) / latency.Seconds())
			s, err := b.commandsPerSecond(ctx, o, c.lane, n, ours(8, workers), "")
			if err != nil {
				return err
			}
			if workers == 1 {
				one = s.perSecond
			}
			b.add(benchRow{part: "scale", what: fmt.Sprintf("%s, workers: %d of 8 at once", c.name, workers), samples: []float64{s.perSecond}, unit: "commands/s",
				of: one, ofWhat: "one worker"})
		}
	}
	return nil
}

// enough is how many commands keep something busy for as long as it is to be
// measured, which no machine makes more of than the throughput's.
func (b *bench) enough(perSecond float64) int {
	return min(int(perSecond*b.sizes.slow.Seconds()), b.sizes.commands)
}
