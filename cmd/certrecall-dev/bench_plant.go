package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/streams"
)

// benchKey is the key that the simulated DigiCert takes in a benchmark.
const benchKey = "benchmark"

// plant is one site of real processes with stores of its own: NATS, the
// simulated DigiCert, and the workers that are measured.
type plant struct {
	b     *bench
	dir   string
	nats  *child
	sim   *child
	url   string // of NATS
	api   string // of the simulated DigiCert
	conn  *nats.Conn
	js    jetstream.JetStream
	names messages.Names

	commands jetstream.Stream
	workers  []*child
}

// plantOptions say what a plant is like.
type plantOptions struct {
	synced  bool          // NATS syncs every write
	latency time.Duration // of DigiCert
	limits  string        // of DigiCert; "" is none
}

// newPlant starts NATS and the simulated DigiCert, and makes the streams. Whoever calls it closes it.
func (b *bench) newPlant(ctx context.Context, o plantOptions) (*plant, error) {
	dir, err := os.MkdirTemp(b.dir, "plant-")
	if err != nil {
		return nil, err
	}
	p := &plant{b: b, dir: dir}
	if err := p.open(ctx, o); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *plant) open(ctx context.Context, o plantOptions) error {
	var err error
	if err := p.startNATS(ctx, o.synced); err != nil {
		return err
	}
	limits := o.limits
	if limits == "" {
		limits = "0"
	}
	p.sim, err = p.start(ctx, "digicert", p.b.self, "simulator", "--addr", "127.0.0.1:0", "--key", benchKey,
		"--auto-decide", "0s", "--latency", o.latency.String(), "--limit", limits)
	if err != nil {
		return err
	}
	if p.api, err = p.sim.says(ctx, `simulated DigiCert: (http://\S+)`); err != nil {
		return err
	}
	if p.names, err = messages.NewNames("certrecall"); err != nil {
		return err
	}
	if err := streams.Apply(ctx, p.js, p.names, streams.Options{}); err != nil {
		return err
	}
	if p.commands, err = p.js.Stream(ctx, p.names.CommandsStream()); err != nil {
		return fmt.Errorf("opening the commands: %w", err)
	}
	return nil
}

// startNATS starts the server on the plant's store and connects to it.
func (p *plant) startNATS(ctx context.Context, synced bool) error {
	args := []string{"bench-nats", "--store-dir", filepath.Join(p.dir, "nats")}
	if synced {
		args = append(args, "--sync")
	}
	var err error
	if p.nats, err = p.start(ctx, "nats", p.b.self, args...); err != nil {
		return err
	}
	if p.url, err = p.nats.says(ctx, `NATS: (nats://\S+)`); err != nil {
		return err
	}
	p.conn, err = nats.Connect(p.url, nats.Name("certrecall-dev bench"), nats.MaxReconnects(0))
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	if p.js, err = jetstream.New(p.conn, jetstream.WithPublishAsyncMaxPending(1024)); err != nil {
		return err
	}
	return nil
}

// stats are the counts of the simulated DigiCert.
func (p *plant) stats(ctx context.Context) (digicertsim.Stats, error) {
	var s digicertsim.Stats
	err := getJSON(ctx, strings.TrimSuffix(p.api, digicertsim.BasePath)+"/_sim/stats", &s)
	return s, err
}

// worker starts a worker, waits until it is ready, and gives it.
func (p *plant) worker(ctx context.Context, concurrency int, limits string) (*child, error) {
	c, err := p.launch(ctx, concurrency, limits)
	if err != nil {
		return nil, err
	}
	return c, c.ready(ctx)
}

// launch starts a worker.
func (p *plant) launch(ctx context.Context, concurrency int, limits string) (*child, error) {
	path, args := p.b.Certrecall, []string{"worker"}
	if p.b.inside() {
		path, args = p.b.self, []string{"bench-worker"}
	}
	args = append(args, "--nats-url", p.url, "--digicert-url", p.api, "--rate-limit", limits, "--concurrency", fmt.Sprint(concurrency), "--http-addr", "127.0.0.1:0")
	c, err := p.start(ctx, fmt.Sprintf("worker-%d", len(p.workers)), path, args...)
	if err != nil {
		return nil, err
	}
	p.workers = append(p.workers, c)
	return c, nil
}

// bare starts a bare loop. prefetch is how many messages may wait in it: 1 is
// what a worker has.
func (p *plant) bare(ctx context.Context, lane messages.Lane, concurrency, prefetch int) error {
	c, err := p.start(ctx, "bare", p.b.self, "bench-bare", "--nats-url", p.url, "--digicert-url", p.api,
		"--lane", string(lane), "--concurrency", fmt.Sprint(concurrency), "--prefetch", fmt.Sprint(prefetch))
	if err != nil {
		return err
	}
	p.workers = append(p.workers, c)
	return nil
}

// close ends every process of the plant and removes what it stored.
func (p *plant) close() error {
	var problems []error
	for _, w := range p.workers {
		problems = append(problems, w.stop())
	}
	if p.conn != nil {
		p.conn.Close()
	}
	problems = append(problems, p.sim.stop(), p.nats.stop(), os.RemoveAll(p.dir))
	return errors.Join(problems...)
}
