package worker

import (
	"context"
	"errors"
	"fmt"

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

// poison finds messages that end the processes which handle them.
type poison struct {
	w *Worker
	// room has a place for every handler of the process; the one message that
	// runs alone takes all of them.
	room *semaphore.Weighted
}

// allRoom is more places than handlers there can ever be.
const allRoom = 1 << 20

func newPoison(w *Worker) *poison { return &poison{w: w, room: semaphore.NewWeighted(allRoom)} }

// startMark counts the starts of one message that had no end.
type startMark struct {
	Starts int `json:"starts"`
	Alone  int `json:"alone"`
}

type suspicion struct {
	poisoned bool
	unread   bool // not to be looked into any more
	release  func()
}

func (p *poison) key(d *delivery) string { return "start." + string(d.lane) + "." + d.origin }

// begin writes a start down for a message that was delivered often, and has a
// suspect wait until it runs alone.
func (p *poison) begin(ctx context.Context, d *delivery) (suspicion, error) {
	if d.deliveries < poisonMarkedFrom {
		return p.enter(ctx, 1)
	}
	mark, err := p.marks().Get(ctx, p.key(d))
	if err != nil && !errors.Is(err, kv.ErrUnreadable) {
		return suspicion{}, fmt.Errorf("reading the start mark: %w", err)
	}
	m := mark.Value
	places := int64(1)
	if m.Starts >= poisonAloneAfter {
		places = allRoom
		m.Alone++
	} else {
		m.Starts++
	}
	s, err := p.enter(ctx, places)
	if err != nil {
		return s, err
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

// enter takes places for one handler; the caller releases them.
func (p *poison) enter(ctx context.Context, places int64) (suspicion, error) {
	if err := p.room.Acquire(ctx, places); err != nil {
		return suspicion{}, context.Cause(ctx)
	}
	return suspicion{release: func() { p.room.Release(places) }}, nil
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
