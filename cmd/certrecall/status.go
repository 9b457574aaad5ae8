package main

import (
	"context"
	"strconv"
	"time"

	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/status"
)

// selection says which commands a subcommand is about.
type selection struct {
	Incident string `name:"incident" placeholder:"NAME" help:"Commands of this incident."`
	Source   string `name:"source" placeholder:"NAME" help:"Commands of this system."`
	Command  string `name:"command" placeholder:"NAME" help:"This command: source/incident/id, or source/id where it has no incident."`
	Order    string `name:"order" aliases:"order-id" placeholder:"ID" help:"Commands for this order."`
}

// filter reads the flags; what is wrong with them goes into s.
func (c selection) filter(s *settings) status.Filter {
	f := status.Filter{Incident: c.Incident, Source: c.Source}
	if c.Incident != "" && !messages.ValidIncident(c.Incident) {
		s.bad("incident", "%q cannot be an incident: 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not - alone", c.Incident)
	}
	if c.Source != "" && !messages.ValidSource(c.Source) {
		s.bad("source", "%q cannot be a source: 1 to 64 characters of A-Z, a-z, 0-9, _ and -", c.Source)
	}
	if c.Command != "" {
		name, err := messages.ParseCommandName(c.Command)
		if err != nil || c.Source != "" && c.Source != name.Source || c.Incident != "" && c.Incident != name.Incident {
			s.bad("command", "%q: set source/incident/id, as cli/INC-42/INC-42-revoke-1234567, or source/id where there is no incident", c.Command)
		}
		f.Source, f.Incident, f.ID = name.Source, name.Incident, name.ID
	}
	if c.Order != "" {
		id, err := strconv.ParseInt(c.Order, 10, 64)
		if err != nil || id < 1 {
			s.bad("order", "%q: set an order id, a number", c.Order)
		}
		f.OrderID = id
	}
	return f
}

// limitsFlag are the workers' limits, which they share with nobody.
type limitsFlag struct {
	RateLimit string `name:"rate-limit" env:"CERTRECALL_RATE_LIMIT" default:"1000/5m,100/5s" help:"The workers' limits, to tell the budget by: give what they have."`
}

func (c limitsFlag) limits(s *settings) budget.Limits {
	l, err := budget.ParseLimits(c.RateLimit)
	if err != nil {
		s.bad("rate-limit", "%v", err)
	}
	return l
}

// statusCmd tells where things stand.
type statusCmd struct {
	natsFlags
	selection
	limitsFlag
	All  bool `name:"all" help:"Name every command, not only those that wait or failed."`
	JSON bool `name:"json" help:"Print JSON, every command in it."`
	CSV  bool `name:"csv" help:"Print the evidence file: one row a command, with who, why, when, and DigiCert's ids and words."`
}

// Help is the long help, with examples.
func (statusCmd) Help() string {
	return `Without a selection it tells of everything. In a pipe each line is one thing, tab-separated, its first field says what:
lane, budget, gate, incident, state, waiting, failed, overdue, command.

Examples:
  certrecall status
  certrecall status --incident INC-42
  certrecall status --order 1234567
  certrecall status --incident INC-42 --csv > INC-42.csv
  certrecall status --incident INC-42 --json | jq -r '.commands[] | select(.state == "failed") | .order_id'`
}

// Run reads everything once and prints it.
func (c *statusCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	filter, limits := c.filter(s), c.limits(s)
	if c.CSV && c.JSON {
		s.bad("csv", "set together with --json: set one of them")
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
		return err
	}
	view, err := r.Load(ctx, filter)
	if err != nil {
		return err
	}
	if c.CSV {
		return writeEvidence(p.stdout, view.Rows(r.Now()))
	}
	fleet, err := r.Fleet(ctx, limits)
	if err != nil {
		return err
	}
	now := standing{fleet: fleet, counts: view.Counts(), rows: view.Rows(fleet.At), filter: filter}
	now.calls, now.listings = view.Calls()
	if n := view.Unreadable(); n > 0 {
		p.say("certrecall: %s could not be read and are left out", counted(n, "message"))
	}
	if c.JSON {
		return p.printJSON(now.document())
	}
	now.print(p, c.All)
	return nil
}

// standing is where things stand at one moment.
type standing struct {
	fleet           status.Fleet
	filter          status.Filter
	counts          map[status.State]int
	rows            []status.Row
	calls, listings int // that come before the last of the commands is done
}

// timeLeft is how long the queued commands take at best.
func (n standing) timeLeft() time.Duration { return n.fleet.Estimate(n.calls, n.listings) }

// statusDocument is what --json prints.
type statusDocument struct {
	status.Fleet
	Counts map[status.State]int `json:"counts"`
	// Calls come before the last selected command of the queue is done, and take
	// SecondsLeft at best.
	Calls       int          `json:"calls_left"`
	SecondsLeft float64      `json:"seconds_left_at_best"`
	Commands    []status.Row `json:"commands"`
}

func (n standing) document() statusDocument {
	d := statusDocument{
		Fleet: n.fleet, Counts: n.counts, Calls: n.calls + n.listings, SecondsLeft: n.timeLeft().Seconds(), Commands: n.rows,
	}
	if d.Commands == nil {
		d.Commands = []status.Row{}
	}
	return d
}
