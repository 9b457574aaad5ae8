package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
)

// submitCmd sends commands.
type submitCmd struct {
	Revoke         submitRevokeCmd `cmd:"" help:"Revoke orders, or single certificates of them."`
	ListDuplicates submitListCmd   `cmd:"" help:"List the duplicate certificates of orders."`
}

// submission is what both kinds of commands have in common.
type submission struct {
	natsFlags
	File   string   `arg:"" optional:"" help:"Orders: CSV with a header row, or JSON lines, with the fields of a command; - is standard input."`
	Orders []string `name:"order" aliases:"order-id" placeholder:"ID" sep:"," help:"An order, in place of a file; several by commas."`
	Format string   `name:"format" default:"auto" help:"csv, jsonl, or auto: by the name of the file, else by how it begins."`

	Incident    string `name:"incident" placeholder:"NAME" help:"Groups the commands, and begins their ids. One is made and printed if none is given."`
	Expires     string `name:"expires" placeholder:"TIME" help:"After this time nothing is sent any more (RFC 3339, 2026-03-01T17:00:00Z)."`
	RequestedBy string `name:"requested-by" env:"USER" help:"Who asks for it; it stands in every event."`
	Context     string `name:"context" placeholder:"JSON" help:"A JSON object of your own, up to 8 KiB: it stands in every event, unchanged."`
	Source      string `name:"source" default:"cli" help:"The system that the commands come from; the NATS user must be allowed to speak for it."`
	Again       string `name:"again" placeholder:"N" help:"Another try of the same commands: their ids end in -againN."`
	Yes         bool   `name:"yes" help:"Do not ask."`
	JSON        bool   `name:"json" help:"Print JSON."`
}

type submitRevokeCmd struct {
	submission
	Certificate  string `name:"certificate" aliases:"certificate-id" placeholder:"ID" help:"With one --order: revoke only this certificate of it."`
	Comments     string `name:"comments" placeholder:"TEXT" help:"Why; DigiCert keeps it with the request. Required, here or as a column."`
	Reason       string `name:"revocation-reason" placeholder:"REASON" help:"unspecified, keyCompromise, affiliationChanged, superseded or cessationOfOperation."`
	SkipApproval bool   `name:"skip-approval" help:"Revoke at once, without an administrator's approval: needs a key with administrator rights."`
	Deadline     string `name:"deadline" placeholder:"TIME" help:"When it must be done (RFC 3339); what is not done then is reported as overdue."`
	Urgent       bool   `name:"urgent" help:"Go before all other commands."`
	DryRun       bool   `name:"dry-run" help:"Report what would be revoked, and revoke nothing."`
}

type submitListCmd struct {
	submission
	ShowArchived bool `name:"show-archived" help:"List archived duplicates too."`
}

// Help is the long help, with examples.
func (submitRevokeCmd) Help() string {
	return `A revocation cannot be undone. The whole input is checked before anything is sent; a line with a mistake, and nothing is sent (exit code 2).
A file needs one column, order_id; other columns are named as the fields of a command (certificate_id, comments, revocation_reason, skip_approval, deadline, …)
and go before the flags. The id of a command follows from incident and order, so sending the same file twice is sending it once.

Examples:
  certrecall submit revoke --order 1234567 --comments "INC-42: key leaked" --revocation-reason keyCompromise
  certrecall submit revoke orders.csv --incident INC-42 --comments "INC-42: key leaked" --dry-run
  certrecall submit revoke orders.csv --incident INC-42 --comments "INC-42: key leaked" --deadline 2026-03-01T17:00:00Z
  jq -c '{order_id: .id}' orders.json | certrecall submit revoke - --comments "INC-42: key leaked" --yes`
}

// Help is the long help, with examples.
func (submitListCmd) Help() string {
	return `Nothing is changed at DigiCert; the lists arrive as events duplicates-listed.

Examples:
  certrecall submit list-duplicates --order 1234567
  certrecall submit list-duplicates orders.csv --incident INC-42 --show-archived`
}

// Run revokes.
func (c *submitRevokeCmd) Run(ctx context.Context, p *process) error {
	b := batcher{lane: messages.LaneRevoke, dryRun: c.DryRun}
	if c.Urgent {
		b.lane = messages.LaneRevokeUrgent
	}
	b.text("comments", c.Comments)
	b.text("revocation_reason", c.Reason)
	b.text("deadline", c.Deadline)
	b.flag("skip_approval", c.SkipApproval)
	return c.run(ctx, p, b, c.Certificate)
}

// Run lists.
func (c *submitListCmd) Run(ctx context.Context, p *process) error {
	b := batcher{lane: messages.LaneListDuplicates}
	b.flag("show_archived", c.ShowArchived)
	return c.run(ctx, p, b, "")
}

// text and flag give what a flag says for rows that do not say it themselves.
func (b *batcher) text(field, value string) {
	if value != "" {
		b.defaults = append(b.defaults, textMember(field, value))
	}
}

func (b *batcher) flag(field string, set bool) {
	if set {
		b.defaults = append(b.defaults, member{field, []byte("true")})
	}
}

func (c *submission) run(ctx context.Context, p *process, b batcher, certificate string) error {
	made := c.Incident == ""
	if err := c.complete(p, &b); err != nil {
		return err
	}
	all, err := c.read(p, b, certificate)
	if err != nil {
		return err
	}
	s, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	known := map[messages.CommandName]knownItem{}
	if !made || c.Again != "" || all.foreign(b.incident) {
		if known, err = c.lookUp(ctx, p, s, all); err != nil {
			return err
		}
	}
	fresh := all.without(known)
	out := outcome{submission: c, all: all, known: known, fresh: fresh, lane: b.lane, incident: all.incident()}
	if n := fresh.revocations(); n > 0 {
		out.summarize(p)
		if err := p.confirm(ctx, c.Yes, n, "revoke"); err != nil {
			return err
		}
	}
	if err := out.send(ctx, p, s); err != nil {
		return err
	}
	return out.print(p)
}

// complete checks the flags and takes them into b. Each problem names its flag.
func (c *submission) complete(p *process, b *batcher) error {
	s := p.settings()
	if !messages.ValidSource(c.Source) {
		s.bad("source", "%q: set 1 to 64 characters of A-Z, a-z, 0-9, _ and -", c.Source)
	}
	if c.Incident == "" {
		c.Incident = newIncident(time.Now())
	} else if !messages.ValidIncident(c.Incident) || messages.ReservedID(c.Incident+"-revoke-1") {
		s.bad("incident", "%q: set 1 to 64 characters of A-Z, a-z, 0-9, _ and -, not beginning with seq-", c.Incident)
	}
	if c.Again != "" {
		b.again = s.integer("again", c.Again, 1, 999)
	}
	switch c.Format {
	case "auto", "csv", "jsonl":
	default:
		s.bad("format", "%q: set auto, csv or jsonl", c.Format)
	}
	if (c.File == "") == (len(c.Orders) == 0) {
		s.bad("order", "name a file (- is standard input) or orders, one of the two")
	}
	b.text("expires", c.Expires)
	b.text("requested_by", c.RequestedBy)
	if c.Context != "" {
		b.context(s, c.Context)
	}
	b.source, b.incident = c.Source, c.Incident
	b.checkDefaults(s)
	c.check(s)
	return s.err()
}

func (b *batcher) context(s *settings, text string) {
	if text = strings.TrimSpace(text); !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
		s.bad("context", "is not a JSON object")
		return
	}
	b.defaults = append(b.defaults, member{"context", []byte(text)})
}

// checkDefaults decodes a command with nothing but the flags, so that a wrong
// one is named as a flag, and not as a problem of every line.
func (b *batcher) checkDefaults(s *settings) {
	r := row{object: []byte(`{"id":"x","order_id":1}`), given: map[string]bool{"id": true, "order_id": true}}
	_, err := messages.DecodeCommand(b.lane, messages.InvalidSource, nil, r.with(b.defaults))
	invalid, ok := errors.AsType[*messages.InvalidCommand](err)
	if !ok {
		return
	}
	for _, p := range invalid.Problems {
		if p.Field != "comments" || !strings.HasPrefix(p.Detail, "missing") {
			s.bad(strings.ReplaceAll(p.Field, "_", "-"), "%s", p.Detail)
		}
	}
}

// read gives the whole input as commands, or every problem of it.
func (c *submission) read(p *process, b batcher, certificate string) (batch, error) {
	if c.File != "" {
		if certificate != "" {
			return batch{}, usageError{"--certificate: goes with one --order; in a file, name a column certificate_id"}
		}
		rows, problems, err := p.readInput(c.File, c.Format, b.lane.Action())
		if err != nil {
			return batch{}, usageError{err.Error()}
		}
		return b.batch(rows, problems)
	}
	if certificate != "" && len(c.Orders) != 1 {
		return batch{}, usageError{"--certificate: goes with exactly one --order"}
	}
	var rows []row
	for _, order := range c.Orders {
		r := row{object: []byte("{}"), given: map[string]bool{}}
		members := []member{textMember("order_id", order)}
		if certificate != "" {
			members = append(members, textMember("certificate_id", certificate))
		}
		r.object = r.with(members)
		for _, m := range members {
			r.given[m.name] = true
		}
		rows = append(rows, r)
	}
	return b.batch(rows, nil)
}

// newIncident makes a name that sorts by time and that two people do not make
// in the same second.
func newIncident(now time.Time) string {
	return "inc-" + now.UTC().Format("20060102-150405") + "-" + strconv.FormatInt(int64(now.Nanosecond()/1000), 36)
}

// foreign reports whether a command is of another incident than the one that
// was just made, or has an id of its own: only then it can be known already.
func (b batch) foreign(incident string) bool {
	for _, it := range b.items {
		if it.command.Incident != incident || !strings.HasPrefix(it.command.ID, incident+"-") {
			return true
		}
	}
	return false
}

// incident is the one that all commands have, or "several".
func (b batch) incident() string {
	for _, it := range b.items {
		if it.command.Incident != b.items[0].command.Incident {
			return "several"
		}
	}
	return b.items[0].command.Incident
}

// revocations counts the commands that revoke.
func (b batch) revocations() int {
	n := 0
	for _, it := range b.items {
		if it.command.Action() == messages.ActionRevoke && !it.command.DryRun {
			n++
		}
	}
	return n
}

func (b batch) without(known map[messages.CommandName]knownItem) batch {
	out := batch{repeated: b.repeated, covered: b.covered}
	for _, it := range b.items {
		if _, ok := known[it.command.Name()]; !ok {
			out.items = append(out.items, it)
		}
	}
	return out
}
