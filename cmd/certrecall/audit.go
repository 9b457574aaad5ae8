package main

import (
	"context"
	"encoding/csv"
	"strconv"
	"time"

	"certrecall/messages"
	"certrecall/worker/statements"
)

// auditCmd tells what operators have said.
type auditCmd struct {
	natsFlags
	Incident string `name:"incident" placeholder:"NAME" help:"What names this incident."`
	Since    string `name:"since" placeholder:"WHEN" help:"Since a time (2026-03-01T08:00:00Z), or for so long (24h, 7d)."`
	JSON     bool   `name:"json" xor:"form" help:"Print JSON, one statement a line."`
	CSV      bool   `name:"csv" xor:"form" help:"Print CSV."`
}

// Help is the long help, with examples.
func (auditCmd) Help() string {
	return `Everything that operators have said by pause, resume, cancel, allow, dlq replay and dlq drop, oldest first, also what was taken back.
The operator is proven by NATS, which lets each write its own words only; the server keeps them, and nobody can change or remove one.

Examples:
  certrecall audit --incident INC-42
  certrecall audit --since 7d --csv > audit.csv`
}

// auditDocument is one statement for programs.
type auditDocument struct {
	Time     time.Time         `json:"time"` // when the server kept it
	Operator string            `json:"operator"`
	Verb     string            `json:"verb"`
	What     string            `json:"what"`
	Reason   string            `json:"reason"`
	Orders   int64             `json:"orders,omitempty"`
	Until    time.Time         `json:"until,omitzero"`
	Incident string            `json:"incident,omitempty"`
	Command  string            `json:"command,omitempty"`
	At       time.Time         `json:"at,omitzero"` // by the operator's own clock
	Kind     statements.Effect `json:"effect"`
}

// Run prints the audit.
func (c *auditCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	f := statements.Filter{Incident: c.Incident}
	if c.Incident != "" && !messages.ValidIncident(c.Incident) {
		s.bad("incident", "%q cannot be an incident: 1 to 64 characters of A-Z, a-z, 0-9, _ and -", c.Incident)
	}
	if c.Since != "" {
		f.Since = s.moment("since", c.Since, -1)
	}
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	n, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer n.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	all, err := statements.Read(ctx, n.js, n.names.AuditStream(), n.names.ControlBucket(), f)
	if err != nil {
		return err
	}
	return printAudit(p, all, c.JSON, c.CSV)
}

func printAudit(p *process, all []statements.Statement, asJSON, asCSV bool) error {
	table := section{tag: "said", title: "AUDIT", header: []string{"time", "operator", "verb", "what", "numbers", "reason"}, wrap: 6}
	lines := &jsonLines{p: p}
	w := csv.NewWriter(p.stdout)
	if asCSV {
		_ = w.Write([]string{"time", "operator", "verb", "effect", "what", "orders", "until", "incident", "command", "reason"})
	}
	for _, one := range all {
		switch {
		case asJSON:
			lines.line(auditDocument{
				one.Stamp.UTC(), one.Operator, string(one.Verb), one.What, one.Reason, one.Orders, one.Until, one.About(), one.Command, one.At, one.Effect(),
			})
		case asCSV:
			_ = w.Write([]string{
				stamp(one.Stamp), one.Operator, string(one.Verb), string(one.Effect()), one.What, strconv.FormatInt(one.Orders, 10),
				stamp(one.Until), one.About(), one.Command, plainCell(one.Reason),
			})
		default:
			table.add(stamp(one.Stamp), one.Operator, string(one.Effect()), one.What, numbers(one), one.Reason)
		}
	}
	w.Flush()
	if asJSON || asCSV {
		return w.Error()
	}
	if len(all) == 0 {
		table.note("nothing was said")
	}
	p.show(table)
	return nil
}

// numbers is what a statement says beside its reason.
func numbers(s statements.Statement) string {
	switch {
	case s.Orders > 0 && !s.Until.IsZero():
		return strconv.FormatInt(s.Orders, 10) + " orders until " + stamp(s.Until)
	case s.Orders > 0:
		return strconv.FormatInt(s.Orders, 10) + " orders"
	}
	return orDash(s.Command)
}

// plainCell keeps a spreadsheet from taking a text for a formula.
func plainCell(text string) string {
	if text != "" && (text[0] == '=' || text[0] == '+' || text[0] == '-' || text[0] == '@' || text[0] == '\t' || text[0] == '\r') {
		return "'" + text
	}
	return text
}

// moment reads a time, or a duration from now: backwards where way is -1.
func (s *settings) moment(flag, text string, way int) time.Time {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at
	}
	d, err := parseDuration(text)
	if err != nil || d <= 0 {
		s.bad(flag, "%q: set a time as 2026-03-01T08:00:00Z, or a duration as 24h or 7d", text)
		return time.Time{}
	}
	return time.Now().Add(time.Duration(way) * d)
}
