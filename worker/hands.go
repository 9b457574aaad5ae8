package worker

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"certrecall/messages"
)

const (
	// hungAfter is how long a command may be in hand without a step before it is
	// held to hang: every call, publish and swap is bounded by less.
	hungAfter = 10 * time.Minute
	// silentFor is how long a command may wait before the log says for what, and
	// how often it says so again.
	silentFor = time.Minute
)

// hand is a command in hand and what it does at the moment. A nil hand is of a
// command without a message, and does nothing.
type hand struct {
	lane     messages.Lane
	sequence uint64

	mu      sync.Mutex
	step    string
	since   time.Time // the step's, local clock
	moved   time.Time // when anything last happened
	waits   bool      // the step may take as long as it likes: it waits for its turn
	err     error     // why the step is tried again
	told    time.Time
	command string
	order   int64
}

// hands are all commands in hand. The zero value is ready.
type hands struct {
	mu  sync.Mutex
	all map[*hand]struct{}
}

func (h *hands) take(d *delivery) *hand {
	now := time.Now()
	one := &hand{lane: d.lane, sequence: d.sequence, step: "begins", since: now, moved: now}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[*hand]struct{}{}
	}
	h.all[one] = struct{}{}
	return one
}

func (h *hands) release(one *hand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, one)
}

func (h *hands) list() []*hand {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*hand, 0, len(h.all))
	for one := range h.all {
		all = append(all, one)
	}
	return all
}

func (h *hands) count(lane messages.Lane) (n int) {
	for _, one := range h.list() {
		if one.lane == lane {
			n++
		}
	}
	return n
}

// does says what the command does now.
func (h *hand) does(step string) { h.enter(step, false) }

// awaits says what the command waits for, for as long as it takes.
func (h *hand) awaits(what string) { h.enter(what, true) }

func (h *hand) enter(step string, waits bool) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.step, h.waits, h.err = step, waits, nil
	h.since = time.Now()
	h.moved = h.since
}

// again says that the step failed and is tried again.
func (h *hand) again(err error) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.moved = err, time.Now()
}

func (h *hand) carries(j *job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.command, h.order = j.key, j.cmd.OrderID
}

// hangs reports that nothing has happened for too long; what says where.
func (h *hand) hangs(now time.Time) (what string, hangs bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waits || now.Sub(h.moved) < hungAfter {
		return "", false
	}
	return fmt.Sprintf("a command of lane %s (stream sequence %d) hangs for more than %s at: %s", h.lane, h.sequence, hungAfter, h.step), true
}

// silent gives the fields of a line for the log, if one is due.
func (h *hand) silent(now time.Time) ([]zap.Field, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Sub(h.since) < silentFor || now.Sub(h.told) < silentFor {
		return nil, false
	}
	h.told = now
	return []zap.Field{
		zap.String("at", h.step), zap.Duration("for", now.Sub(h.since)), zap.String("lane", string(h.lane)), zap.Uint64("stream_sequence", h.sequence),
		zap.String("command", h.command), fieldOrder(h.order), zap.NamedError("reason", h.err),
	}, true
}

// lookAtHands says once a minute what commands wait for, and finds those that hang.
func (w *Worker) lookAtHands() {
	now, hung := time.Now(), ""
	for _, one := range w.hands.list() {
		if fields, due := one.silent(now); due {
			w.log.Warn("a command waits", fields...)
		}
		if what, hangs := one.hangs(now); hangs {
			hung = what
		}
	}
	if hung == "" {
		w.health.clear(partHands)
		return
	}
	w.health.set(partHands, gatePart, hung)
}

// partHands is the part of the worker that hangs where a command does.
const partHands = "hands"
