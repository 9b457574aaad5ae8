package main

import (
	"context"
	"strconv"

	"certrecall/worker/deadletters"
	"certrecall/worker/statements"
)

// dlqDropCmd drops dead letters.
type dlqDropCmd struct {
	natsFlags
	lettersWord
	Numbers []uint64 `arg:"" help:"Numbers, as dlq ls tells."`
	Yes     bool     `name:"yes" help:"Do not ask."`
	JSON    bool     `name:"json" help:"Print JSON, one dead letter a line."`
}

// Help is the long help, with an example.
func (dlqDropCmd) Help() string {
	return `Each is named by its number and named again when it is gone; there is no way to drop all. Its events stay.

Example:
  certrecall dlq drop 17 18`
}

// dropped is one dead letter that is gone.
type dropped struct {
	letterDocument
	Dropped bool `json:"dropped"`
}

// Run drops.
func (c *dlqDropCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
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
	letters, err := d.Choose(ctx, c.Numbers, deadletters.Filter{})
	if err != nil {
		return letterError(err)
	}
	for _, l := range letters {
		p.say("To be dropped: dead letter %d, %s of order %s, %s: %s", l.Number, l.Lane, number(l.Command.OrderID), nameOf(l), orDash(l.About.ErrorType))
	}
	if err := p.confirm(ctx, c.Yes, len(letters), "drop"); err != nil {
		return err
	}
	said := make([]statements.Statement, len(letters))
	for i, l := range letters {
		said[i] = statements.Statement{Verb: statements.Drop, What: strconv.FormatUint(l.Number, 10), Words: statements.Words{Incident: l.Incident, Command: nameOf(l)}}
	}
	if err := c.say(ctx, p, session, said); err != nil {
		return err
	}
	table := section{tag: "dropped", header: []string{"dead letter", "order", "command", "error"}, right: []int{0, 1}}
	lines := &jsonLines{p: p}
	for _, l := range letters {
		if err = d.Remove(ctx, l.Number); err != nil {
			break
		}
		if c.JSON {
			lines.line(dropped{document(l, true), true})
			continue
		}
		table.add(strconv.FormatUint(l.Number, 10), number(l.Command.OrderID), nameOf(l), orDash(l.About.ErrorType))
	}
	if !c.JSON {
		p.show(table)
	}
	return err
}
