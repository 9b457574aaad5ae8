package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"certrecall/worker/gateway/deliveries"
)

// deliveriesCmd is for the webhooks that the gateway sends.
type deliveriesCmd struct {
	Ls     deliveriesLsCmd     `cmd:"" help:"List the deliveries: where they go, what waits, and which are switched off."`
	Resume deliveriesResumeCmd `cmd:"" help:"Switch a delivery on again; it goes on with the events that waited."`
	Replay deliveriesReplayCmd `cmd:"" help:"Send a delivery's events once more, from a moment on."`
}

// deliveriesTimeout bounds what one of these commands asks NATS for.
const deliveriesTimeout = 30 * time.Second

type deliveriesLsCmd struct {
	natsFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (deliveriesLsCmd) Help() string {
	return `A delivery is known from the first start of a gateway that has it in its configuration; what is known of it is the durable consumer
gateway-<name> of the events stream. One that is no longer in any configuration stays, with the events that wait for it, until
` + "`nats consumer rm`" + ` removes it.

Example:
  certrecall deliveries ls`
}

// Run prints the deliveries.
func (c *deliveriesLsCmd) Run(ctx context.Context, p *process) error {
	s, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, deliveriesTimeout)
	defer cancel()
	all, err := deliveries.List(ctx, s.js, s.names)
	if err != nil {
		return err
	}
	return printDeliveries(p, all, c.JSON)
}

type deliveriesResumeCmd struct {
	natsFlags
	Name string `arg:"" help:"The delivery's name."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (deliveriesResumeCmd) Help() string {
	return `An endpoint that answered 410 Gone, refused everything for an hour, or took nothing for three days is switched off, and its events
wait. Mend it first: one that is still gone is switched off again by its next answer.

Example:
  certrecall deliveries resume tickets`
}

// Run resumes a delivery.
func (c *deliveriesResumeCmd) Run(ctx context.Context, p *process) error {
	s, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, deliveriesTimeout)
	defer cancel()
	now, err := deliveries.Resume(ctx, s.js, s.names, c.Name)
	if err != nil {
		return err
	}
	return printDeliveries(p, []deliveries.Standing{now}, c.JSON)
}

type deliveriesReplayCmd struct {
	natsFlags
	Name  string `arg:"" help:"The delivery's name."`
	Since string `name:"since" required:"" placeholder:"TIME" help:"From here on: an RFC 3339 time, or how long ago, as 2h or 3d."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Help is the long help, with examples.
func (deliveriesReplayCmd) Help() string {
	return `The events go out once more with the same webhook-id, so a receiver that remembers ids takes each once. Events that still wait are
not lost: they come in their turn, if they are not older than the moment. A delivery that is switched off is switched on.

Examples:
  certrecall deliveries replay tickets --since 2h
  certrecall deliveries replay tickets --since 2026-03-08T02:00:00Z`
}

// Run replays a delivery.
func (c *deliveriesReplayCmd) Run(ctx context.Context, p *process) error {
	settings := p.settings()
	since, err := time.Parse(time.RFC3339, c.Since)
	if err != nil {
		ago, wrong := parseDuration(c.Since)
		if since = time.Now().Add(-ago); wrong != nil || ago <= 0 {
			settings.bad("since", "%q: set an RFC 3339 time, or how long ago, as 2h or 3d", c.Since)
		}
	}
	if since.After(time.Now()) {
		settings.bad("since", "%q is in the future: nothing can be sent again from there", c.Since)
	}
	if err := settings.err(); err != nil {
		return err
	}
	s, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, deliveriesTimeout)
	defer cancel()
	now, err := deliveries.Replay(ctx, s.js, s.names, c.Name, since)
	if err != nil {
		return err
	}
	return printDeliveries(p, []deliveries.Standing{now}, c.JSON)
}

func printDeliveries(p *process, all []deliveries.Standing, asJSON bool) error {
	if asJSON {
		return p.printJSON(struct {
			Deliveries []deliveries.Standing `json:"deliveries"`
		}{all})
	}
	if len(all) == 0 {
		p.say("no gateway has served a delivery yet")
		return nil
	}
	t := section{header: []string{"delivery", "to", "waiting", "retrying", "last delivered", "state", "events"}, right: []int{2, 3}, wrap: 7}
	for _, d := range all {
		state := "on"
		if d.Off {
			state = "off: " + d.OffReason
			if !d.OffSince.IsZero() {
				state = fmt.Sprintf("off since %s: %s", stamp(d.OffSince), d.OffReason)
			}
		}
		t.rows = append(t.rows, []string{d.Name, orDash(d.Host), fmt.Sprint(d.Waiting), fmt.Sprint(d.Retrying), stamp(d.LastDone), state, strings.Join(d.Events, " ")})
	}
	t.draw(p.stdout)
	return nil
}
