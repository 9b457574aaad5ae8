package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"certrecall/worker/deadletters"
	"certrecall/worker/statements"
	"certrecall/worker/submission"
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
	d, err := deadletters.Open(ctx, session.js, session.names)
	if err != nil {
		return err
	}
	letters, err := d.Choose(ctx, c.Numbers, pick)
	if err != nil {
		return letterError(err)
	}
	if len(letters) == 0 {
		if err := c.mistake(ctx, session); err != nil {
			return err
		}
	}
	todo := deadletters.Prepare(letters, time.Now())
	commands, _ := todo.Commands()
	if n := submission.Revocations(commands); n > 0 {
		p.say("To be revoked at DigiCert, which cannot be undone: %s again.", counted(n, "command"))
		namedReplays(p, todo)
		if err := p.confirm(ctx, c.Yes, n, "replay"); err != nil {
			return err
		}
	}
	if err := c.say(ctx, p, session, wordsOf(todo)); err != nil {
		return err
	}
	err = sendReplays(ctx, p, session, todo)
	if err == nil && !c.Keep {
		err = removeReplayed(ctx, d, todo)
	}
	printReplays(p, todo, c.JSON)
	if n := todo.Problems(); err == nil && n > 0 {
		err = fmt.Errorf("%d of %s not replayed", n, counted(len(todo), "dead letter"))
	}
	return err
}

// namedReplays names what is sent again: each up to ten, else the first and the last.
func namedReplays(p *process, todo deadletters.Replays) {
	var all []deadletters.Replayed
	for _, one := range todo {
		if one.New.ID != "" && submission.Revokes(one.New) {
			all = append(all, one)
		}
	}
	name := func(one deadletters.Replayed) {
		what := "order " + number(one.New.OrderID)
		if one.New.CertificateID != 0 {
			what += ", certificate " + number(one.New.CertificateID)
		}
		p.say("  %d  %s, of %s: %s", one.Number, what, nameOf(one.Letter), orDash(one.Letter.About.ErrorType))
	}
	for i, one := range all {
		switch {
		case len(all) <= namedOrders || i < firstOrders || i == len(all)-1:
			name(one)
		case i == firstOrders:
			p.say("  …")
		}
	}
}

// wordsOf say of each dead letter as which command it is sent again.
func wordsOf(todo deadletters.Replays) []statements.Statement {
	var all []statements.Statement
	for _, one := range todo {
		if one.New.ID != "" {
			all = append(all, statements.Statement{
				Verb: statements.Replay, What: strconv.FormatUint(one.Number, 10),
				Words: statements.Words{Incident: one.New.Incident, Command: one.Command},
			})
		}
	}
	return all
}

func sendReplays(ctx context.Context, p *process, s session, todo deadletters.Replays) error {
	pub, err := p.publisher(s)
	if err != nil {
		return err
	}
	commands, at := todo.Commands()
	pub.Stored = func(i int) { todo[at[i]].Sent = true }
	return pub.Publish(ctx, commands)
}

// removeReplayed takes away the dead letters whose commands are stored. A crash
// before it leaves them; replaying them again is the same command.
func removeReplayed(ctx context.Context, d *deadletters.DeadLetters, todo deadletters.Replays) error {
	for i := range todo {
		if !todo[i].Sent {
			continue
		}
		if err := d.Remove(ctx, todo[i].Number); err != nil {
			return err
		}
		todo[i].Removed = true
	}
	return nil
}

func printReplays(p *process, todo deadletters.Replays, asJSON bool) {
	table := section{tag: "replayed", header: []string{"dead letter", "new command", "what became of it"}, right: []int{0}, wrap: 3}
	lines := &jsonLines{p: p}
	for _, one := range todo {
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
	if len(todo) == 0 {
		table.note("no dead letter is selected")
	}
	p.show(table)
}
