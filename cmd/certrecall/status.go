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
			s.bad("command", "%q: set source/incident/id, or source/id where there is no incident, as cli/INC-42/INC-42-revoke-1234567", c.Command)
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
	Since string `name:"since" default:"24h" help:"Without a selection: incidents with something new within this time, as 24h or 7d."`
	Plan  bool   `name:"plan" help:"Print the certificates that dry runs have named: names, serial numbers, validity, status."`
	All   bool   `name:"all" help:"Name every command, not only those that wait or failed."`
	JSON  bool   `name:"json" help:"Print JSON, every selected command in it."`
	CSV   bool   `name:"csv" help:"Print the evidence file: one row a command, with who, why, when, and DigiCert's ids and words."`
}

// Help is the long help, with examples.
func (statusCmd) Help() string {
	return `Without a selection it tells what is open (the queue, what waits, what is held), the gates, the budget, and the incidents with something
new in --since. With one it reads just that: an incident of a hundred orders is there at once, whatever the years before hold.
An order's commands are found through its record, which knows the last 32 that were begun for it; plans and lists are found by their incident.
In a pipe each line is one thing, tab-separated, its first field says what: lane, budget, gate, incident, state, waiting, held, failed, overdue,
command, plan. A selection that nobody knows is an error (exit code 1).

Examples:
  certrecall status
  certrecall status --since 7d
  certrecall status --incident INC-42
  certrecall status --incident INC-42 --plan
  certrecall status --order 1234567
  certrecall status --incident INC-42 --csv > INC-42.csv
  certrecall status --incident INC-42 --json | jq -r '.commands[] | select(.state == "failed") | .order_id'`
}

// Run reads everything once and prints it.
func (c *statusCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	filter, limits := c.filter(s), c.limits(s)
	since := s.duration("since", c.Since, time.Minute, 100*365*24*time.Hour)
	if c.CSV && c.JSON {
		s.bad("csv", "set together with --json: set one of them")
	}
	if (c.Plan || c.CSV) && filter.All() {
		s.bad(map[bool]string{true: "plan", false: "csv"}[c.Plan], "goes with a selection: name an incident, source, command or order")
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
	switch {
	case filter.All():
		return c.overview(ctx, p, r, limits, since)
	case c.Plan:
		return printListings(ctx, p, r, filter, listingsPlanned, c.CSV, c.JSON)
	}
	view, err := viewOf(ctx, r, filter)
	if err != nil {
		return err
	}
	if c.CSV {
		return status.WriteEvidence(p.stdout, view.Each(r.Now()), "certrecall "+thisBuild().Version)
	}
	fleet, err := r.Fleet(ctx, limits)
	if err != nil {
		return err
	}
	now := standing{fleet: fleet, view: view, filter: filter}
	now.calls, now.listings = view.Calls()
	if n := view.Unreadable(); n > 0 {
		p.say("certrecall: %s could not be read and are left out", counted(n, "message"))
	}
	if c.JSON {
		return now.printJSON(p)
	}
	now.print(p, c.All)
	return nil
}

// viewOf reads where the commands of a selection stand. An order's are found
// through its record. A selection that nobody knows is an error.
func viewOf(ctx context.Context, r *status.Reader, f status.Filter) (*status.View, error) {
	if f == (status.Filter{OrderID: f.OrderID}) {
		_, view, err := r.Order(ctx, f.OrderID)
		if err == nil && view.Len() == 0 {
			err = r.Unknown(ctx, f)
		}
		return view, err
	}
	view, err := r.Load(ctx, f)
	if err == nil && view.Len() == 0 {
		err = r.Unknown(ctx, f)
	}
	return view, err
}

// unknownIn is an error where a selection is of nothing that is known.
func unknownIn(ctx context.Context, r *status.Reader, f status.Filter) error {
	_, err := viewOf(ctx, r, f)
	return err
}

// overview prints what is open and what is new.
func (c *statusCmd) overview(ctx context.Context, p *process, r *status.Reader, limits budget.Limits, since time.Duration) error {
	fleet, err := r.Fleet(ctx, limits)
	if err != nil {
		return err
	}
	open, err := r.Open(ctx, status.Filter{})
	if err != nil {
		return err
	}
	incidents, err := r.Incidents(ctx, fleet.At.Add(-since))
	if err != nil {
		return err
	}
	if c.JSON {
		return p.printJSON(overviewDocument{fleet, open.Counts()[status.Waiting], open.Counts()[status.Held], since.Seconds(), incidents})
	}
	short := isTerminal(p.stdout) && !c.All
	now := standing{fleet: fleet, view: open}
	sections := append(fleetSections(fleet), incidentSection(incidents, since, short), now.waiting(short), now.held(short), now.overdue(short))
	p.show(sections...)
	return nil
}

// overviewDocument is what --json prints without a selection.
type overviewDocument struct {
	status.Fleet
	Waiting      int              `json:"waiting"` // for an administrator
	Held         int              `json:"held"`    // by the policy
	SinceSeconds float64          `json:"since_seconds"`
	Incidents    []status.Summary `json:"incidents"`
}

// standing is where things stand at one moment.
type standing struct {
	fleet           status.Fleet
	filter          status.Filter
	view            *status.View
	calls, listings int // that come before the last of the commands is done
}

// timeLeft is how long the queued commands take at best.
func (n standing) timeLeft() time.Duration { return n.fleet.Estimate(n.calls, n.listings) }

// statusDocument is what --json prints, without the commands.
type statusDocument struct {
	status.Fleet
	Counts map[status.State]int `json:"counts"`
	// Calls come before the last selected command of the queue is done, and take
	// SecondsLeft at best.
	Calls       int     `json:"calls_left"`
	SecondsLeft float64 `json:"seconds_left_at_best"`
}

// printJSON writes one document. The commands are written one by one: there may
// be a million.
func (n standing) printJSON(p *process) error {
	d := statusDocument{Fleet: n.fleet, Counts: n.view.Counts(), Calls: n.calls + n.listings, SecondsLeft: n.timeLeft().Seconds()}
	return p.printJSONWith(d, "commands", n.view.Each(n.fleet.At))
}
