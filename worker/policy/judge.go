package policy

import (
	"context"
	"fmt"
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
