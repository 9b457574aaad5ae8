package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"certrecall/messages"
)

// batch is a whole input as commands, checked and encoded: what is sent, or
// nothing is.
type batch struct {
	items []item
	// repeated are lines that say again what an earlier one says.
	repeated []int
	// covered are lines about one certificate of an order that another line
	// revokes as a whole.
	covered []int
}

// item is one command and its body.
type item struct {
	line    int
	command messages.Command
	body    []byte
}

// batcher makes commands of rows.
type batcher struct {
	lane     messages.Lane
	source   string
	incident string // of rows that name none
	again    int
	dryRun   bool
	// defaults are what the flags give for rows that do not.
	defaults []member
}

// batch makes a command of each row and checks all of them as a worker does.
// With any problem there is no batch.
func (b batcher) batch(rows []row, problems []problem) (batch, error) {
	type place struct {
		line   int
		digest string
	}
	var out batch
	ids := make(map[messages.CommandName]place, len(rows))
	whole := map[int64]bool{}
	for _, r := range rows {
		it, found := b.item(r)
		if len(found) > 0 {
			problems = append(problems, found...)
			continue
		}
		here := place{r.line, it.command.Digest()}
		first, twice := ids[it.command.Name()]
		switch {
		case !twice:
			ids[it.command.Name()] = here
			out.items = append(out.items, it)
			if it.command.CertificateID == 0 {
				whole[it.command.OrderID] = true
			}
		case first.digest == here.digest:
			out.repeated = append(out.repeated, r.line)
		default:
			problems = append(problems, problem{r.line, "id", fmt.Sprintf(
				"%s is the command of line %d too, with other content: leave one of them out", it.command.ID, first.line)})
		}
	}
	if len(problems) > 0 {
		return batch{}, describe(problems)
	}
	for _, it := range out.items {
		if it.command.CertificateID != 0 && whole[it.command.OrderID] {
			out.covered = append(out.covered, it.line)
		}
	}
	return out, nil
}

// item makes a command of one row. The row's object is completed by the
// defaults and decoded as the workers decode it; then the command gets its id.
func (b batcher) item(r row) (item, []problem) {
	const standIn = "x" // where the id follows from the order, which is not decoded yet
	defaults := append(slices.Clone(b.defaults), textMember("id", standIn))
	if b.incident != "" {
		defaults = append(defaults, textMember("incident", b.incident))
	}
	c, err := messages.DecodeCommand(b.lane, b.source, nil, r.with(defaults))
	if err != nil {
		return item{}, problemsOf(r.line, err)
	}
	c.DryRun = c.DryRun || b.dryRun
	if !r.given["id"] {
		c.ID = commandID(c)
	}
	if b.again > 0 {
		c.ID += "-again" + strconv.Itoa(b.again)
	}
	body, err := messages.EncodeCommand(c)
	if err != nil {
		return item{}, problemsOf(r.line, err)
	}
	return item{r.line, c, body}, nil
}

// commandID is the id of a command that is given none: the same for the same
// order and incident, so that sending it twice is sending it once, and another
// for a plan, which never stands in the way of the real thing.
func commandID(c messages.Command) string {
	kind := "revoke"
	switch {
	case c.Action() == messages.ActionListDuplicates:
		kind = "list"
	case c.DryRun:
		kind = "plan"
	}
	id := c.Incident + "-" + kind + "-" + strconv.FormatInt(c.OrderID, 10)
	if c.CertificateID != 0 {
		id += "-" + strconv.FormatInt(c.CertificateID, 10)
	}
	return id
}

func problemsOf(line int, err error) []problem {
	invalid, ok := errors.AsType[*messages.InvalidCommand](err)
	if !ok {
		return []problem{{line, "", err.Error()}}
	}
	var out []problem
	for _, p := range invalid.Problems {
		if p.Field == "comments" && p.Detail == "missing; it is required" {
			p.Detail = "missing; give --comments, or a column of that name"
		}
		out = append(out, problem{line, p.Field, p.Detail})
	}
	return out
}
