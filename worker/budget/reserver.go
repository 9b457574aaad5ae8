package budget

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"certrecall/worker/streams/kv"
)

// recordKey is the key of the shared record in the control bucket.
const recordKey = "budget"

const (
	// slow is how long a write may take before permits are counted as granted later, so that they are not stale at birth.
	slow = 100 * time.Millisecond
	// maxHeat bounds the random pause of reservers that get in each other's way, to 1 ms times two to the maxHeat.
	maxHeat = 6
)

// A reserver takes permits from the shared record for the callers of this process. Everything but view, queue and stats
// belongs to the one goroutine that it is.
type reserver struct {
	keys   kv.Keys[[]byte]
	rules  rules
	clock  *clock
	queue  *queue
	paused func() time.Duration // until calls may begin
	report func(Incident)
	reach  *reach
	stats  counters
	view   view
	turns  turns

	known bool    // rec, rev and bad are what was read or written last
	rec   *record // nil: there is none that can be read
	rev   uint64  // 0: there is none
	bad   error   // why the record that is there cannot be read

	own    history // the permits of this process, for a record that was lost
	joined uint32  // the epoch of the record that counts them; 0 before the first write
	seen   bool    // there was a record

	lead     time.Duration // by how much grants are counted late because writes are slow
	heat     int           // how much others got in the way lately
	earliest time.Time     // no write before; local
	retry    backoff
}

// counters are what Stats returns.
type counters struct{ writes, conflicts, unclear, granted atomic.Uint64 }

// run serves the queue until ctx ends.
func (r *reserver) run(ctx context.Context) {
	for {
		if sleep(ctx, r.step(ctx), r.queue.kick) != nil {
			return
		}
	}
}

// step looks at the record once, writes it at most once, and returns when to look again if nothing happens before.
func (r *reserver) step(ctx context.Context) time.Duration {
	r.look()
	waiting, returned := r.queue.counts()
	idle := forever
	if paused := r.paused(); paused > 0 {
		waiting, idle = [laneCount]int{}, paused+r.jitter()
	}
	if waiting == [laneCount]int{} && len(returned) == 0 && !r.mustJoin() {
		r.turns.done(ctx)
		return idle
	}
	if d := time.Until(r.earliest); d > 0 {
		return d
	}
	if !r.known {
		e, err := r.keys.Get(ctx, recordKey)
		if err != nil {
			return r.failed(ctx, err)
		}
		r.clock.saw(e)
		r.adopt(e)
	}
	p, hold := r.proposeInTurn(waiting, returned)
	if hold > 0 {
		r.announce(ctx, waiting, false)
		return hold
	}
	if p.changed {
		d := r.commit(ctx, p)
		if p.total() < sum(waiting) {
			r.announce(ctx, waiting, p.total() > 0 && r.known)
		}
		return d
	}
	r.announce(ctx, waiting, false)
	r.queue.settled(len(returned))
	if p.next == never {
		return idle
	}
	return max(time.Millisecond, time.UnixMilli(p.next).Sub(r.clock.now())) + r.jitter()
}

// proposeInTurn proposes to take no more than this process's part of what is free where others wait too, and says how long
// to leave it to those whose turn it is.
func (r *reserver) proposeInTurn(waiting [laneCount]int, returned []*grant) (proposal, time.Duration) {
	r.rules.batch = 0
	p := r.propose(waiting, returned)
	if p.total() == 0 || waiting[Sweep] > 0 { // the sweep has a share of its own, and goes first
		r.turns.free = time.Time{}
		return p, 0
	}
	n, ahead := r.turns.waiting(highest(waiting), p.rec.last)
	if d := r.turns.hold(ahead); d > 0 {
		return p, d
	}
	if n > 1 {
		r.rules.batch = max(1, (p.total()+n-1)/n)
		p = r.propose(waiting, returned)
		r.rules.batch = 0
	}
	return p, 0
}

// announce says that callers of this process wait on.
func (r *reserver) announce(ctx context.Context, waiting [laneCount]int, served bool) {
	if sum(waiting) > 0 {
		r.turns.wait(ctx, highest(waiting), r.clock.now().UnixMilli(), served)
	}
}

func sum(waiting [laneCount]int) (n int) {
	for _, w := range waiting {
		n += w
	}
	return n
}

// highest is the rank of the highest lane with callers.
func highest(waiting [laneCount]int) int {
	for _, lane := range byRank {
		if waiting[lane] > 0 {
			return lane.rank()
		}
	}
	return laneCount
}

// look takes what the watch saw.
func (r *reserver) look() {
	e, fresh := r.view.take()
	if !fresh {
		return
	}
	if !e.Anew && e.Revision != 0 && e.Revision <= r.rev { // older than what is known, or what a write has just failed on
		return
	}
	r.turns.sawOther()
	r.adopt(e)
	if r.heat > 0 && !time.Now().Before(r.earliest) {
		r.earliest = time.Now().Add(r.jitter())
	}
}

// adopt makes e the record that is known.
func (r *reserver) adopt(e entry) {
	r.known = true
	r.rec, r.rev, r.bad = nil, 0, nil
	if e.Gone {
		return
	}
	r.rev, r.seen = e.Revision, true
	r.rec, r.bad = decodeRecord(e.Value)
}

// mustJoin reports whether there is a record that lacks this process's permits.
func (r *reserver) mustJoin() bool {
	if !r.known || r.joined == 0 || r.rec != nil && r.rec.epoch == r.joined {
		return false
	}
	return len(r.recent()) > 0
}

// recent returns this process's own permits that its longest window still counts.
func (r *reserver) recent() history {
	return r.own.since(r.clock.now().UnixMilli(), r.rules.longest())
}

// jitter is a random pause, longer the more reservers get in each other's way.
func (r *reserver) jitter() time.Duration { return spread(time.Millisecond << r.heat) }

// failed returns how long to wait after the store could not be reached.
func (r *reserver) failed(ctx context.Context, err error) time.Duration {
	r.known = false
	if ctx.Err() == nil {
		r.reach.lost(err)
	}
	d := r.retry.next()
	r.earliest = time.Now().Add(d)
	return d
}

// commit writes a proposal and hands out what it grants.
func (r *reserver) commit(ctx context.Context, p proposal) time.Duration {
	value := p.rec.encode()
	rev, err := r.keys.Swap(ctx, recordKey, value, r.rev)
	switch {
	case errors.Is(err, kv.ErrLost), errors.Is(err, kv.ErrBusy):
		r.stats.conflicts.Add(1)
		r.turns.sawOther()
		r.known = false
		r.heat = min(r.heat+1, maxHeat)
		r.earliest = time.Now().Add(r.jitter())
		return 0
	case err != nil: // it may have been written: the grants are spent, and what was returned stays so
		r.stats.unclear.Add(1)
		r.remember(p)
		r.queue.settled(len(p.returned))
		return r.failed(ctx, err)
	}
	r.stats.writes.Add(1)
	r.reach.back()
	r.known, r.seen, r.bad = true, true, nil
	r.rec, r.rev = p.rec, rev
	r.joined = p.rec.epoch
	r.view.wrote(value, rev)
	r.retry.reset()
	r.heat = max(0, r.heat-1)
	r.adapt(time.Since(p.began))
	for _, i := range p.incidents {
		r.report(i)
	}
	for _, g := range p.returned {
		r.own = r.own.remove(g.cell())
	}
	r.queue.settled(len(p.returned))
	r.remember(p)
	if p.total() == 0 {
		return 0
	}
	if r.clock.doubtful() && !r.verify(ctx, p.began) {
		r.queue.takeBack(r.grants(p))
		return 0
	}
	r.stats.granted.Add(uint64(p.total()))
	for _, g := range r.grants(p) {
		r.queue.pass(g)
	}
	return 0
}

// verify reads back the stamp of the write that was just done, so that nothing is granted by a clock that is wrong.
func (r *reserver) verify(ctx context.Context, sent time.Time) bool {
	e, err := r.keys.Get(ctx, recordKey)
	if err != nil || e.Gone || e.Revision < r.rev {
		return false
	}
	r.clock.saw(e)
	ahead := r.clock.judge(sent, e.Stamp)
	if ahead != 0 {
		r.report(Incident{Kind: ClockWrong, Detail: "ahead of the server by " + ahead.String()})
	}
	return ahead == 0
}

// adapt sets by how much the next grants are counted late, from how long a write took.
func (r *reserver) adapt(took time.Duration) {
	if took > slow {
		r.lead = min(2*took, kv.Timeout)
	} else if r.lead /= 2; r.lead < slow/10 {
		r.lead = 0
	}
}

// remember counts the grants of a proposal among this process's own permits.
func (r *reserver) remember(p proposal) {
	if n := p.total(); n > 0 {
		r.own = r.own.add(cell{at: p.at, count: n, sweeps: p.decision.grants[Sweep]}).coarsen(p.rec.last)
	}
}
