package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"certrecall/messages"
	"certrecall/worker/status"
)

// lookUpTimeout bounds the look at what is known: it is a courtesy, and what is
// known is not done twice anyway.
const lookUpTimeout = time.Minute

// knownItem is a command that was sent before.
type knownItem struct {
	item
	row status.Row
}

// lookUp finds which commands were sent before with the same content: they are
// not sent again. One whose id stands for another content is a mistake that is
// found here and not by the workers. Without the right to look, nothing is
// known.
func (c *submission) lookUp(ctx context.Context, p *process, s session, all batch) (map[messages.CommandName]knownItem, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	filter := status.Filter{Source: c.Source}
	if name := all.incident(); name != "several" {
		filter.Incident = name
	}
	var view *status.View
	r, err := status.Open(ctx, s.js, s.names)
	if err == nil {
		view, err = r.Load(ctx, filter)
	}
	if err != nil {
		if ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return nil, context.Cause(ctx)
		}
		p.say("certrecall: which of them are known already cannot be told (%v); what is known is not done twice", err)
		return nil, nil
	}
	known := map[messages.CommandName]knownItem{}
	var problems []problem
	for _, it := range all.items {
		row, found := view.Get(it.command.Name(), r.Now())
		switch {
		case !found || row.State == status.Invalid:
		case it.same(row):
			known[it.command.Name()] = knownItem{it, row}
		default:
			problems = append(problems, problem{it.line, "id", fmt.Sprintf(
				"%s stands for another command since %s (%s): send the same content, or make it another try with --again",
				it.command.ID, stamp(row.Received), row.State)})
		}
	}
	if len(problems) > 0 {
		return nil, describe(problems)
	}
	return known, nil
}

// same reports whether the command is the known one. Who asks for it is part of
// the content; a colleague who sends the same file means the same.
func (it item) same(row status.Row) bool {
	if row.Digest == "" {
		return true
	}
	c := it.command
	if c.Digest() == row.Digest {
		return true
	}
	c.RequestedBy = row.RequestedBy
	return c.Digest() == row.Digest
}
