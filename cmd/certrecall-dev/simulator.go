package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/worker/budget"
)

// simulatorCmd serves the simulated DigiCert alone.
type simulatorCmd struct {
	Addr           string        `name:"addr" default:"127.0.0.1:8090" help:"Where to listen."`
	Key            []string      `name:"key" placeholder:"KEY" help:"API key of an administrator; may be given more than once. With no key at all every key is taken."`
	StandardKey    []string      `name:"standard-key" placeholder:"KEY" help:"API key without administrator rights: it cannot skip the approval."`
	ViewOnlyKey    []string      `name:"view-only-key" placeholder:"KEY" help:"API key that may only read."`
	Limit          string        `name:"limit" default:"0" help:"Rolling windows for each key, as 1000/5m,100/5s; 0 is none."`
	Block          time.Duration `name:"block" default:"0s" help:"How long a key is answered 429 after it passed a limit."`
	StateFile      string        `name:"state-file" placeholder:"FILE" help:"Keep orders and requests here over a restart."`
	AutoDecide     time.Duration `name:"auto-decide" default:"5s" help:"Requests are decided after this: approved, or rejected for order ids ending in 9. 0s is never."`
	Latency        time.Duration `name:"latency" default:"0s" help:"Delay of every answer."`
	ReadLag        time.Duration `name:"read-lag" default:"0s" help:"Reads show the state of this long ago."`
	AutoOrders     bool          `name:"auto-orders" default:"true" negatable:"" help:"Any order id below 9000000000 is an issued order."`
	AutoDuplicates int           `name:"auto-duplicates" default:"2" help:"Duplicates of such an order."`
}

// Help is the long help, with an example.
func (simulatorCmd) Help() string {
	return `It answers under /services/v2, as DigiCert does, and has an API of its own under /_sim/: GET calls, requests, stats; POST requests/{id}/approve, requests/{id}/reject, orders, faults, reset.

Example:
  certrecall-dev simulator --addr :8090 --key test-key --limit 100/5s --block 30s --state-file digicert.jsonl`
}

// Run serves until the context ends.
func (c *simulatorCmd) Run(ctx context.Context, p *process) error {
	limits, err := budget.ParseLimits(c.Limit)
	if err != nil {
		return usageError{"--limit: " + err.Error()}
	}
	duplicates := c.AutoDuplicates
	if duplicates == 0 {
		duplicates = -1 // what the simulator takes for none
	}
	sim, err := digicertsim.Open(digicertsim.Options{
		Keys: c.Key, StandardKeys: c.StandardKey, ViewOnlyKeys: c.ViewOnlyKey,
		Limits: windows(limits), Block: c.Block, AutoDecide: c.AutoDecide, Latency: c.Latency, ReadLag: c.ReadLag,
		AutoOrders: c.AutoOrders, AutoDuplicates: duplicates, StateFile: c.StateFile,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listening for --addr: %w", err)
	}
	fmt.Fprintf(p.stdout, "simulated DigiCert: http://%s%s\n", listener.Addr(), digicertsim.BasePath)
	if err := serve(ctx, listener, sim); err != nil {
		return err
	}
	return sim.Close()
}

func windows(limits budget.Limits) []digicertsim.Window {
	var w []digicertsim.Window
	for _, l := range limits {
		w = append(w, digicertsim.Window{Calls: l.Calls, Per: l.Per})
	}
	return w
}
