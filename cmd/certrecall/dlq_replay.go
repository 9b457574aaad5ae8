package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
	"certrecall/worker/statements"
)

// dlqReplayCmd sends dead letters again.
type dlqReplayCmd struct {
	natsFlags
	lettersWord
	letterFilter
	Numbers []uint64 `arg:"" optional:"" help:"Numbers, as dlq ls tells."`
	All     bool     `name:"all" help:"All of them."`
	Keep    bool     `name:"keep" help:"Leave the dead letters where they are."`
	Yes     bool     `name:"yes" help:"Do not ask."`
	JSON    bool     `name:"json" help:"Print JSON, one dead letter a line."`
}

// Help is the long help, with examples.
func (dlqReplayCmd) Help() string {
	return `Each becomes a new command of the same source in the same lane, and goes through the same checks as any other. Its id is the first one with
-replay- and a number behind it, so that replaying twice is one command. A dead letter goes away when its command is stored (--keep leaves it);
what cannot be replayed as it is (no valid command, expired) is named and stays.

Examples:
  certrecall dlq replay 17
  certrecall dlq replay --error-type gave-up --incident INC-42
  certrecall dlq replay --all --yes`
}

// replayed is what became of one dead letter.
type replayed struct {
	Number  uint64 `json:"number"`
	Command string `json:"command,omitempty"` // the name of the new one
	Sent    bool   `json:"sent"`
	Removed bool   `json:"removed"`
	Problem string `json:"problem,omitempty"`
}

// replay makes the new command of a dead letter.
func (l letter) replay(now time.Time) (messages.Command, error) {
	if l.unreadable != nil {
		return messages.Command{}, l.unreadable
	}
	if l.source == messages.InvalidSource {
		return messages.Command{}, errors.New("source: it broke the rule, so nobody is known who could speak for it: submit it anew")
	}
	if l.invalid != nil {
		return messages.Command{}, fmt.Errorf("%w: mend it and submit it anew", l.invalid)
	}
	c := l.command
	if !c.Expires.IsZero() && !now.Before(c.Expires) {
		return messages.Command{}, fmt.Errorf("expires: it was not to be carried out after %s: submit it anew", stamp(c.Expires))
	}
	c.ReplayOf = c.ID
	c.ID = messages.ReplayID(c.ID, l.about.Sequence)
	return c, nil
}

// Run replays what the arguments select.
func (c *dlqReplayCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	pick := c.read(s)
	ways := 0
	for _, chosen := range []bool{len(c.Numbers) > 0, c.All || c.any()} {
		if chosen {
			ways++
		}
	}
	if ways != 1 {
		s.bad("all", "name numbers, or a filter, or --all")
	}
	c.lettersWord.check(s)
	c.natsFlags.check(s)
	if err := s.err(); err != nil {
		return err
	}
	session, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer session.conn.Close()
	d, err := openDeadLetters(ctx, session)
	if err != nil {
		return err
	}
	letters, err := d.choose(ctx, c.Numbers, pick)
	if err != nil {
		return err
	}
	todo := prepare(letters, time.Now())
	if n := todo.revocations(); n > 0 {
		p.say("To be revoked at DigiCert, which cannot be undone: %s again.", counted(n, "command"))
		if err := p.confirm(ctx, c.Yes, n, "replay"); err != nil {
			return err
		}
	}
	if err := c.say(ctx, p, session, todo.statements()); err != nil {
		return err
	}
	err = todo.send(ctx, p, session)
	if err == nil && !c.Keep {
		err = todo.remove(ctx, d)
	}
	todo.print(p, c.JSON)
	if err != nil {
		return err
	}
	return todo.problems()
}

// choose gives the dead letters with the numbers, or those that the filter takes.
func (d deadLetters) choose(ctx context.Context, numbers []uint64, pick picker) ([]letter, error) {
	var letters []letter
	for _, n := range slices.Compact(slices.Sorted(slices.Values(numbers))) {
		l, err := d.get(ctx, n)
		if err != nil {
			return nil, err
		}
		letters = append(letters, l)
	}
	if len(numbers) > 0 {
		return letters, nil
	}
	now := time.Now()
	err := d.each(ctx, func(l letter) bool {
		if pick.takes(l, now) {
			letters = append(letters, l)
		}
		return true
	})
	return letters, err
}

// replays are dead letters on their way.
type replays struct {
	results []replayed
	// messages and what stands in results at index.
	messages []message
	commands []messages.Command
	index    []int
}

// prepare makes the new commands, each through the same checks as a producer's.
func prepare(letters []letter, now time.Time) *replays {
	r := &replays{}
	for _, l := range letters {
		result := replayed{Number: l.number}
		c, err := l.replay(now)
		var body []byte
		if err == nil {
			body, err = messages.EncodeCommand(c)
		}
		if err != nil {
			result.Problem = err.Error()
		} else {
			result.Command = c.Name().String()
			r.messages = append(r.messages, message{l.lane, l.source, nats.Header(messages.CommandHeader(c)), body})
			r.commands = append(r.commands, c)
			r.index = append(r.index, len(r.results))
		}
		r.results = append(r.results, result)
	}
	return r
}

// statements say of each dead letter as which command it is sent again.
func (r *replays) statements() []statements.Statement {
	var all []statements.Statement
	for i, at := range r.index {
		all = append(all, statements.Statement{
			Verb: statements.Replay, What: strconv.FormatUint(r.results[at].Number, 10),
			Words: statements.Words{Incident: r.commands[i].Incident, Command: r.results[at].Command},
		})
	}
	return all
}

func (r *replays) revocations() int {
	n := 0
	for _, c := range r.commands {
		if c.Action() == messages.ActionRevoke && !c.DryRun {
			n++
		}
	}
	return n
}

func (r *replays) send(ctx context.Context, p *process, s session) error {
	pub, err := p.newPublisher(s, func(i int) { r.results[r.index[i]].Sent = true })
	if err != nil {
		return err
	}
	return pub.publish(ctx, r.messages)
}

// remove takes away the dead letters whose commands are stored. A crash before
// it leaves them; replaying them again is the same command.
func (r *replays) remove(ctx context.Context, d deadLetters) error {
	for i := range r.results {
		if !r.results[i].Sent {
			continue
		}
		if err := d.remove(ctx, r.results[i].Number); err != nil {
			return err
		}
		r.results[i].Removed = true
	}
	return nil
}

func (d deadLetters) remove(ctx context.Context, number uint64) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	if err := d.stream.DeleteMsg(ctx, number); err != nil {
		return fmt.Errorf("removing dead letter %d: %w", number, err)
	}
	return nil
}

func (r *replays) print(p *process, asJSON bool) {
	table := section{tag: "replayed", header: []string{"dead letter", "new command", "what became of it"}, right: []int{0}, wrap: 3}
	lines := &jsonLines{p: p}
	for _, one := range r.results {
		if asJSON {
			lines.line(one)
			continue
		}
		what := "not sent"
		switch {
		case one.Problem != "":
			what = "not replayed: " + one.Problem
		case one.Removed:
			what = "sent, dead letter removed"
		case one.Sent:
			what = "sent, dead letter kept"
		}
		table.add(strconv.FormatUint(one.Number, 10), orDash(one.Command), what)
	}
	if asJSON {
		return
	}
	if len(r.results) == 0 {
		table.note("no dead letter is selected")
	}
	p.print(table)
}

// problems says how many were not replayed.
func (r *replays) problems() error {
	n := 0
	for _, one := range r.results {
		if one.Problem != "" {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d of %s not replayed", n, counted(len(r.results), "dead letter"))
}
