package main

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"certrecall/messages"
	"certrecall/worker/status"
)

// eventsCmd prints events. It needs no durable consumer.
type eventsCmd struct {
	natsFlags
	selection
	Follow bool   `name:"follow" short:"f" help:"Go on with what comes, until interrupted."`
	From   string `name:"from" placeholder:"SEQUENCE" help:"Begin with this sequence of the events stream (each line tells its own). Default: the first; with --follow, what comes from now on."`
	JSON   bool   `name:"json" help:"Print JSON, one event a line: subject, headers, data."`
}

// Help is the long help, with examples.
func (eventsCmd) Help() string {
	return `For people and scripts that look on. A system that must miss nothing has a durable consumer of its own: certrecall setup --reader NAME.
Each line is tab-separated: sequence, time, event, order, detail, command.

Examples:
  certrecall events --follow
  certrecall events --incident INC-42 --json
  certrecall events --source servicenow --follow --from 4711`
}

// Run prints.
func (c *eventsCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	filter := c.filter(s)
	from := uint64(1)
	if c.Follow {
		from = 0
	}
	if c.From != "" {
		n, err := strconv.ParseUint(c.From, 10, 64)
		if err != nil || n < 1 {
			s.bad("from", "%q: set a sequence, a number from 1 on", c.From)
		}
		from = n
	}
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	r, err := status.Open(ctx, nats.js, nats.names)
	if err != nil {
		return p.missing(nats, err)
	}
	if !filter.All() && !c.Follow {
		if err := unknownIn(ctx, r, filter); err != nil {
			return err
		}
	}
	var printing error
	err = r.FollowEvents(ctx, filter, from, c.Follow, func(e status.Said) bool {
		if c.JSON {
			printing = p.eventJSON(nats.names, e)
		} else {
			p.show(eventLine(e))
		}
		return printing == nil
	})
	if printing != nil {
		err = printing
	}
	return err
}

// eventDocument is what --json prints of an event.
type eventDocument struct {
	Sequence uint64              `json:"sequence"`
	Subject  string              `json:"subject"`
	Header   map[string][]string `json:"header"`
	Data     json.RawMessage     `json:"data"`
}

func (p *process) eventJSON(n messages.Names, e status.Said) error {
	subject, header, data, err := n.EncodeEvent(e.Event)
	if err != nil {
		return err
	}
	out := json.NewEncoder(p.stdout)
	out.SetEscapeHTML(false)
	return out.Encode(eventDocument{e.Sequence, subject, header, data})
}

// eventLine is one event as a line, on a terminal too.
func eventLine(e status.Said) section {
	s := section{header: []string{"", "", "", "", "", ""}, tag: "event"}
	detail := "-"
	switch m := e.Event; {
	case m.Error != nil:
		detail = string(m.Error.Type) + ": " + m.Error.Detail
	case m.CancelledBy != "":
		detail = "by " + m.CancelledBy + ": " + m.CancelReason
	case m.Held != nil:
		detail = "limit " + m.Held.Limit
	case m.Count != nil:
		detail = counted(*m.Count, "certificate")
	case m.RequestID != 0:
		detail = "request " + strconv.FormatInt(m.RequestID, 10)
	}
	s.add(strconv.FormatUint(e.Sequence, 10), e.Event.Time.UTC().Format(time.RFC3339), string(e.Event.Name), number(e.Event.OrderID), detail, e.Event.Command().String())
	return s
}
