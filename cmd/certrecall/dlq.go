package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
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

// letter is one dead letter.
type letter struct {
	number uint64 // its sequence in the dead-letter stream, by which people name it
	stored time.Time
	lane   messages.Lane
	source string
	// incident of the command; "" where it has none or it cannot be read.
	incident string
	about    messages.DeadLetter
	header   nats.Header
	body     []byte
	command  messages.Command
	// invalid says why the body is no command; nil if it is one.
	invalid error
	// unreadable says what is wrong with the dead letter itself.
	unreadable error
}

// id is the command's id, as far as there is one.
func (l letter) id() string {
	if l.command.ID != "" {
		return l.command.ID
	}
	return l.command.ClaimedID
}

// key names the command.
func (l letter) key() string {
	return messages.CommandName{Source: orDash(l.source), Incident: l.incident, ID: orDash(l.id())}.String()
}

// picker is a letterFilter that was read.
type picker struct {
	letterFilter
	older, newer time.Duration
}

func (f letterFilter) read(s *settings) picker {
	k := picker{letterFilter: f}
	if f.Lane != "" && messages.Lane(f.Lane).Action() == "" {
		s.bad("lane", "%q: set revoke-urgent, revoke or list-duplicates", f.Lane)
	}
	if f.Source != "" && !messages.ValidSource(f.Source) {
		s.bad("source", "%q cannot be a source: 1 to 64 characters of A-Z, a-z, 0-9, _ and -", f.Source)
	}
	if f.ErrorType != "" && !slices.Contains(messages.ErrorTypes(), messages.ErrorType(f.ErrorType)) {
		s.bad("error-type", "%q: there is none of that name; it is one of %s", f.ErrorType, joined(messages.ErrorTypes()))
	}
	const longest = 100 * 365 * 24 * time.Hour
	if f.Older != "" {
		k.older = s.duration("older", f.Older, 0, longest)
	}
	if f.Newer != "" {
		k.newer = s.duration("newer", f.Newer, 0, longest)
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

func (k picker) takes(l letter, now time.Time) bool {
	age := now.Sub(l.stored)
	return (k.Lane == "" || string(l.lane) == k.Lane) && (k.Source == "" || l.source == k.Source) &&
		(k.ErrorType == "" || string(l.about.ErrorType) == k.ErrorType) &&
		(k.Incident == "" || l.incident == k.Incident) &&
		(k.Older == "" || age > k.older) && (k.Newer == "" || age <= k.newer)
}

// deadLetters is the stream of them.
type deadLetters struct {
	stream jetstream.Stream
	js     jetstream.JetStream
	names  messages.Names
}

func openDeadLetters(ctx context.Context, s session) (deadLetters, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.names.DeadLettersStream())
	if err != nil {
		return deadLetters{}, fmt.Errorf("opening stream %s: %w", s.names.DeadLettersStream(), err)
	}
	return deadLetters{stream, s.js, s.names}, nil
}

// each gives every dead letter that is stored now, oldest first, until f
// returns false.
func (d deadLetters) each(ctx context.Context, f func(letter) bool) error {
	opening, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	c, err := d.js.OrderedConsumer(opening, d.names.DeadLettersStream(), jetstream.OrderedConsumerConfig{InactiveThreshold: time.Minute})
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", d.names.DeadLettersStream(), err)
	}
	if c.CachedInfo().NumPending == 0 {
		return nil
	}
	it, err := c.Messages()
	if err != nil {
		return fmt.Errorf("reading stream %s: %w", d.names.DeadLettersStream(), err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", d.names.DeadLettersStream(), err)
		}
		at, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", d.names.DeadLettersStream(), err)
		}
		if !f(d.letter(at.Sequence.Stream, at.Timestamp, m.Subject(), m.Headers(), m.Data())) || at.NumPending == 0 {
			return nil
		}
	}
}

// get gives one dead letter by its number.
func (d deadLetters) get(ctx context.Context, number uint64) (letter, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	m, err := d.stream.GetMsg(ctx, number)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return letter{}, fmt.Errorf("there is no dead letter %d: certrecall dlq ls names those that are there", number)
	}
	if err != nil {
		return letter{}, fmt.Errorf("reading dead letter %d: %w", number, err)
	}
	return d.letter(m.Sequence, m.Time, m.Subject, m.Header, m.Data), nil
}

func (d deadLetters) letter(number uint64, stored time.Time, subject string, header nats.Header, body []byte) letter {
	l := letter{number: number, stored: stored.UTC(), header: header, body: body}
	var subjectErr, headerErr error
	l.lane, l.source, l.incident, subjectErr = d.names.ParseDeadLetterSubject(subject)
	l.about, headerErr = messages.ParseDeadLetter(header)
	l.unreadable = errors.Join(subjectErr, headerErr)
	l.command, l.invalid = messages.DecodeCommand(l.lane, l.source, header, body)
	return l
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
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	d, err := openDeadLetters(ctx, nats)
	if err != nil {
		return err
	}
	table := section{
		tag: "letter", header: []string{"number", "stored", "lane", "order", "error", "detail", "command"}, right: []int{0, 3}, wrap: 6,
	}
	lines := &jsonLines{p: p}
	all, now := 0, time.Now()
	err = d.each(ctx, func(l letter) bool {
		switch all++; {
		case !pick.takes(l, now):
		case c.JSON:
			lines.line(l.document(false))
		default:
			table.add(strconv.FormatUint(l.number, 10), stamp(l.stored), string(l.lane), number(l.command.OrderID),
				orDash(l.about.ErrorType), orDash(l.about.Detail), l.key())
		}
		return true
	})
	if err != nil || c.JSON {
		return err
	}
	if len(table.rows) == 0 {
		table.note("none of %s", counted(all, "dead letter"))
	}
	p.print(table)
	return nil
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
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	d, err := openDeadLetters(ctx, nats)
	if err != nil {
		return err
	}
	l, err := d.get(ctx, c.Number)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.printJSON(l.document(true))
	}
	p.print(l.sections()...)
	return nil
}
