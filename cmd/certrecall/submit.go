package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/status"
	"certrecall/worker/submission"
)

// submitCmd sends commands.
type submitCmd struct {
	Revoke         submitRevokeCmd `cmd:"" help:"Revoke orders, or single certificates of them."`
	ListDuplicates submitListCmd   `cmd:"" help:"List the duplicate certificates of orders."`
}

// submitFlags is what both kinds of commands have in common.
type submitFlags struct {
	natsFlags
	File          string   `arg:"" optional:"" help:"Orders: CSV with a header row, or JSON lines, with the fields of a command; - is standard input."`
	Orders        []string `name:"order" aliases:"order-id" placeholder:"ID" sep:"none" help:"An order, in place of a file; several by commas."`
	FailedOf      string   `name:"failed-of" placeholder:"INCIDENT" help:"In place of a file: what failed of this incident, as another try of it."`
	Format        string   `name:"format" default:"auto" help:"csv, jsonl, or auto: by the name of the file, else by how it begins."`
	OrderColumn   string   `name:"order-column" placeholder:"NAME" help:"The CSV column that holds the order, as \"Order #\" in an export of CertCentral."`
	IgnoreColumns bool     `name:"ignore-columns" help:"Pass over CSV columns that are no field of a command."`
	Max           string   `name:"max" placeholder:"N" help:"Send nothing if there are more than N commands."`

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
	submitFlags
	Certificate  string `name:"certificate" aliases:"certificate-id" placeholder:"ID" help:"With one --order: revoke only this certificate of it."`
	Comments     string `name:"comments" placeholder:"TEXT" help:"Why; DigiCert keeps it with the request. Required, here or as a column."`
	Reason       string `name:"revocation-reason" placeholder:"REASON" help:"unspecified, keyCompromise, affiliationChanged, superseded or cessationOfOperation."`
	CommonName   string `name:"expected-common-name" placeholder:"NAME" help:"With one --order: send nothing unless its certificate has this common name. In a file, a column of its own."`
	SkipApproval bool   `name:"skip-approval" help:"Revoke at once, without an administrator's approval: needs a key with administrator rights."`
	Deadline     string `name:"deadline" placeholder:"TIME" help:"When it must be done (RFC 3339); what is not done then is reported as overdue."`
	Urgent       bool   `name:"urgent" help:"Go before all other commands."`
	DryRun       bool   `name:"dry-run" help:"Report what would be revoked, and revoke nothing."`
}

type submitListCmd struct {
	submitFlags
	ShowArchived bool `name:"show-archived" help:"List archived duplicates too."`
}

// Help is the long help, with examples.
func (submitRevokeCmd) Help() string {
	return `A revocation cannot be undone. The whole input is checked before anything is sent; a line with a mistake, and nothing is sent (exit code 2).
A file needs one column, order_id; other columns are named as the fields of a command (certificate_id, comments, revocation_reason, skip_approval,
expected_common_name, deadline, …) and go before the flags. The id of a command follows from incident and order, so sending the same file twice is
sending it once: what was cut off is finished by the same command with the same --incident.

Examples:
  certrecall submit revoke --order 1234567 --comments "INC-42: key leaked" --revocation-reason keyCompromise
  certrecall submit revoke orders.csv --incident INC-42 --comments "INC-42: key leaked" --dry-run
  certrecall submit revoke orders.csv --incident INC-42 --comments "INC-42: key leaked" --deadline 2026-03-01T17:00:00Z --max 500
  certrecall submit revoke export.csv --order-column "Order #" --ignore-columns --incident INC-42 --comments "INC-42: key leaked"
  certrecall submit revoke --failed-of INC-42
  jq -c '{order_id: .id}' orders.json | certrecall submit revoke - --comments "INC-42: key leaked" --yes`
}

// Help is the long help, with examples.
func (submitListCmd) Help() string {
	return `Nothing is changed at DigiCert; the lists arrive as events duplicates-listed, and certrecall duplicates shows them.

Examples:
  certrecall submit list-duplicates --order 1234567
  certrecall submit list-duplicates orders.csv --incident INC-42 --show-archived`
}

// Run revokes.
func (c *submitRevokeCmd) Run(ctx context.Context, p *process) error {
	b := submission.Batcher{Lane: messages.LaneRevoke, DryRun: c.DryRun}
	if c.Urgent {
		b.Lane = messages.LaneRevokeUrgent
	}
	given(&b, "comments", c.Comments)
	given(&b, "revocation_reason", c.Reason)
	given(&b, "deadline", c.Deadline)
	given(&b, "expected_common_name", c.CommonName)
	if c.SkipApproval {
		b.Defaults = append(b.Defaults, submission.True("skip_approval"))
	}
	return c.run(ctx, p, &b, one{c.Certificate, c.CommonName})
}

// Run lists.
func (c *submitListCmd) Run(ctx context.Context, p *process) error {
	b := submission.Batcher{Lane: messages.LaneListDuplicates}
	if c.ShowArchived {
		b.Defaults = append(b.Defaults, submission.True("show_archived"))
	}
	return c.run(ctx, p, &b, one{})
}

// one is what only makes sense for one order.
type one struct{ certificate, commonName string }

// given takes what a flag says for rows that do not say it themselves.
func given(b *submission.Batcher, field, value string) {
	if value != "" {
		b.Defaults = append(b.Defaults, submission.Text(field, value))
	}
}

func (c *submitFlags) run(ctx context.Context, p *process, b *submission.Batcher, o one) error {
	made := c.Incident == "" && c.FailedOf == ""
	orders, err := c.complete(p, b, o)
	if err != nil {
		return err
	}
	var s session
	if c.FailedOf == "" { // the whole input is checked before anybody is asked
		all, err := c.read(p, b, orders, o.certificate)
		if err != nil {
			return usageOfInput(err)
		}
		if s, err = c.open(ctx, p); err != nil {
			return err
		}
		defer s.conn.Close()
		return c.submit(ctx, p, s, b, all, made && c.Again == "")
	}
	if s, err = c.open(ctx, p); err != nil {
		return err
	}
	defer s.conn.Close()
	all, err := c.readFailed(ctx, s, b)
	if err != nil {
		return err
	}
	return c.submit(ctx, p, s, b, all, false)
}

// submit stores what is not known yet. Of an incident that was just made
// nothing can be known.
func (c *submitFlags) submit(ctx context.Context, p *process, s session, b *submission.Batcher, all submission.Batch, made bool) error {
	past := submission.Past{}
	if !made || all.Foreign(b.Incident) {
		var err error
		if past, err = c.lookUp(ctx, p, s, all); err != nil {
			return usageOfInput(err)
		}
	}
	fresh := all.Without(past.Known)
	incident, same := all.Incident()
	if !same {
		incident = "several"
	}
	out := outcome{submitFlags: c, all: all, past: past, fresh: fresh, lane: b.Lane, incident: incident}
	if n := fresh.Revocations(); n > 0 {
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

// usageOfInput makes wrong usage of what is wrong with the input.
func usageOfInput(err error) error {
	if problems, ok := errors.AsType[submission.Problems](err); ok {
		var out usageError
		for _, line := range problems.Lines() {
			out = append(out, clean([]string{line})[0])
		}
		return out
	}
	if unreadable, ok := errors.AsType[*submission.Unreadable](err); ok {
		return usageError{unreadable.Error()}
	}
	return err
}

// complete checks the flags and takes them into b. Each problem names its flag.
func (c *submitFlags) complete(p *process, b *submission.Batcher, o one) (orders []string, err error) {
	s := p.settings()
	if !messages.ValidSource(c.Source) {
		s.bad("source", "%q: set 1 to 64 characters of A-Z, a-z, 0-9, _ and -", c.Source)
	}
	if c.FailedOf != "" {
		if c.Incident != "" && c.Incident != c.FailedOf {
			s.bad("incident", "set together with --failed-of: what failed is tried again in its own incident")
		}
		c.Incident = c.FailedOf
	}
	if c.Incident == "" {
		c.Incident = submission.NewIncident(time.Now())
	} else if !messages.ValidIncident(c.Incident) || messages.ReservedID(c.Incident+"-revoke-1") {
		s.bad("incident", "%q: set 1 to 64 characters of A-Z, a-z, 0-9, _ and -, not beginning with seq-", c.Incident)
	}
	if c.Again != "" {
		b.Again = s.integer("again", c.Again, 1, 999)
	}
	if c.Max != "" {
		b.Max = s.integer("max", c.Max, 1, 10_000_000)
	}
	switch c.Format {
	case "auto", "csv", "jsonl":
	default:
		s.bad("format", "%q: set auto, csv or jsonl", c.Format)
	}
	orders = c.orders(s, o)
	given(b, "expires", c.Expires)
	given(b, "requested_by", c.RequestedBy)
	if c.Context != "" {
		if context := strings.TrimSpace(c.Context); !strings.HasPrefix(context, "{") || !json.Valid([]byte(context)) {
			s.bad("context", "is not a JSON object")
		} else {
			b.Defaults = append(b.Defaults, submission.JSON("context", context))
		}
	}
	b.Source, b.Incident = c.Source, c.Incident
	for _, one := range b.CheckDefaults() {
		lines := submission.Problems{{Detail: one.Detail, Value: one.Value}}.Lines()
		s.bad(strings.ReplaceAll(one.Field, "_", "-"), "%s", lines[0])
	}
	c.check(s)
	return orders, s.err()
}

// orders reads the orders that are given by flags.
func (c *submitFlags) orders(s *settings, o one) []string {
	var orders []string
	for _, text := range c.Orders {
		list, err := submission.OrderList(text)
		if err != nil {
			s.bad("order", "%v", err)
		}
		orders = append(orders, list...)
	}
	ways := 0
	for _, given := range []bool{c.File != "", len(c.Orders) > 0, c.FailedOf != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		s.bad("order", "name a file (- is standard input), orders, or --failed-of, one of them")
	}
	if o.certificate != "" && len(orders) != 1 {
		s.bad("certificate", "goes with exactly one --order; in a file, name a column certificate_id")
	}
	if o.commonName != "" && len(orders) != 1 {
		s.bad("expected-common-name", "goes with exactly one --order; in a file, name a column expected_common_name")
	}
	return orders
}

// read gives the whole input as commands, or every problem of it.
func (c *submitFlags) read(p *process, b *submission.Batcher, orders []string, certificate string) (submission.Batch, error) {
	how := submission.Input{Name: c.File, Format: c.Format, OrderColumn: c.OrderColumn, IgnoreColumns: c.IgnoreColumns}
	switch c.File {
	case "":
		rows := make([]submission.Row, len(orders))
		for i, order := range orders {
			fields := []submission.Field{submission.Text("order_id", order)}
			if certificate != "" {
				fields = append(fields, submission.Text("certificate_id", certificate))
			}
			rows[i] = submission.Fields(fields...)
		}
		return b.Rows(rows...)
	case "-":
		how.Name = ""
		return b.Read(p.stdin, how)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return submission.Batch{}, usageError{err.Error()}
	}
	defer f.Close()
	return b.Read(f, how)
}

// readFailed gives what failed of an incident as another try.
func (c *submitFlags) readFailed(ctx context.Context, s session, b *submission.Batcher) (submission.Batch, error) {
	r, err := status.Open(ctx, s.js, s.names)
	if err != nil {
		return submission.Batch{}, err
	}
	rows, again, err := submission.FailedOf(ctx, r, c.FailedOf, c.Source, b.Lane.Action())
	if err != nil {
		return submission.Batch{}, err
	}
	if b.Again == 0 {
		b.Again = again
	}
	all, err := b.Rows(rows...)
	return all, usageOfInput(err)
}

// lookUpTimeout bounds the look at what is known: it is a courtesy, and what is
// known is not done twice anyway.
const lookUpTimeout = 2 * time.Minute

// lookUp finds which commands were sent before. Without the right to look,
// nothing is known.
func (c *submitFlags) lookUp(ctx context.Context, p *process, s session, all submission.Batch) (submission.Past, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	r, err := status.Open(ctx, s.js, s.names)
	if err != nil {
		return submission.Past{}, c.notTold(ctx, p, err)
	}
	past, err := submission.Known(ctx, r, all)
	if _, wrong := errors.AsType[submission.Problems](err); err != nil && !wrong {
		return submission.Past{}, c.notTold(ctx, p, err)
	}
	return past, err
}

// notTold says that nothing can be told of the past, unless somebody has
// interrupted.
func (c *submitFlags) notTold(ctx context.Context, p *process, err error) error {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	p.say("certrecall: which of them are known already cannot be told (%v); what is known is not done twice", err)
	return nil
}
