package budget

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"certrecall/worker/streams/kv"
)

// notBeforeKey is the key of the not-before in the control bucket.
const notBeforeKey = "not-before"

// A throttle keeps the fleet's not-before: what the record says, with what this process has learnt since and has yet to
// write.
type throttle struct {
	keys    kv.Keys[[]byte]
	clock   *clock
	report  func(Incident)
	changed chan struct{} // NotBeforeChanged
	kick    chan struct{} // there is something to write
	wake    func()        // the reserver, when a pause was set or lifted

	pause  atomic.Pointer[pause] // nil: calls may begin
	unread *pause                // what pause is before the record was read
	level  atomic.Int32          // as in state

	mu     sync.Mutex
	state  NotBefore // the record, with news applied
	rev    uint64    // of the record that state began with
	news   []news
	heardN uint64 // how many news there were
	loaded bool
}

// A pause is the not-before by the local clock.
type pause struct {
	until time.Time
	over  chan struct{} // closed when another one takes its place
}

// news is a 429 or a success that has yet to be written.
type news struct {
	id         uint64
	at         time.Time // server time
	throttled  bool
	began      time.Time // server time
	retryAfter time.Duration
}

func (n news) apply(s NotBefore) (NotBefore, bool) {
	if n.throttled {
		return s.throttled(n.at, n.began, n.retryAfter)
	}
	return s.succeeded(n.at)
}

func newThrottle(keys kv.Keys[[]byte], c *clock, report func(Incident)) *throttle {
	t := &throttle{
		keys: keys, clock: c, report: report,
		changed: make(chan struct{}, 1),
		kick:    make(chan struct{}, 1),
		wake:    func() {},
	}
	t.unread = &pause{over: make(chan struct{})}
	t.pause.Store(t.unread)
	return t
}

// ahead returns how long no call may begin, and a channel that is closed when that changes. It is 0 if one may begin, and
// forever while the record was not read.
func (t *throttle) ahead() (time.Duration, <-chan struct{}) {
	p := t.pause.Load()
	if p == nil {
		return 0, nil
	}
	if p == t.unread {
		return forever, p.over
	}
	if d := time.Until(p.until); d > 0 {
		return d, p.over
	}
	t.pause.CompareAndSwap(p, nil)
	return 0, nil
}

func (t *throttle) blocked() bool {
	d, _ := t.ahead()
	return d > 0
}

// wait returns when calls may begin.
func (t *throttle) wait(ctx context.Context) error {
	for {
		d, over := t.ahead()
		if d == 0 {
			return ctx.Err()
		}
		if err := sleep(ctx, d, over); err != nil {
			return err
		}
	}
}

// heard takes note of a 429 or a success. What changes nothing is dropped.
func (t *throttle) heard(n news) {
	t.mu.Lock()
	state, changed := n.apply(t.state)
	if changed {
		t.heardN++
		n.id = t.heardN
		t.news = append(t.news, n)
		t.set(state)
	}
	t.mu.Unlock()
	if changed {
		signal(t.kick)
	}
}

// read takes note of the record as it now is, unless a later one is known: what
// is followed comes after what was written, and a replica may lag. It reports
// whether it did.
func (t *throttle) read(e entry) bool {
	var state NotBefore
	var err error
	if e.Gone {
		e.Revision = 0
	} else {
		state, err = decodeNotBefore(e.Value)
	}
	t.mu.Lock()
	if !e.Gone && !e.Anew && e.Revision < t.rev {
		t.mu.Unlock()
		return false
	}
	t.rev, t.loaded = e.Revision, true
	pending := t.news[:0]
	for _, n := range t.news {
		next, changed := n.apply(state)
		if changed {
			state = next
			pending = append(pending, n)
		}
	}
	t.news = pending
	t.set(state)
	t.mu.Unlock()
	if err != nil {
		t.report(Incident{Kind: NotBeforeUnreadable, Detail: "taken for none", Err: err})
	}
	return true
}

// errStale says that a read gave less than what is known. The bucket's replica
// lags, or the bucket was made anew, which is heard of by following it.
var errStale = errors.New("the record that was read is older than the one known")

// set makes state the current one. The caller holds mu.
func (t *throttle) set(state NotBefore) {
	known, same := t.pause.Load() != t.unread, state == t.state
	t.state = state
	t.level.Store(int32(state.Level))
	if !t.loaded || known && same {
		return
	}
	var next *pause
	if d := min(state.Until.Sub(t.clock.now()), maxRetryAfter); !state.Until.IsZero() && d > 0 {
		next = &pause{until: time.Now().Add(d), over: make(chan struct{})}
	}
	if old := t.pause.Swap(next); old != nil {
		close(old.over)
	}
	signal(t.changed)
	t.wake()
}

// run writes what was heard, until ctx ends.
func (t *throttle) run(ctx context.Context) {
	var retry backoff
	for {
		wait := forever
		if err := t.write(ctx); err != nil {
			wait = retry.next()
		} else {
			retry.reset()
		}
		if sleep(ctx, wait, t.kick) != nil {
			return
		}
	}
}

// write brings the record up to date with what was heard, if there is anything.
func (t *throttle) write(ctx context.Context) error {
	for {
		t.mu.Lock()
		state, rev, heard, pending := t.state, t.rev, t.heardN, len(t.news) > 0
		t.mu.Unlock()
		if !pending {
			return nil
		}
		b, err := state.encode()
		if err != nil {
			return err
		}
		rev, err = t.keys.Swap(ctx, notBeforeKey, b, rev)
		switch {
		case err == nil:
			t.mu.Lock()
			t.rev = max(t.rev, rev)
			t.news = slices.DeleteFunc(t.news, func(n news) bool { return n.id <= heard })
			t.mu.Unlock()
			continue
		case !errors.Is(err, kv.ErrLost):
			return err
		}
		e, err := t.keys.Get(ctx, notBeforeKey)
		if err != nil {
			return err
		}
		t.clock.saw(e)
		if !t.read(e) {
			return errStale
		}
	}
}
