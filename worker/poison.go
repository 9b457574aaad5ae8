package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"certrecall/worker/streams/kv"
)

const (
	// From this delivery on a start is written down before the handler begins
	// and removed when it ends, so that starts without an end can be counted.
	poisonMarkedFrom = 3
	// After so many starts without an end the message runs alone in its process:
	// if that dies again, nothing else dies with it.
	poisonAloneAfter = 3
	// After so many of those it is dead-lettered.
	poisonAfter = 6
	// After so many even the way to its end ended the worker, so the message is
	// answered as it lies, without a look into it.
	poisonUnreadAfter = poisonAfter + 3
)

const poisonDetail = "the command was begun again and again and its worker ended each time before it did; look at the workers' logs for its stream sequence"

const (
	// A suspect waits no longer than this for the others to leave, and they
	// wait no longer than this for it, so that it stops its worker for a minute
	// in all. Then it goes back, or is no longer alone.
	alonePatience = 30 * time.Second
	aloneFor      = 30 * time.Second
	// aloneAgain is the least pause before a suspect that went back unended is
	// tried again; up to as much is added.
	aloneAgain = 2 * time.Minute
)

var (
	// errMakeWay ends the waits of the other commands in hand.
	errMakeWay = errors.New("a message that ended its workers is to run alone here")
	// errAloneOver ends the waits of the suspect.
	errAloneOver = errors.New("a message that ended its workers may run alone no longer")
	// errNotAlone gives a suspect back.
	errNotAlone = errors.New("a message that ended its workers could not run alone")
)

// poison finds messages that end the processes which handle them.
type poison struct {
	w *Worker
	// room has a place for every handler of the process; the one message that
	// runs alone takes all of them.
	room *semaphore.Weighted
	// suspect is held by the one message that runs alone or waits to.
	suspect chan struct{}

	mu sync.Mutex
	// makeWay ends when a suspect begins to wait for the others; once it has
	// ended to wait there is a new one.
	makeWay context.Context
	clear   context.CancelCauseFunc
}

// allRoom is more places than handlers there can ever be.
const allRoom = 1 << 20

func newPoison(w *Worker) *poison {
	p := &poison{w: w, room: semaphore.NewWeighted(allRoom), suspect: make(chan struct{}, 1)}
	p.makeWay, p.clear = context.WithCancelCause(context.Background()) //nolint:forbidigo // no caller yet: each suspect ends it by clear
	return p
}

// startMark counts the starts of one message that had no end.
type startMark struct {
	Starts int `json:"starts"`
	Alone  int `json:"alone"`
}

type suspicion struct {
	poisoned bool
	unread   bool // not to be looked into any more
	// leave ends when nothing new may begin for the message, so that another, or
	// others, can begin.
	leave   context.Context
	release func()
	before  *startMark // of a message that runs alone: the mark it came with
}

func (p *poison) key(d *delivery) string { return "start." + string(d.lane) + "." + d.origin }

// begin writes a start down for a message that was delivered often, and has a
// suspect wait until it runs alone. With an error the mark stands as it was.
func (p *poison) begin(ctx context.Context, d *delivery) (suspicion, error) {
	if d.deliveries < poisonMarkedFrom {
		return p.enter(ctx)
	}
	mark, err := p.marks().Get(ctx, p.key(d))
	if err != nil && !errors.Is(err, kv.ErrUnreadable) {
		return suspicion{}, fmt.Errorf("reading the start mark: %w", err)
	}
	m := mark.Value
	enter := p.enter
	alone := m.Starts >= poisonAloneAfter
	if alone {
		enter = p.alone
	}
	s, err := enter(ctx)
	if err != nil {
		return s, err
	}
	if alone {
		s.before = new(m)
		m.Alone++
	} else {
		m.Starts++
	}
	if _, err := p.marks().Put(ctx, p.key(d), m); err != nil {
		s.release()
		return suspicion{}, fmt.Errorf("storing the start mark: %w", err)
	}
	s.poisoned, s.unread = m.Alone > poisonAfter, m.Alone > poisonUnreadAfter
	if m.Alone > 0 {
		p.w.log.Warn("a message that ended its workers runs alone", zap.Uint64("stream_sequence", d.sequence), zap.Int("starts_alone", m.Alone))
	}
	return s, nil
}

// enter takes a place for one handler, which the caller releases.
func (p *poison) enter(ctx context.Context) (suspicion, error) {
	if err := p.room.Acquire(ctx, 1); err != nil {
		return suspicion{}, context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return suspicion{leave: p.makeWay, release: func() { p.room.Release(1) }}, nil
}

// alone takes all places: those who have one end their waits and give their
// messages back, those who come later queue behind. After aloneFor others get
// in, whatever the suspect is at.
func (p *poison) alone(ctx context.Context) (suspicion, error) {
	select {
	case p.suspect <- struct{}{}:
	default:
		return suspicion{}, errNotAlone
	}
	p.mu.Lock()
	p.clear(errMakeWay)
	p.mu.Unlock()
	patient, cancel := context.WithTimeout(ctx, alonePatience)
	defer cancel()
	err := p.room.Acquire(patient, allRoom)
	p.mu.Lock()
	p.makeWay, p.clear = context.WithCancelCause(context.WithoutCancel(ctx))
	p.mu.Unlock()
	if err != nil {
		<-p.suspect
		return suspicion{}, errors.Join(errNotAlone, context.Cause(ctx))
	}
	others := sync.OnceFunc(func() { p.room.Release(allRoom) })
	leave, end := context.WithCancelCause(context.WithoutCancel(ctx))
	timer := time.AfterFunc(aloneFor, func() { end(errAloneOver); others() })
	return suspicion{leave: leave, release: func() {
		timer.Stop()
		end(nil)
		others()
		<-p.suspect
	}}, nil
}

// pause is how long a suspect that could not run alone, or not for long
// enough, waits for the next time.
func (p *poison) pause() time.Duration { return aloneAgain + rand.N(aloneAgain) }

// unended gives a suspect back which was still at it when its time alone was
// over: it has shown nothing, so its mark stays as it came.
func (p *poison) unended(ctx context.Context, d *delivery, s suspicion, v verdict) verdict {
	if s.before == nil || v.do != again || !errors.Is(context.Cause(s.leave), errAloneOver) {
		return v
	}
	if _, err := p.marks().Put(ctx, p.key(d), *s.before); err != nil {
		p.w.log.Debug("a start mark counts a start that was none", zap.Error(err))
	}
	return verdict{do: again, delay: max(v.delay, p.pause()), outcome: outcomeReturned, err: errors.Join(errAloneOver, v.err), unended: true}
}

func (p *poison) marks() kv.Keys[startMark] { return kv.JSON[startMark](p.w.stores().Budget) }

// ended takes the mark away: the handler came to its end, whatever its verdict.
// If that fails the mark stays, and a later end takes it away.
func (p *poison) ended(d *delivery) {
	if d.deliveries < poisonMarkedFrom {
		return
	}
	if err := p.marks().Remove(context.WithoutCancel(d.ctx), p.key(d)); err != nil {
		p.w.log.Debug("a start mark stays behind", zap.Error(err))
	}
}
