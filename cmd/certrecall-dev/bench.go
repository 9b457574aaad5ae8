package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// benchCmd measures certrecall: real server processes, a file store, real HTTP.
type benchCmd struct {
	Parts      string `name:"parts" default:"start,throughput,scale,latency,fleet,memory" help:"What to measure, by commas: ${bench_parts}."`
	Short      bool   `name:"short" help:"Little of everything, in about 15 s: shows that it runs, measures nothing."`
	Format     string `name:"format" default:"table" enum:"table,benchstat" help:"table, or benchstat: one line a sample, as Go benchmarks print them."`
	Certrecall string `name:"certrecall" placeholder:"FILE" help:"The certrecall to measure; by default the one beside certrecall-dev, and without one the worker inside certrecall-dev."`
	Dir        string `name:"dir" placeholder:"DIR" help:"Where the stores are kept while it runs; by default a folder for temporary files. Its disk is what the synced writes measure."`
	Rounds     int    `name:"rounds" default:"3" help:"Samples of each throughput; the table shows the median."`
	Orders     int    `name:"orders" default:"1000000" help:"Waiting commands of the part memory; orders known of the part store."`
	Fleet      string `name:"fleet" default:"" placeholder:"N,…" help:"Numbers of workers of the part fleet; by default 1,4,16."`
	Profile    string `name:"profile" placeholder:"DIR" help:"Measure the worker inside certrecall-dev, and put CPU and allocation profiles of throughput there."`
}

// Help is the long help, with examples.
func (benchCmd) Help() string {
	return `Every ratio is of two measurements of one run, so it can be compared between machines; nothing else can.
A bare loop is what takes a command, makes its HTTP call, publishes its event and acks it, with the same NATS client, and promises nothing.

Examples:
  certrecall-dev bench
  certrecall-dev bench --parts throughput --rounds 10 --format benchstat >new.txt && benchstat old.txt new.txt
  certrecall-dev bench --parts fleet --fleet 10,100
  certrecall-dev bench --parts store`
}

// benchPart is one thing to measure.
type benchPart struct {
	name string
	run  func(*bench, context.Context) error
}

func benchParts() []benchPart {
	return []benchPart{
		{"start", (*bench).start},
		{"throughput", (*bench).throughput},
		{"scale", (*bench).scale},
		{"latency", (*bench).latency},
		{"fleet", (*bench).fleet},
		{"memory", (*bench).memory},
		{"store", (*bench).store},
	}
}

func benchPartNames() string {
	var names []string
	for _, p := range benchParts() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// bench is one run.
type bench struct {
	*benchCmd
	p     *process
	self  string // certrecall-dev, for its children
	dir   string
	sizes sizes
	rows  []benchRow
}

// sizes are how much of everything is measured.
type sizes struct {
	rounds   int
	starts   int
	commands int           // of a throughput
	slow     time.Duration // of a measurement with a slow DigiCert
	latency  time.Duration
	waiting  int // commands that wait, or orders that are known
	hour     int // commands that DigiCert allows an hour
	hours    int
	atOnce   []int  // with a slow DigiCert
	crew     []int  // workers with a slow DigiCert
	fleet    []int  // workers under DigiCert's limits
	limits   string // windows of the fleet
	revoke   int    // revocations of the fleet
}

func (c *benchCmd) sizes() (sizes, error) {
	s := sizes{
		rounds: c.Rounds, starts: 7, commands: 20_000, slow: 6 * time.Second, latency: 30 * time.Second,
		waiting: c.Orders, hour: 12_000, hours: 3,
		atOnce: []int{8, 64, 512}, crew: []int{1, 2, 4}, fleet: []int{1, 4, 16}, limits: "200/20s,100/5s", revoke: 470,
	}
	if c.Short {
		s = sizes{
			rounds: 1, starts: 1, commands: 200, slow: 250 * time.Millisecond, latency: 500 * time.Millisecond,
			waiting: 1000, hour: 100, hours: 1,
			atOnce: []int{8}, crew: []int{1, 2}, fleet: []int{2}, limits: "10/1s", revoke: 24,
		}
	}
	if c.Rounds < 1 || c.Orders < 1 {
		return s, usageError{"--rounds and --orders: at least 1"}
	}
	if c.Fleet != "" {
		var err error
		if s.fleet, err = parseCounts(c.Fleet); err != nil {
			return s, usageError{"--fleet: " + err.Error()}
		}
	}
	return s, nil
}

// Run measures the parts in their order and prints what came out, also what
// there is when one fails.
func (c *benchCmd) Run(ctx context.Context, p *process) error {
	parts, err := c.parts()
	if err != nil {
		return err
	}
	b := &bench{benchCmd: c, p: p}
	if b.sizes, err = c.sizes(); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	if c.Certrecall == "" {
		c.Certrecall = productBeside(b.self)
	}
	if b.dir, err = os.MkdirTemp(c.Dir, "certrecall-bench-"); err != nil {
		return fmt.Errorf("making a folder for the stores: %w", err)
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	fmt.Fprintf(p.stderr, "%s/%s, %d CPUs, %s; stores in %s; worker: %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), b.dir, b.measured())
	for _, part := range parts {
		began := time.Now()
		fmt.Fprintf(p.stderr, "%s …\n", part.name)
		if err = part.run(b, ctx); err != nil {
			err = fmt.Errorf("measuring %s: %w", part.name, err)
			break
		}
		fmt.Fprintf(p.stderr, "%s took %s\n", part.name, time.Since(began).Round(time.Second))
	}
	b.print()
	return errors.Join(err, context.Cause(ctx))
}

func (c *benchCmd) parts() ([]benchPart, error) {
	var parts []benchPart
	for name := range strings.SplitSeq(c.Parts, ",") {
		all := benchParts()
		i := slices.IndexFunc(all, func(p benchPart) bool { return p.name == strings.TrimSpace(name) })
		if i < 0 {
			return nil, usageError{fmt.Sprintf("--parts: there is no %q; there are %s", name, benchPartNames())}
		}
		parts = append(parts, all[i])
	}
	return parts, nil
}

// productBeside finds the certrecall that was built with this program; "" is none.
func productBeside(self string) string {
	path := filepath.Join(filepath.Dir(self), "certrecall")
	if _, err := exec.LookPath(path); err != nil {
		return ""
	}
	return path
}

// measured says which worker the figures are of.
func (b *bench) measured() string {
	if b.inside() {
		return "the one inside certrecall-dev"
	}
	return b.Certrecall
}

// inside reports whether the worker within this program is measured.
func (b *bench) inside() bool { return b.Profile != "" || b.Certrecall == "" }
