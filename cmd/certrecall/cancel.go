package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"certrecall/worker/gate"
	"certrecall/worker/status"
)

// cancelCmd stops commands that were not sent yet.
type cancelCmd struct {
	natsFlags
	operatorFlag
	selection
	Reason string `name:"reason" required:"" placeholder:"TEXT" help:"Why; it stands in the record of each command."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Help is the long help, with examples.
func (cancelCmd) Help() string {
	return `What is not sent to DigiCert yet ends as revoke-cancelled or list-duplicates-cancelled; what is sent is named, and goes on:
a request that waits can still be rejected in CertCentral. It holds for commands that are stored now, not for later ones;
a cancelled command is sent anew with --again. Name exactly one of incident, source, command and order.

Examples:
  certrecall cancel --incident INC-42 --reason "wrong list"
  certrecall cancel --command cli/INC-42/INC-42-revoke-1234567 --reason "still in use"`
}

// Run cancels first and looks afterwards: every second counts.
func (c *cancelCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	filter := c.filter(s)
	given := 0
	for _, text := range []string{c.Incident, c.Source, c.Command, c.Order} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		s.bad("incident", "name exactly one of --incident, --source, --command and --order")
	}
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
	r, err := status.Open(ctx, nats.js, nats.names)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	operator, err := c.name(bounded, p, nats)
	if err != nil {
		return err
	}
	selector := gate.Selector{Incident: filter.Incident, Source: filter.Source, Command: filter.ID, Order: filter.OrderID}
	stored, err := gate.Cancel(bounded, r.Stores().Control, selector, operator, c.Reason)
	if err != nil {
		return err
	}
	if !c.JSON {
		p.say("Cancelled: %s, everything stored before %s.", selector, stamp(stored.At))
	}
	view, err := viewOf(ctx, r, filter)
	if _, unknown := errors.AsType[*status.Unknown](err); unknown {
		return fmt.Errorf("%w\nthe cancellation is stored all the same, and stops nothing that comes later", err)
	}
	if err != nil {
		return fmt.Errorf("the cancellation is stored; telling what it stops: %w", err)
	}
	report, err := reportCancel(ctx, r, view.Rows(r.Now()), stored.At)
	if err != nil {
		return fmt.Errorf("the cancellation is stored; telling what it stops: %w", err)
	}
	if c.JSON {
		return p.printJSON(report)
	}
	report.print(p)
	return nil
}

// cancelReport is what --json prints.
type cancelReport struct {
	At time.Time `json:"at"` // the server stored the cancellation
	// Stopped commands end as cancelled when a worker comes to them.
	Stopped int `json:"stopped"`
	// stopped are the first of them and the last.
	stopped []status.Row
	// Sent ones are not final and went to DigiCert before.
	Sent []status.Row `json:"sent"`
	// Final counts what had ended before, or has ended meanwhile, by state.
	Final map[status.State]int `json:"final"`
	// Later ones were stored after the cancellation, which does not hold for them.
	Later int `json:"later"`
}

// lookups bounds how many order records are read at once.
const lookups = 16

// reportCancel tells apart what is stopped and what was sent before.
func reportCancel(ctx context.Context, r *status.Reader, rows []status.Row, at time.Time) (cancelReport, error) {
	report := cancelReport{At: at.UTC(), Sent: []status.Row{}, Final: map[status.State]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var problem error
	slots := make(chan struct{}, lookups)
	sent := make([]bool, len(rows))
	for i, row := range rows {
		if row.State != status.Accepted && row.State != status.Waiting {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			bounded, cancel := context.WithTimeout(ctx, controlTimeout)
			defer cancel()
			was, err := r.Sent(bounded, row)
			mu.Lock()
			defer mu.Unlock()
			if sent[i] = was; err != nil {
				problem = err
			}
		})
	}
	wg.Wait()
	for i, row := range rows {
		switch {
		case row.State.Final():
			report.Final[row.State]++
		case row.Received.After(at):
			report.Later++
		case sent[i]:
			report.Sent = append(report.Sent, row)
		default:
			report.Stopped++
			if len(report.stopped) <= namedOrders {
				report.stopped = append(report.stopped, row)
			} else {
				report.stopped[namedOrders] = row
			}
		}
	}
	return report, problem
}

func (c cancelReport) print(p *process) {
	short := isTerminal(p.stdout)
	sums := section{tag: "cancelled", header: []string{"", ""}, right: []int{1}}
	stopped := section{tag: "stopped", title: "NOT SENT YET", header: []string{"order", "certificate", "state", "command"}, right: []int{0, 1}}
	for i, r := range c.stopped {
		switch {
		case c.Stopped > namedOrders && i == firstOrders:
			stopped.note("and %d more between the last two lines", c.Stopped-firstOrders-1)
			continue
		case c.Stopped > namedOrders && i > firstOrders && i < len(c.stopped)-1:
			continue
		}
		stopped.add(number(r.OrderID), number(r.CertificateID), string(r.State), r.Key())
	}
	sums.add("not sent yet, will end as cancelled", strconv.Itoa(c.Stopped))
	sums.add("sent before, goes on", strconv.Itoa(len(c.Sent)))
	for _, state := range status.States() {
		if n := c.Final[state]; n > 0 {
			sums.add("final: "+string(state), strconv.Itoa(n))
		}
	}
	if c.Later > 0 {
		sums.add("stored after the cancellation, not stopped", strconv.Itoa(c.Later))
	}
	sent := section{
		tag: "sent", title: "SENT BEFORE", header: []string{"order", "certificate", "state", "request", "status", "command"}, right: []int{0, 1, 3},
	}
	for i, r := range c.Sent {
		if short && i == shortList {
			sent.note("and %d more: --json names them", len(c.Sent)-i)
			break
		}
		sent.add(number(r.OrderID), number(r.CertificateID), string(r.State), number(r.RequestID), orDash(r.Status), r.Key())
	}
	if len(c.Sent) > 0 {
		sent.note("a request that waits can be rejected in CertCentral; what is revoked stays revoked")
	}
	p.show(stopped, sent, sums)
}
