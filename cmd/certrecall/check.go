package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client"
	"certrecall/worker/budget"
	"certrecall/worker/policy"
	"certrecall/worker/streams"
)

// Bounds of what --check tries.
const (
	checkStreams = 15 * time.Second
	checkPermit  = 10 * time.Second
)

var errCheckFailed = errors.New("the check failed: see above")

// check prints the effective configuration, tries NATS, and tries the key with
// one read of DigiCert.
func (c *workerCmd) check(ctx context.Context, p *process, set workerSettings) error {
	if err := c.printSettings(p); err != nil {
		return err
	}
	if f, err := policy.Open(c.Policy); err == nil && c.Policy != "" {
		for _, line := range f.Policy().Lines() {
			fmt.Fprintf(p.stdout, "policy    %s\n", line)
		}
	} else {
		fmt.Fprintf(p.stdout, "policy    none: no source has a limit\n")
	}
	for _, warning := range set.warnings {
		fmt.Fprintf(p.stdout, "warning   %s\n", warning)
	}
	if set.proxy != "" {
		fmt.Fprintf(p.stdout, "%-9s %s\n", "proxy", set.proxy)
	}
	nats, err := c.open(ctx, p)
	there, found := false, ""
	if err == nil {
		defer nats.conn.Close()
		found = "server " + nats.conn.ConnectedServerVersion() + " at " + nats.conn.ConnectedUrlRedacted()
		there, err = tryStreams(ctx, nats, set.worker.Provision)
	}
	if err == nil && !there {
		found += "; streams are absent and will be made"
	}
	good := tell(p.stdout, "NATS", found, err)
	err = nil
	if there {
		tellWorkers(ctx, p.stdout, nats)
		err = takePermit(ctx, set, nats.js)
	} else {
		fmt.Fprintf(p.stdout, "%-9s none yet: the call that tries the key is not counted\n", "budget")
	}
	if err == nil {
		err = tryKey(ctx, set)
	}
	if !tell(p.stdout, "DigiCert", set.worker.DigiCert.BaseURL+" takes the key", err) || !good {
		return errCheckFailed
	}
	return nil
}

// tellWorkers says whether anybody waits for commands.
func tellWorkers(ctx context.Context, w io.Writer, s session) {
	ctx, cancel := context.WithTimeout(ctx, checkStreams)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.names.CommandsStream())
	if err != nil {
		return // told above
	}
	for c := range stream.ListConsumers(ctx).Info() {
		if c.NumWaiting > 0 || c.NumAckPending > 0 {
			fmt.Fprintf(w, "%-9s listen\n", "workers")
			return
		}
	}
	fmt.Fprintf(w, "%-9s none listens now: commands wait until one is started\n", "workers")
}

// tell prints how one thing went, and whether it went well.
func tell(w io.Writer, what, found string, err error) bool {
	if err != nil {
		fmt.Fprintf(w, "%-9s failed: %v\n", what, err)
		return false
	}
	fmt.Fprintf(w, "%-9s ok: %s\n", what, found)
	return true
}

// printSettings prints every flag with its variable and its value.
func (c *workerCmd) printSettings(p *process) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, flag := range p.flags() {
		if len(flag.Envs) == 0 {
			continue
		}
		value := fmt.Sprint(flag.Target.Interface())
		switch {
		case flag.Name == "nats-url":
			value = c.redacted()
		case flag.Name == "rate-limit":
			value = strings.Join(c.RateLimit, ",")
		case value == "":
			value = "-"
		}
		fmt.Fprintf(w, "--%s\t%s\t%s\n", flag.Name, flag.Envs[0], value)
	}
	key := "REDACTED"
	if c.DigiCertKeyFile != "" {
		key = "-"
	}
	fmt.Fprintf(w, "\t%s\t%s\n", keyVariable, key)
	return w.Flush()
}

// tryStreams tells whether streams, consumers and buckets are all there. A
// worker that may make them can do without.
func tryStreams(ctx context.Context, s session, mayMake bool) (there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkStreams)
	defer cancel()
	err = streams.Verify(ctx, s.js, s.names)
	absent := errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
	if absent && mayMake {
		return false, nil
	}
	return err == nil, err
}

// tryKey reads once from DigiCert.
func tryKey(ctx context.Context, set workerSettings) error {
	digicert, err := client.New(set.worker.DigiCert)
	if err != nil {
		return err
	}
	defer digicert.CloseIdleConnections()
	return digicert.Reader(nil).Probe(ctx)
}

// takePermit takes a permit for one call from the fleet's budget: a check must
// not be the call that blocks the key.
func takePermit(ctx context.Context, set workerSettings, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, checkPermit)
	defer cancel()
	kv, err := js.KeyValue(ctx, set.worker.Names.BudgetBucket())
	if err != nil {
		return fmt.Errorf("opening bucket %s: %w", set.worker.Names.BudgetBucket(), err)
	}
	clock := streams.NewClock(js, set.worker.Names.CommandsStream())
	if err := clock.Sync(ctx); err != nil {
		return err
	}
	b := budget.New(budget.Config{KV: kv, Limits: set.worker.Limits, Now: clock.Now})
	serving, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() { _ = b.Run(serving) })
	_, err = b.Acquire(ctx, budget.Normal)
	stop()
	all.Wait()
	return err
}
