package policy

import (
	"context"
	"slices"
	"strings"
	"time"

	"certrecall/messages"
)

// accountBook follows one source.
type accountBook struct {
	reading
	judge      *Judge
	book       *account
	generation uint64
}

// account gives the book of a source that reaches as far back as a claim needs.
func (j *Judge) account(source string, l Limits, at time.Time) *accountBook {
	<-j.started
	j.mu.Lock()
	defer j.mu.Unlock()
	from := at.Add(-l.longest() - slack)
	b := j.accounts[source]
	if b == nil || b.from.After(from) {
		if b != nil {
			go b.stop()
		}
		b = &accountBook{judge: j}
		b.subject, b.from = j.cfg.Names.SourceSubject(source), from
		b.begin = func() { b.book = newAccount(j.cfg.Policy().Of(source).Limits) }
		b.take = b.follow
		j.accounts[source] = b
		b.start(j)
	}
	b.asked = time.Now()
	return b
}

// follow takes events in. Of the past everything is known before anything is
// decided.
func (b *accountBook) follow(ctx context.Context, all []event) error {
	past := !b.ready
	for _, e := range all {
		if e.name != messages.EventRevokeAccepted {
			if m := markOf(e.name); m != 0 {
				b.book.mark(e.cmd.Key(), m)
			}
			continue
		}
		c, covered := e.claim(), false
		if !past {
			var err error
			if covered, err = b.covered(ctx, &c); err != nil {
				return err
			}
		}
		b.book.add(c, covered)
	}
	if past {
		b.generation = b.judge.generation()
		if err := b.again(ctx); err != nil {
			return err
		}
	}
	b.book.prune()
	return nil
}

// again decides anew about all claims, with what allowances say of them.
func (b *accountBook) again(ctx context.Context) error {
	covered := map[*claim]bool{}
	for _, c := range b.book.claims {
		yes, err := b.covered(ctx, c)
		if err != nil {
			return err
		}
		covered[c] = yes
	}
	b.book.again(b.book.limits, func(c *claim) bool { return covered[c] })
	return nil
}

// covered asks the allowance of a claim.
func (b *accountBook) covered(ctx context.Context, c *claim) (bool, error) {
	if len(b.judge.cfg.Said(c.thing)) == 0 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return b.judge.thing(c.thing).covers(ctx, c.name)
}

func (b *accountBook) admits(ctx context.Context, c Claim) (*messages.Held, error) {
	key := c.Name.Key()
	if err := b.await(ctx, func() bool { return b.book.byName[key] != nil }); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	limits, generation := b.judge.cfg.Policy().Of(c.Name.Source).Limits, b.judge.generation()
	if b.generation != generation || !slices.Equal(limits, b.book.limits) {
		b.book.limits, b.generation = limits, generation
		if err := b.again(ctx); err != nil {
			b.generation = 0
			return nil, err
		}
	}
	known := b.book.byName[key]
	switch {
	case known == nil:
		return nil, errNotRead
	case known.covered, !known.held && !known.over, known.begun && !known.held:
		return nil, nil
	}
	held := &messages.Held{Source: c.Name.Source, Limit: known.reached.String(), Count: known.before}
	if !known.over {
		held.Limit = limits.String()
	}
	return held, nil
}

// thingBook follows one incident, or one source's commands without one.
type thingBook struct {
	reading
	judge      *Judge
	thing      string
	book       *allowance
	generation uint64
}

func (j *Judge) thing(thing string) *thingBook {
	<-j.started
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.things[thing]
	if b == nil {
		b = &thingBook{judge: j, thing: thing}
		kind, name, _ := strings.Cut(thing, ".")
		b.subject = j.cfg.Names.IncidentSubject(name)
		if kind == "source" {
			b.subject = j.cfg.Names.ChainSubject(messages.CommandName{Source: name, ID: "*"})
		}
		b.begin = func() { b.book = newAllowance(); b.generation = 0 }
		b.take = b.follow
		j.things[thing] = b
		b.start(j)
	}
	b.asked = time.Now()
	return b
}

func (b *thingBook) follow(_ context.Context, all []event) error {
	for _, e := range all {
		if e.name == messages.EventRevokeAccepted {
			b.book.claimed(e.claim())
		} else if m := markOf(e.name); m != 0 {
			b.book.mark(e.cmd.Key(), m, e.at)
		}
	}
	return nil
}

// refresh works everything out anew if something was said, and lets time pass.
// mu is held.
func (b *thingBook) refresh() {
	now := b.judge.cfg.Now()
	if generation := b.judge.generation(); b.generation != generation {
		b.generation = generation
		b.book.say(b.judge.cfg.Said(b.thing), b.judge.cfg.Policy().SecondOperatorAbove, now)
		return
	}
	b.book.pass(now)
}

// covers tells whether the allowance covers a claim, once it was read.
func (b *thingBook) covers(ctx context.Context, name string) (bool, error) {
	if err := b.await(ctx, func() bool { return b.book.byName[name] != nil }); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh()
	return b.book.covers(name), nil
}
