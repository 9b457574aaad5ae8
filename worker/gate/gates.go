package gate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Kind is what a gate holds back.
type Kind string

// The kinds of commands. Both is every call.
const (
	Revocations Kind = "revocations"
	Listings    Kind = "listings"
	Both        Kind = ""
)

// Name names a gate, in /readyz, metrics and logs.
type Name string

// The gates.
const (
	Paused     Name = "paused"
	NotBefore  Name = "not-before"
	Circuit    Name = "circuit"
	KeyRefused Name = "key-refused"
	// NotPermitted is a key that DigiCert takes, and refuses nearly everything.
	NotPermitted Name = "not-permitted"
	// Clock is a step of the clock by which leases are judged.
	Clock Name = "clock"
)

// Names lists every gate.
func Names() []Name { return []Name{Paused, NotBefore, Circuit, KeyRefused, NotPermitted, Clock} }

// Reason says why a gate is closed.
type Reason struct {
	Gate   Name
	Kind   Kind      // what it holds back
	Since  time.Time // when it closed; for a pause, when the operator gave it
	Detail string    // one line for people; never a secret, nor anybody's name
	By     string    // who gave a pause
}

func (r Reason) holds(k Kind) bool { return r.Kind == Both || k == Both || r.Kind == k }

// Config says what the gates listen to. Control and Probe are required.
type Config struct {
	// Control is the bucket with the operators' words.
	Control jetstream.KeyValue
	// Conn is the connection of Control: the watch starts anew as soon as it
	// has reconnected. nil = it is restored by its heartbeats alone, which
	// takes up to 20 s.
	Conn *nats.Conn
	// Probe is the neutral read (client.Reader.Probe): no retries, no command. An
	// answer that somebody of the fleet got no longer than maxAge ago will do.
	Probe func(ctx context.Context, maxAge time.Duration) error
	// ProbeFirst lets nothing start before DigiCert has accepted the key once: a
	// wrong key, a wrong address or an outage cost a probe now and then, and not
	// a call a slot.
	ProbeFirst bool
	// KeyChanged carries a value when there is another key; nil = never.
	KeyChanged <-chan struct{}
	// NotBefore is the local time before which no call may begin; nil or zero = none.
	NotBefore func() time.Time
	// NotBeforeChanged carries a value after NotBefore changed; nil = never.
	NotBeforeChanged <-chan struct{}
	// ClockHold is the local time before which no revocation may begin because the
	// clock of leases has stepped, and what happened; nil or zero = none.
	ClockHold func() (until time.Time, detail string)
	// ClockHoldChanged carries a value after ClockHold changed; nil = never.
	ClockHoldChanged <-chan struct{}
	// Changed is called once when a gate closes and once when it opens, in this
	// order. It must be quick, and may read the gates but not Report or Judge.
	Changed func(r Reason, closed bool)
	// Allowed is called after operators said something about allowances, and
	// after all was read anew. It must be quick.
	Allowed func()
	// Now is the clock for Since and ClosedFor, the server's time for example;
	// nil = the local one.
	Now func() time.Time
}

// Gates is safe for concurrent use. Make it with New.
type Gates struct {
	cfg   Config
	clock func() time.Time
	probe prober

	// turn is held while a gate changes and Changed is called, so that these
	// calls come one by one and in order. Taken before mu.
	turn    sync.Mutex
	circuit circuit       // owned by the holder of turn
	mass    mass          // the same
	trials  chan struct{} // there is another trial to wait for

	mu       sync.Mutex
	pending  map[string]Reason // what must happen before anything starts
	closed   map[gateID]Reason
	opened   chan struct{} // closed, and made anew, when something opens
	excused  map[Kind]*meter
	operator words // what operators said
}

type gateID struct {
	name Name
	kind Kind
}

// Conditions of the start.
const (
	controlUnread = "control"
	keyUntried    = "key"
)

// New makes gates that are all open, but lets nothing start before Run has read
// the operators' words.
func New(cfg Config) *Gates {
	g := &Gates{cfg: cfg, clock: cfg.Now, closed: make(map[gateID]Reason), opened: make(chan struct{})}
	if g.clock == nil {
		g.clock = time.Now
	}
	now := g.clock()
	g.pending = map[string]Reason{controlUnread: {Gate: Paused, Since: now, Detail: "the operators' pauses have not been read yet"}}
	if cfg.ProbeFirst {
		g.pending[keyUntried] = Reason{Gate: KeyRefused, Since: now, Detail: "the key has not been tried yet"}
	}
	g.operator = newWords()
	g.excused = map[Kind]*meter{Revocations: newMeter(now), Listings: newMeter(now)}
	g.circuit, g.mass, g.trials = newCircuit(), newMass(), make(chan struct{}, 1)
	g.probe = newProber(cfg.ProbeFirst)
	return g
}

// Run watches the control bucket, probes, and opens gates whose time is over,
// until ctx ends; then it returns nil. It goes on through every loss of NATS.
func (g *Gates) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { g.watch(ctx) })
	wg.Go(func() { g.keepProbing(ctx) })
	wg.Go(func() { g.follow(ctx, g.notBefore, g.cfg.NotBeforeChanged) })
	wg.Go(func() { g.follow(ctx, g.clockHold, g.cfg.ClockHoldChanged) })
	wg.Go(func() { g.followTrials(ctx) })
	wg.Wait()
	return nil
}

// Wait returns nil as soon as calls of this kind may begin. Its only error is
// the end of ctx.
func (g *Gates) Wait(ctx context.Context, k Kind) error {
	for {
		// The channel first: what opens after this closes it.
		g.mu.Lock()
		opened := g.opened
		g.mu.Unlock()
		reason, closed := g.Closed(k)
		if !closed {
			return nil
		}
		select {
		case <-opened:
		case <-over(g.notBefore):
		case <-over(g.clockHold):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the gate %s: %w", reason.Gate, context.Cause(ctx))
		}
	}
}

// Closed tells whether calls of this kind must not begin now, and the first
// reason why. Both asks for a reason that holds back anything.
func (g *Gates) Closed(k Kind) (Reason, bool) {
	for _, r := range g.Reasons() {
		if r.holds(k) {
			return r, true
		}
	}
	return Reason{}, false
}

// Reasons lists why anything is held back, what an operator did first.
func (g *Gates) Reasons() []Reason {
	var passing []Reason // asked anew, since they pass and come by themselves
	for _, look := range []look{g.notBefore, g.clockHold} {
		if r, _, closed := look(); closed {
			passing = append(passing, r)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.pending) == 0 && len(g.closed) == 0 && len(passing) == 0 {
		return nil
	}
	all := slices.Collect(maps.Values(g.pending))
	for id, r := range g.closed {
		if id.name != NotBefore && id.name != Clock {
			all = append(all, r)
		}
	}
	for _, r := range passing {
		if known, ok := g.closed[gateID{r.Gate, r.Kind}]; ok {
			r.Since = known.Since
		}
		all = append(all, r)
	}
	order := Names()
	slices.SortFunc(all, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Gate), slices.Index(order, b.Gate)), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

// ClosedFor gives how long, since the given time (of Config.Now), calls of this
// kind were held back in this process by a pause, a refused key or a
// not-before: the time that counts against nobody. An open circuit counts.
func (g *Gates) ClosedFor(k Kind, since time.Time) time.Duration {
	now := g.clock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.excused[k]; m != nil {
		return m.since(since, now)
	}
	return 0
}

// set closes or opens a gate and tells Changed, if that is a change; else only
// the reason of a closed gate is brought up to date. g.turn is held.
func (g *Gates) set(r Reason, closed bool) {
	id := gateID{r.Gate, r.Kind}
	g.mu.Lock()
	before, was := g.closed[id]
	switch {
	case closed && was:
		r.Since = before.Since
		g.closed[id] = r
	case closed:
		g.closed[id] = r
	case was:
		r = before
		delete(g.closed, id)
		g.wake()
	}
	g.account()
	g.mu.Unlock()
	if closed != was && g.cfg.Changed != nil {
		g.cfg.Changed(r, closed)
	}
}

// started strikes out a condition of the start.
func (g *Gates) started(condition string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.pending[condition]; ok {
		delete(g.pending, condition)
		g.wake()
	}
}

// untried brings the reason of a condition of the start up to date, and reports
// whether it still stands.
func (g *Gates) untried(condition, detail string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.pending[condition]
	if ok {
		r.Detail = detail
		g.pending[condition] = r
	}
	return ok
}

// wake lets every Wait look again. g.mu is held.
func (g *Gates) wake() {
	close(g.opened)
	g.opened = make(chan struct{})
}

// account starts or stops the meters of excused time. g.mu is held.
func (g *Gates) account() {
	now := g.clock()
	for k, m := range g.excused {
		excused := false
		for id := range g.closed {
			excused = excused || id.name != Circuit && (id.kind == Both || id.kind == k)
		}
		m.set(now, excused)
	}
}
