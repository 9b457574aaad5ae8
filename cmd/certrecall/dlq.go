package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/deadletters"
	"certrecall/worker/status"
)

// dlqCmd is about the dead letters: commands that could not be carried out.
type dlqCmd struct {
	Ls     dlqLsCmd     `cmd:"" help:"List dead letters."`
	Show   dlqShowCmd   `cmd:"" help:"Show one dead letter whole."`
	Replay dlqReplayCmd `cmd:"" help:"Send dead letters again, as new commands."`
	Drop   dlqDropCmd   `cmd:"" help:"Drop dead letters, each by its number."`
}

// letterFilter selects dead letters.
type letterFilter struct {
	Lane      string `name:"lane" help:"Of this lane: revoke-urgent, revoke or list-duplicates."`
	Source    string `name:"source" placeholder:"NAME" help:"Of this system."`
	ErrorType string `name:"error-type" placeholder:"TYPE" help:"With this error, as gave-up or refused."`
	Incident  string `name:"incident" placeholder:"NAME" help:"Of this incident."`
	Older     string `name:"older" placeholder:"DURATION" help:"Stored longer ago than this, as 2h or 3d."`
	Newer     string `name:"newer" placeholder:"DURATION" help:"Stored within this time."`
}

// read reads the flags; what is wrong with them goes into s.
func (f letterFilter) read(s *settings) deadletters.Filter {
	k := deadletters.Filter{
		Lane: messages.Lane(f.Lane), Source: f.Source, Incident: f.Incident, ErrorType: messages.ErrorType(f.ErrorType),
	}
	if f.Lane != "" && messages.Lane(f.Lane).Action() == "" {
		s.bad("lane", "%q: set revoke-urgent, revoke or list-duplicates", f.Lane)
	}
	if f.Source != "" && !messages.ValidSource(f.Source) {
		s.bad("source", "%q cannot be a source: 1 to 64 characters of A-Z, a-z, 0-9, _ and -", f.Source)
	}
	if f.Incident != "" && !messages.ValidIncident(f.Incident) {
		s.bad("incident", "%q cannot be an incident: 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not - alone", f.Incident)
	}
	if f.ErrorType != "" && !slices.Contains(messages.ErrorTypes(), messages.ErrorType(f.ErrorType)) {
		s.bad("error-type", "%q: there is none of that name; it is one of %s", f.ErrorType, joined(messages.ErrorTypes()))
	}
	const shortest, longest = time.Nanosecond, 100 * 365 * 24 * time.Hour
	if f.Older != "" {
		k.Older = s.duration("older", f.Older, shortest, longest)
	}
	if f.Newer != "" {
		k.Newer = s.duration("newer", f.Newer, shortest, longest)
	}
	return k
}

func joined[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, t := range all {
		texts[i] = string(t)
	}
	return strings.Join(texts, ", ")
}

// any reports whether anything is selected by the filter.
func (f letterFilter) any() bool { return f != letterFilter{} }

// letterError adds the way to the numbers that there are.
func letterError(err error) error {
	if _, none := errors.AsType[*deadletters.NoSuchLetter](err); none {
		return fmt.Errorf("%w: certrecall dlq ls names those that are there", err)
	}
	return err
}

// dlqLsCmd lists dead letters.
type dlqLsCmd struct {
	natsFlags
	letterFilter
	JSON bool `name:"json" help:"Print JSON, one dead letter a line."`
}

// Help is the long help, with examples.
func (dlqLsCmd) Help() string {
	return `In a pipe each line is tab-separated: letter, number, time, lane, order, error, detail, command.

Examples:
  certrecall dlq ls
  certrecall dlq ls --error-type gave-up --newer 2h`
}

// Run lists.
func (c *dlqLsCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	pick := c.read(s)
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	session, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer session.conn.Close()
	d, err := deadletters.Open(ctx, session.js, session.names)
	if err != nil {
		return err
	}
	table := section{
		tag: "letter", header: []string{"number", "stored", "lane", "order", "error", "detail", "command"}, right: []int{0, 3}, wrap: 6,
	}
	lines := &jsonLines{p: p}
	found := 0
	for l, err := range d.All(ctx, pick) {
		if err != nil {
			return err
		}
		if found++; c.JSON {
			lines.line(document(l, false))
			continue
		}
		table.add(strconv.FormatUint(l.Number, 10), stamp(l.Stored), string(l.Lane), number(l.Command.OrderID),
			orDash(l.About.ErrorType), orDash(l.About.Detail), nameOf(l))
	}
	if found == 0 {
		if err := c.mistake(ctx, session); err != nil || c.JSON {
			return err
		}
		all, err := d.Count(ctx)
		if err != nil {
			return err
		}
		table.note("none of %s", counted(int(all), "dead letter"))
	}
	if !c.JSON {
		p.show(table)
	}
	return nil
}

// mistake is the error where an incident or a source is named that nobody knows.
func (f letterFilter) mistake(ctx context.Context, s session) error {
	if f.Incident == "" && f.Source == "" {
		return nil
	}
	r, err := status.Open(ctx, s.js, s.names)
	if err != nil {
		return err
	}
	return unknownIn(ctx, r, status.Filter{Incident: f.Incident, Source: f.Source})
}

// dlqShowCmd shows one dead letter.
type dlqShowCmd struct {
	natsFlags
	Number uint64 `arg:"" help:"Its number, as dlq ls tells."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (dlqShowCmd) Help() string {
	return "Example:\n  certrecall dlq show 17"
}

// Run shows.
func (c *dlqShowCmd) Run(ctx context.Context, p *process) error {
	session, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer session.conn.Close()
	d, err := deadletters.Open(ctx, session.js, session.names)
	if err != nil {
		return err
	}
	l, err := d.Get(ctx, c.Number)
	if err != nil {
		return letterError(err)
	}
	if c.JSON {
		return p.printJSON(document(l, true))
	}
	p.show(letterSections(l)...)
	return nil
}

// nameOf names the command of a dead letter, as far as there is one.
func nameOf(l deadletters.Letter) string {
	if l.Source != "" && l.ID() != "" {
		return l.Name().String()
	}
	return orDash(l.Source) + "/" + orDash(l.ID())
}
