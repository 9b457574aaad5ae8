package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"certrecall/worker/streams"
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
	m, err := p.read(ctx, d)
	if err != nil {
		return suspicion{}, err
	}
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
	if err := p.write(ctx, d, m); err != nil {
		s.release()
		return suspicion{}, err
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

func (p *poison) read(ctx context.Context, d *delivery) (startMark, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	var m startMark
	e, err := p.w.stores().Control.Get(ctx, p.key(d))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("reading the start mark: %w", err)
	}
	if err := json.Unmarshal(e.Value(), &m); err != nil {
		return startMark{}, fmt.Errorf("decoding the start mark: %w", err)
	}
	return m, nil
}

func (p *poison) write(ctx context.Context, d *delivery, m startMark) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding the start mark: %w", err)
	}
	if _, err := p.w.stores().Control.Put(ctx, p.key(d), value); err != nil {
		return fmt.Errorf("storing the start mark: %w", err)
	}
	return nil
}

// ended takes the mark away: the handler came to its end, whatever its verdict.
// If that fails the mark stays, and a later end takes it away.
func (p *poison) ended(d *delivery) {
	if d.deliveries < poisonMarkedFrom {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), publishTimeout)
	defer cancel()
	if err := streams.Remove(ctx, p.w.stores().Control, p.key(d)); err != nil {
		p.w.log.Debug("a start mark stays behind", zap.Error(err))
	}
}
