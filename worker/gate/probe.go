package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"certrecall/client"
)

const (
	firstKeyDelay = 30 * time.Second
	maxKeyDelay   = 5 * time.Minute

	// probeTimeout bounds a probe with its wait for a permit.
	probeTimeout = time.Minute

	// fresh is how long a probe that passed answers for further suspicions: a
	// hundred commands refused at once cost one probe.
	fresh = time.Second
)

// errNotRunning is what Judge gives after Run has ended.
var errNotRunning = errors.New("the gates are not running")

// verdict is what one probe told.
type verdict struct {
	answered bool // by DigiCert, to the point
	accepted bool // the key was
	refused  bool // the key was; neither = not known
	err      error
}

func judge(err error) verdict {
	if err == nil {
		return verdict{answered: true, accepted: true}
	}
	v := verdict{err: err}
	if e, ok := errors.AsType[*client.Error](err); ok {
		switch e.Class {
		case client.ClassKeyRefused, client.ClassForbidden:
			v.answered, v.refused = true, true
		case client.ClassThrottled, client.ClassNotFound, client.ClassRefused:
			v.answered = true
		case client.ClassUnavailable, client.ClassOutcomeUnknown, client.ClassNeverSent:
		}
	}
	return v
}

// prober says when the next probe is due and who waits for its outcome.
type prober struct {
	wake chan struct{} // asks keepProbing to look again

	mu         sync.Mutex
	now        bool           // a probe is wanted at once
	maxAge     time.Duration  // of an answer that will do then
	underway   bool           // one is out, and answers for suspicions that come meanwhile
	waiters    []chan verdict // of Judge, each with room for one
	stopped    bool           // Run has ended
	passed     time.Time      // when the last probe began that passed
	keyRefused bool
	firstDelay time.Duration // before the next probe of a key that was never accepted
	keyDelay   time.Duration // before the next probe of a refused key
	keyDue     time.Time     // zero = none
	circuitDue time.Time     // zero = none
	circuitAge time.Duration // of an answer that will do then
}

func newProber(first bool) prober {
	return prober{wake: make(chan struct{}, 1), now: first, maxAge: firstKeyDelay / 2, keyDelay: firstKeyDelay, firstDelay: firstCircuitDelay}
}

// nudge makes keepProbing look again.
func (p *prober) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// known gives the answer to a suspicion that needs no new probe. p.mu is held.
func (p *prober) known() (keyRefused, ok bool) {
	if p.keyRefused {
		return true, true
	}
	return false, !p.passed.IsZero() && time.Since(p.passed) < fresh
}

// wait gives how long until the next probe is due; ok is false if none is.
func (p *prober) wait() (d time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now || len(p.waiters) > 0 {
		return 0, true
	}
	due := p.keyDue
	if due.IsZero() || !p.circuitDue.IsZero() && p.circuitDue.Before(due) {
		due = p.circuitDue
	}
	return max(time.Until(due), 0), !due.IsZero()
}

// Report takes every call of this process that ended (client.Config.Observe).
// It feeds the circuit, and the suspicion against the key.
func (g *Gates) Report(c client.Call) {
	if c.Op == client.OpProbe {
		return // judged where it is made
	}
	g.turn.Lock()
	if why := g.circuit.report(c); why != "" {
		g.set(Reason{Gate: Circuit, Since: g.clock(), Detail: why}, true)
		g.probeCircuitIn(g.circuit.nextDelay())
	}
	if k, why, change := g.mass.report(c, time.Now()); change {
		if why != "" {
			g.set(Reason{Gate: NotPermitted, Kind: k, Since: g.clock(), Detail: why}, true)
			g.nudgeTrials()
		} else {
			g.set(Reason{Gate: NotPermitted, Kind: k}, false)
		}
	}
	g.turn.Unlock()
	if c.Class != client.ClassKeyRefused {
		return
	}
	p := &g.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.known(); !ok && !p.underway {
		p.now, p.maxAge = true, fresh
		p.nudge()
	}
}

// Judge tells whose fault a refusal is. For a 401, or a 403 with the code of an
// invalid key, it waits for one neutral probe, shared by all who ask at the
// same time. If that is refused too, the key is (true), and the gate is closed
// when Judge returns. A 403 for the code for which nearly everything is refused
// is the key's too. If the probe passes, the refusal was the command's own (false). If it tells neither, Judge
// returns the probe's error, and nothing is known. Any other error is the
// command's own: false, at once.
//
// Judge waits until ctx ends; after the end of Run it fails at once.
func (g *Gates) Judge(ctx context.Context, err error) (keyRefused bool, _ error) {
	if g.excused403(err) {
		return true, nil
	}
	if !suspicious(err) {
		return false, nil
	}
	p := &g.probe
	p.mu.Lock()
	if keyRefused, ok := p.known(); ok {
		p.mu.Unlock()
		return keyRefused, nil
	}
	if p.stopped {
		p.mu.Unlock()
		return false, errNotRunning
	}
	answer := make(chan verdict, 1)
	p.waiters = append(p.waiters, answer)
	p.nudge()
	p.mu.Unlock()
	select {
	case v := <-answer:
		if v.accepted || v.refused {
			return v.refused, nil
		}
		return false, fmt.Errorf("probing the key: %w", v.err)
	case <-ctx.Done():
		return false, fmt.Errorf("probing the key: %w", context.Cause(ctx))
	}
}

func (g *Gates) excused403(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Class != client.ClassForbidden {
		return false
	}
	g.turn.Lock()
	defer g.turn.Unlock()
	return g.mass.excuses(e.Code)
}

func suspicious(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Class == client.ClassKeyRefused
}

// keepProbing makes every probe, one at a time, until ctx ends.
func (g *Gates) keepProbing(ctx context.Context) {
	p := &g.probe
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.stopped = true
		p.answer(verdict{err: errNotRunning})
	}()
	changed := g.cfg.KeyChanged
	for {
		var due <-chan time.Time
		if d, ok := p.wait(); ok {
			due = time.After(d)
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case _, ok := <-changed:
			if !ok {
				changed = nil
				continue
			}
			p.mu.Lock()
			p.now, p.maxAge, p.keyDelay = true, 0, firstKeyDelay
			p.mu.Unlock()
			g.openTrials(time.Now(), true)
		case <-due:
			g.probeOnce(ctx)
		}
	}
}

// probeOnce makes one probe and does what follows from it.
func (g *Gates) probeOnce(ctx context.Context) {
	p := &g.probe
	p.mu.Lock()
	maxAge := p.maxAgeNow(g.keyEverAccepted())
	p.now, p.underway = false, true
	p.mu.Unlock()
	began := time.Now()
	pctx, cancel := context.WithTimeout(ctx, probeTimeout)
	v := judge(g.cfg.Probe(pctx, maxAge))
	cancel()
	if ctx.Err() != nil {
		return // our own end says nothing about DigiCert
	}

	g.turn.Lock()
	if g.circuit.breaker.State() != gobreaker.StateClosed {
		if g.circuit.probed(v.answered) {
			g.probeCircuitIn(0)
			g.set(Reason{Gate: Circuit}, false)
		} else {
			g.probeCircuitIn(g.circuit.nextDelay())
		}
	}
	switch {
	case v.refused:
		g.set(Reason{Gate: KeyRefused, Since: g.clock(), Detail: "DigiCert refuses the key: " + v.err.Error()}, true)
	case v.accepted:
		g.set(Reason{Gate: KeyRefused}, false)
	}
	g.turn.Unlock()
	untried := false
	if v.accepted || v.refused {
		g.started(keyUntried) // a refused key has a gate of its own now
	} else {
		untried = g.untried(keyUntried, "DigiCert has not accepted the key yet: "+v.err.Error())
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	p.underway = false
	if untried {
		p.keyDue = time.Now().Add(p.firstDelay)
		p.firstDelay = min(2*p.firstDelay, maxCircuitDelay)
	}
	p.judged(v, began)
	p.answer(v)
}

// maxAgeNow is how old an answer of the fleet may be: the probes of all workers
// together come hardly more often than those of one. p.mu is held.
func (p *prober) maxAgeNow(accepted bool) time.Duration {
	switch {
	case p.now:
		return p.maxAge
	case len(p.waiters) > 0:
		return fresh
	case p.keyRefused:
		return p.keyDelay / 4 // the delay was doubled already
	case !accepted:
		return p.firstDelay / 4
	}
	return p.circuitAge
}

func (g *Gates) keyEverAccepted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, pending := g.pending[keyUntried]
	return !pending
}

// judged notes what a probe told about the key, and when to ask again. p.mu is held.
func (p *prober) judged(v verdict, began time.Time) {
	switch {
	case v.accepted:
		p.passed, p.keyRefused, p.keyDelay, p.keyDue = began, false, firstKeyDelay, time.Time{}
		return
	case v.refused:
		p.passed, p.keyRefused = time.Time{}, true
	}
	if p.keyRefused {
		p.keyDue = time.Now().Add(p.keyDelay)
		p.keyDelay = min(2*p.keyDelay, maxKeyDelay)
	}
}

// answer tells the outcome to all who wait for one. p.mu is held.
func (p *prober) answer(v verdict) {
	for _, w := range p.waiters {
		w <- v
	}
	p.waiters = nil
}

// probeCircuitIn sets when the open circuit is probed next; 0 = not any more.
func (g *Gates) probeCircuitIn(d time.Duration) {
	p := &g.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	p.circuitDue, p.circuitAge = time.Time{}, d/2
	if d > 0 {
		p.circuitDue = time.Now().Add(d)
	}
	p.nudge()
}
