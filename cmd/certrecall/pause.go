package main

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/gate"
)

// pauseArgs is what pause and resume are about.
type pauseArgs struct {
	natsFlags
	operatorFlag
	Kind string `arg:"" enum:"revocations,listings,all" help:"revocations, listings or all."`
	JSON bool   `name:"json" help:"Print JSON: the pauses that are in force then."`
}

// pauseCmd stops calls of DigiCert.
type pauseCmd struct {
	pauseArgs
	Reason string `name:"reason" required:"" placeholder:"TEXT" help:"Why; it is shown wherever the pause is."`
}

// resumeCmd ends a pause.
type resumeCmd struct {
	pauseArgs
	Reason string `name:"reason" placeholder:"TEXT" help:"Why."`
}

// Help is the long help, with an example.
func (pauseCmd) Help() string {
	return `Every worker stops within a second; calls that have begun end. Nothing is lost: commands stay in the queue until resume.
While revocations are paused DigiCert is not asked about approvals either: what is decided meanwhile is told after resume.

Example:
  certrecall pause revocations --reason "wrong list, see INC-42"`
}

// Help is the long help, with an example.
func (resumeCmd) Help() string {
	return `Example:
  certrecall resume revocations --reason "list mended"`
}

// Run pauses.
func (c *pauseCmd) Run(ctx context.Context, p *process) error {
	return c.run(ctx, p, gate.Pause, c.Reason, func() { p.say("Paused: %s. Every worker knows within a second; calls that have begun end.", c.Kind) })
}

// Run ends a pause.
func (c *resumeCmd) Run(ctx context.Context, p *process) error {
	return c.run(ctx, p, gate.Resume, c.Reason, func() { p.say("Resumed: %s.", c.Kind) })
}

// controlTimeout bounds what is read from or written to the control bucket.
const controlTimeout = 15 * time.Second

func (c *pauseArgs) run(ctx context.Context, p *process, do func(context.Context, jetstream.KeyValue, gate.Kind, gate.Order) error, reason string, done func()) error {
	s := p.settings()
	c.operatorFlag.check(s)
	c.natsFlags.check(s)
	if err := s.err(); err != nil {
		return err
	}
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	kv, err := nats.control(ctx)
	if err != nil {
		return err
	}
	operator, err := c.name(ctx, p, nats)
	if err != nil {
		return err
	}
	kind := gate.Kind(c.Kind)
	if c.Kind == "all" {
		kind = gate.Both
	}
	if err := do(ctx, kv, kind, gate.Order{By: operator, Reason: reason}); err != nil {
		return err
	}
	if !c.JSON {
		done()
	}
	return c.print(ctx, p, kv)
}

// pauseDocument is what --json prints.
type pauseDocument struct {
	Kind   gate.Kind `json:"kind"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// print tells which pauses are in force now.
func (c *pauseArgs) print(ctx context.Context, p *process, kv jetstream.KeyValue) error {
	pauses, err := gate.Pauses(ctx, kv)
	if err != nil {
		return err
	}
	table := section{tag: "gate", title: "PAUSED", header: []string{"what", "since", "by", "reason"}, wrap: 4}
	documents := []pauseDocument{}
	for _, one := range pauses {
		table.add(orAll(one.Kind), stamp(one.At), one.By, one.Reason)
		documents = append(documents, pauseDocument{one.Kind, one.By, one.Reason, one.At.UTC()})
	}
	if c.JSON {
		return p.printJSON(documents)
	}
	p.show(table)
	return nil
}
