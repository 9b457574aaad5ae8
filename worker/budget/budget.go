package budget

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/streams/kv"
)

// Config is what a Budget needs.
type Config struct {
	// KV is the control bucket, shared by the fleet. The budget uses its keys "budget" and "not-before".
	KV jetstream.KeyValue
	// Conn is the bucket's connection: what the fleet has set is read anew as soon as it is made anew. It may be nil.
	Conn *nats.Conn
	// Limits are the windows that this process holds to; nil means no limit. Processes of one fleet may have different ones.
	Limits Limits
	// ListingShare is the share of each window below which listings take permits; 0 means DefaultListingShare.
	ListingShare float64
	// Now returns the server's time.
	Now func() time.Time
	// Report is told what went wrong with the shared records, by any goroutine of Run. It must not block. It may be nil.
	Report func(Incident)
}

// A Budget gives permits for calls out of one allowance that a whole fleet shares. Its methods may be called at any
// time by any goroutine; callers wait until Run serves them.
type Budget struct {
	limited  bool
	limits   Limits
	queue    *queue
	throttle *throttle
	reserver *reserver
	keys     kv.Keys[[]byte]
	conn     *nats.Conn
	reach    *reach
}

// New returns a Budget. Nothing happens before Run.
func New(cfg Config) *Budget {
	report := cfg.Report
	if report == nil {
		report = func(Incident) {}
	}
	share := cfg.ListingShare
	if share <= 0 {
		share = DefaultListingShare
	}
	limits := slices.Clone(cfg.Limits)
	c := &clock{raw: cfg.Now}
	reach := &reach{report: report}
	keys := kv.Raw(cfg.KV)
	t := newThrottle(keys, c, report)
	q := newQueue(t.blocked)
	t.wake = q.wake
	b := &Budget{limited: len(limits) > 0, limits: limits, queue: q, throttle: t, keys: keys, conn: cfg.Conn, reach: reach}
	owner := rand.Uint32()
	b.reserver = &reserver{
		keys: keys, clock: c, queue: q, report: report, reach: reach,
		rules:  rules{limits: limits, share: min(share, 1), owner: owner},
		turns:  turns{keys: kv.JSON[turn](cfg.KV), owner: owner},
		paused: func() time.Duration { d, _ := t.ahead(); return d },
	}
	return b
}

// follow follows the records until ctx ends.
func (b *Budget) follow(ctx context.Context) {
	f := kv.Follower[[]byte]{Filters: []string{notBeforeKey}, Changed: b.saw, Listed: b.reach.back, Broken: b.reach.lost}
	if b.limited {
		f.Filters = []string{recordKey, notBeforeKey, turnPrefix + "*"}
	}
	_ = b.keys.Follow(ctx, b.conn, f) // ends with ctx only
}

// saw takes what was heard to where it belongs.
func (b *Budget) saw(e entry) {
	if strings.HasPrefix(e.Key, turnPrefix) {
		b.reserver.turns.saw(e)
		b.queue.wake()
		return
	}
	b.reserver.clock.saw(e)
	switch e.Key {
	case notBeforeKey:
		_ = b.throttle.read(e)
	case recordKey:
		b.reserver.view.put(e)
		b.queue.wake()
	}
}

// Run serves the callers until ctx ends, and then returns nil. While the store is out of reach it goes on trying.
func (b *Budget) Run(ctx context.Context) error {
	var all sync.WaitGroup
	all.Go(func() { b.follow(ctx) })
	all.Go(func() { b.throttle.run(ctx) })
	if b.limited {
		all.Go(func() { b.reserver.run(ctx) })
	}
	all.Wait()
	return nil
}

// Acquire waits for a permit for one call of the lane: until all windows have room for it, no caller goes before, and no
// not-before lies ahead. Without limits it only waits for the not-before. In both cases Run must have read what the
// fleet has set. The error is ctx's.
func (b *Budget) Acquire(ctx context.Context, lane Lane) (Permit, error) {
	if err := ctx.Err(); err != nil {
		return Permit{}, waitError(err)
	}
	if !b.limited {
		if b.throttle.pause.Load() == nil {
			return Permit{}, nil
		}
		return Permit{}, waitError(b.throttle.wait(ctx))
	}
	for {
		g, err := b.queue.wait(ctx, lane)
		if err != nil {
			return Permit{}, waitError(err)
		}
		p := Permit{g}
		if p.Fresh() && !b.throttle.blocked() {
			return p, nil
		}
		p.GiveBack()
	}
}

func waitError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("waiting for a permit: %w", err)
}

// Throttled says that a call which began at the given local time was answered 429. retryAfter is what the answer asked
// for, 0 if nothing. From here on nobody in the fleet begins a call for that long (from a second to a quarter of an
// hour), or for 5 s, doubling to 2 min with each 429 to a call that began after the last one. Run writes it.
func (b *Budget) Throttled(began time.Time, retryAfter time.Duration) {
	now := b.throttle.clock.now().Round(0).UTC()
	b.throttle.heard(news{at: now, throttled: true, began: now.Add(-time.Since(began)), retryAfter: retryAfter})
}

// Succeeded says that a call was answered with success: the next not-before is a short one again. Run writes it. It costs
// nothing where there was no 429 since the last success.
func (b *Budget) Succeeded() {
	if b.throttle.level.Load() == 0 {
		return
	}
	b.throttle.heard(news{at: b.throttle.clock.now().Round(0).UTC()})
}

// NotBefore returns the local time before which no call may begin because of a 429, zero if there is none.
func (b *Budget) NotBefore() time.Time {
	p := b.throttle.pause.Load()
	if p == nil || !time.Now().Before(p.until) {
		return time.Time{}
	}
	return p.until
}

// NotBeforeChanged carries a value after NotBefore has changed, other than by the passing of time. It is made for one
// receiver: a value that is taken is gone for others.
func (b *Budget) NotBeforeChanged() <-chan struct{} { return b.throttle.changed }

// Use returns how much of each window the fleet has used, as far as this process has seen; nil without limits.
func (b *Budget) Use() []WindowUse {
	var rec *record
	if e := b.reserver.view.last(); !e.Gone && e.Revision > 0 {
		rec, _ = decodeRecord(e.Value) // one that cannot be read counts as none, as in a reservation
	}
	return use(rec, b.limits, b.reserver.clock.now())
}

// Stats counts what this process did with the shared record since New.
type Stats struct {
	Writes    uint64 // done
	Conflicts uint64 // not done, because another process had written first
	Unclear   uint64 // perhaps done
	Granted   uint64 // permits
}

// Stats returns the counters.
func (b *Budget) Stats() Stats {
	c := &b.reserver.stats
	return Stats{
		Writes: c.writes.Load(), Conflicts: c.conflicts.Load(), Unclear: c.unclear.Load(), Granted: c.granted.Load(),
	}
}

// reach reports that the store is out of reach, once until it is back.
type reach struct {
	report func(Incident)
	out    atomic.Bool
}

func (r *reach) lost(err error) {
	if !r.out.Swap(true) {
		r.report(Incident{Kind: OutOfReach, Detail: "no permits until it is back", Err: err})
	}
}

func (r *reach) back() { r.out.Store(false) }
