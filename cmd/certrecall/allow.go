package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/policy"
	"certrecall/worker/statements"
)

// allowCmd lets more orders be revoked than the policy does.
type allowCmd struct {
	Say allowSayCmd `cmd:"" default:"withargs" hidden:"" help:"Allow a number of orders."`
	Ls  allowLsCmd  `cmd:"" help:"List allowances: who said what, and what is in force."`
	End allowEndCmd `cmd:"" help:"End an allowance, whoever gave it."`
}

// allowedThing says for whom an allowance is.
type allowedThing struct {
	Incident string `name:"incident" placeholder:"NAME" help:"Commands of this incident."`
	Source   string `name:"source" placeholder:"NAME" help:"Commands of this system that name no incident."`
}

// what gives the thing of the statement; what is wrong with it goes into s.
func (a allowedThing) what(s *settings) string {
	switch {
	case (a.Incident == "") == (a.Source == ""):
		s.bad("incident", "name either --incident or --source")
	case a.Incident != "" && !messages.ValidIncident(a.Incident):
		s.bad("incident", "%q cannot be an incident: 1 to 64 characters of A-Z, a-z, 0-9, _ and -", a.Incident)
	case a.Source != "" && !messages.ValidSource(a.Source):
		s.bad("source", "%q cannot be a source: 1 to 64 characters of A-Z, a-z, 0-9, _ and -", a.Source)
	case a.Incident != "":
		return "incident." + a.Incident
	}
	return "source." + a.Source
}

// allowSayCmd allows a number of orders.
type allowSayCmd struct {
	natsFlags
	operatorFlag
	allowedThing
	secondFlag
	Orders string `name:"orders" required:"" placeholder:"N" help:"How many distinct orders may begin, those that began under it included."`
	Until  string `name:"until" placeholder:"WHEN" help:"Not after this time (2026-03-01T08:00:00Z), or for so long (4h)."`
	Reason string `name:"reason" required:"" placeholder:"TEXT" help:"Why; it stands in the audit."`
	JSON   bool   `name:"json" help:"Print JSON: the allowance as it is then."`
}

// secondFlag is from where on two operators are needed.
type secondFlag struct {
	Policy string `name:"policy" env:"CERTRECALL_POLICY" placeholder:"FILE" help:"The workers' policy, to tell from how many on two operators are needed."`
}

func (f secondFlag) above(s *settings) int64 {
	file, err := policy.Open(f.Policy)
	if err != nil {
		s.bad("policy", "%v", err)
		return 0
	}
	return file.Policy().SecondOperatorAbove
}

// Help is the long help, with examples.
func (allowSayCmd) Help() string {
	return `Up to so many distinct orders of the incident (or of the source's commands without one) begin without counting against their source,
before or after they arrive. Held commands go on within two seconds, in the order of their claims. Above the policy's second_operator_above an
allowance counts as far as two different operators have said so: the second one says the same. Said again it replaces your own number.

Examples:
  certrecall allow --incident INC-42 --orders 12000 --until 8h --reason "key of the load balancer leaked, plan signed by Mira"
  certrecall allow ls
  certrecall allow end --incident INC-42 --reason "done"`
}

// Run states the allowance.
func (c *allowSayCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	what := c.what(s)
	words := statements.Words{Orders: int64(s.integer("orders", c.Orders, 1, 10_000_000))}
	if c.Until != "" {
		words.Until = s.moment("until", c.Until, 1).UTC().Truncate(time.Second)
		if !words.Until.IsZero() && !words.Until.After(time.Now()) {
			s.bad("until", "%q is past: set a time to come", c.Until)
		}
	}
	return c.say(ctx, p, s, what, words, c.Reason, c.above(s), c.JSON)
}

// say states something about an allowance and prints how it stands then.
func (o operatorFlag) sayAllowance(ctx context.Context, p *process, n session, what string, words statements.Words) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	kv, err := n.control(ctx)
	if err != nil {
		return err
	}
	operator, err := o.name(ctx, p, n)
	if err != nil {
		return err
	}
	_, err = statements.Say(ctx, kv, statements.Statement{Operator: operator, Verb: statements.Allow, What: what, Words: words})
	return err
}

func (c *allowSayCmd) say(ctx context.Context, p *process, s *settings, what string, words statements.Words, reason string, above int64, asJSON bool) error {
	if err := statements.ValidReason(reason); err != nil {
		s.bad("reason", "%v", err)
	}
	words.Reason = reason
	c.operatorFlag.check(s)
	c.natsFlags.check(s)
	if err := s.err(); err != nil {
		return err
	}
	n, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer n.conn.Close()
	if err := c.sayAllowance(ctx, p, n, what, words); err != nil {
		return err
	}
	all, err := allowances(ctx, n, above)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.What != what {
			continue
		}
		if asJSON {
			return p.printJSON(a)
		}
		p.say("Allowed: %s, %d orders by your word; in force are %d.", what, words.Orders, a.Orders)
		if above == 0 && c.Policy == "" {
			p.say("If the workers' policy asks for a second operator it may be less: give it as --policy.")
		} else if a.Orders < words.Orders {
			p.say("A second operator has to say so too: above %d one word is not enough.", above)
		}
	}
	return nil
}

// allowEndCmd ends an allowance.
type allowEndCmd struct {
	natsFlags
	operatorFlag
	allowedThing
	Reason string `name:"reason" required:"" placeholder:"TEXT" help:"Why; it stands in the audit."`
}

// Help is the long help, with an example.
func (allowEndCmd) Help() string {
	return `What began under it goes on and does not count against its source; nothing more begins under it, whoever allowed it.

Example:
  certrecall allow end --incident INC-42 --reason "all sent"`
}

// Run ends it.
func (c *allowEndCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	what := c.what(s)
	if err := statements.ValidReason(c.Reason); err != nil {
		s.bad("reason", "%v", err)
	}
	c.operatorFlag.check(s)
	c.natsFlags.check(s)
	if err := s.err(); err != nil {
		return err
	}
	n, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer n.conn.Close()
	if err := c.sayAllowance(ctx, p, n, what, statements.Words{Ended: true, Reason: c.Reason}); err != nil {
		return err
	}
	p.say("Ended: the allowance of %s.", what)
	return nil
}

// allowLsCmd lists allowances.
type allowLsCmd struct {
	natsFlags
	secondFlag
	All  bool `name:"all" help:"Also those that are not in force any more."`
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (allowLsCmd) Help() string {
	return `Example:
  certrecall allow ls --policy policy.yaml`
}

// Run lists them.
func (c *allowLsCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	above := c.above(s)
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	n, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer n.conn.Close()
	all, err := allowances(ctx, n, above)
	if err != nil {
		return err
	}
	shown := []policy.Allowance{}
	table := section{tag: "allowed", title: "ALLOWANCES", header: []string{"for", "orders", "until", "by", "reason"}, right: []int{1}, wrap: 5}
	for _, a := range all {
		if a.Orders == 0 && !c.All {
			continue
		}
		shown = append(shown, a)
		for _, w := range a.Words {
			table.add(strings.Replace(a.What, ".", " ", 1), strconv.FormatInt(a.Orders, 10), stamp(w.Until), w.Operator+": "+strconv.FormatInt(w.Orders, 10), w.Reason)
		}
		if len(a.Words) == 0 {
			table.add(strings.Replace(a.What, ".", " ", 1), "0", "-", "-", "-")
		}
	}
	if c.JSON {
		return p.printJSON(shown)
	}
	if len(shown) == 0 {
		table.note("none is in force")
	}
	p.show(table)
	return nil
}

// allowances reads every allowance from the control bucket.
func allowances(ctx context.Context, n session, above int64) ([]policy.Allowance, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	kv, err := n.control(ctx)
	if err != nil {
		return nil, err
	}
	said, err := statements.List(ctx, kv, "op.*.allow.>", true)
	if err != nil {
		return nil, err
	}
	return policy.Allowances(said, above, time.Now()), nil
}
