package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/statements"
)

const (
	// patience bounds how long an answer may take: the events come within
	// milliseconds where NATS answers at all.
	patience = 5 * time.Second
	// idle is how long a book is kept of which nobody asks.
	idle = 10 * time.Minute
	// slack is what clocks of servers may be apart.
	slack = time.Minute
)

// Config is what a [Judge] needs.
type Config struct {
	JS    jetstream.JetStream
	Names messages.Names
	// Policy gives what is in force.
	Policy func() *Policy
	// Said gives all that operators said about a thing with the verb allow, in
	// the order of the server's stamps, and Allowed every such thing.
	Said    func(thing string) []statements.Statement
	Allowed func() []string
	// Now is the server's time.
	Now func() time.Time
}

// Judge tells who may begin. It is safe for concurrent use; make it with
// [NewJudge] and run it.
type Judge struct {
	cfg Config
	ctx context.Context // of the followers; set by Run

	mu       sync.Mutex
	started  chan struct{}
	accounts map[string]*accountBook
	things   map[string]*thingBook
	changes  uint64 // of statements and policy
}

// NewJudge makes a judge. It starts nothing.
func NewJudge(cfg Config) *Judge {
	return &Judge{cfg: cfg, started: make(chan struct{}), accounts: map[string]*accountBook{}, things: map[string]*thingBook{}}
}

// Claim is the revoke-accepted of a command.
type Claim struct {
	Name     messages.CommandName
	Order    int64
	Sequence uint64 // of the event
	At       time.Time
}

// Admit tells whether a command may begin. nil says that it may; else it is
// held, by whose limit. Where the events cannot be read it is an error, and
// nothing may begin. wasHeld says that its revoke-held is stored: then only an
// allowance lets it go.
func (j *Judge) Admit(ctx context.Context, c Claim, wasHeld bool) (*messages.Held, error) {
	rule := j.cfg.Policy().Of(c.Name.Source)
	if len(rule.Limits) == 0 && !wasHeld {
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("nothing begins before the policy's window can be read"))
	defer cancel()
	thing := thingOf(c.Name)
	if len(j.cfg.Said(thing)) > 0 {
		covered, err := j.thing(thing).covers(ctx, c.Name.Key())
		if err != nil || covered {
			return nil, err
		}
	}
	if wasHeld {
		return &messages.Held{Source: c.Name.Source, Limit: rule.Limits.String()}, nil
	}
	return j.account(c.Name.Source, rule.Limits, c.At).admits(ctx, c)
}

// Released gives, of a thing that is allowed now, the held commands that may go
// on and have not, in the order of their claims.
func (j *Judge) Released(ctx context.Context, thing string) ([]Claim, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNotRead)
	defer cancel()
	b := j.thing(thing)
	if err := b.await(ctx, func() bool { return true }); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh()
	all := make([]Claim, 0, len(b.book.released))
	for _, c := range b.book.released {
		name, err := messages.ParseCommandKey(c.name)
		if err != nil {
			return nil, err
		}
		all = append(all, Claim{Name: name, Order: c.order, Sequence: c.seq, At: c.at})
	}
	return all, nil
}

// Changed tells the judge that operators said something, or that the policy
// changed.
func (j *Judge) Changed() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changes++
}

func (j *Judge) generation() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changes + 1
}

// Run lets the judge read, until ctx ends.
func (j *Judge) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	j.mu.Lock()
	j.ctx = ctx
	close(j.started)
	j.mu.Unlock()
	tick := time.NewTicker(idle / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			j.mu.Lock()
			books := j.all()
			j.mu.Unlock()
			for _, b := range books {
				b.stop()
			}
			return nil
		case <-tick.C:
			j.tidy()
		}
	}
}

// tidy stops what nobody has asked of for a while.
func (j *Judge) tidy() {
	j.mu.Lock()
	var old []*reading
	for source, b := range j.accounts {
		if time.Since(b.asked) > idle {
			delete(j.accounts, source)
			old = append(old, &b.reading)
		}
	}
	for thing, b := range j.things {
		if time.Since(b.asked) > idle {
			delete(j.things, thing)
			old = append(old, &b.reading)
		}
	}
	j.mu.Unlock()
	for _, b := range old {
		b.stop()
	}
}

func (j *Judge) all() []*reading {
	var all []*reading
	for _, b := range j.accounts {
		all = append(all, &b.reading)
	}
	for _, b := range j.things {
		all = append(all, &b.reading)
	}
	return all
}

// reading is a follower that runs.
type reading struct {
	follower
	asked  time.Time // by Judge.mu
	cancel context.CancelFunc
	done   chan struct{}
}

func (r *reading) start(j *Judge) {
	ctx, cancel := context.WithCancel(j.ctx)
	r.js, r.names, r.moved = j.cfg.JS, j.cfg.Names, make(chan struct{})
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
}

func (r *reading) stop() {
	r.cancel()
	<-r.done
}

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

// InForce gives what is allowed something now, as operators and policy say.
func (j *Judge) InForce() []string {
	var all []string
	now, above := j.cfg.Now(), j.cfg.Policy().SecondOperatorAbove
	for _, thing := range j.cfg.Allowed() {
		said, at := j.cfg.Said(thing), now
		if n := len(said); n > 0 && said[n-1].Stamp.After(at) {
			at = said[n-1].Stamp // this clock is a little behind the server's
		}
		if allowed(standing(said, at), above) > 0 {
			all = append(all, thing)
		}
	}
	return all
}
