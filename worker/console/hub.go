package console

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/status"
)

// change is something new: an event of a command, or something in the queue,
// among the statements or the dead letters.
type change struct {
	kind    kind
	command messages.CommandName
	order   int64
}

type kind uint8

const (
	kindEvent kind = iota
	kindQueue
	kindWords
	kindLetters
	kindTick // a few seconds passed
)

// hub is the one reader of the process. What it finds goes to every tab that
// looks at it.
type hub struct {
	js     jetstream.JetStream
	names  messages.Names
	limits budget.Limits
	log    *zap.Logger
	views  views
	fleet  fresh[status.Fleet]
	openBy fresh[map[status.State]int]
	recent recentIncidents

	mu       sync.Mutex
	reader   *status.Reader
	problem  error // why there is none, or what it cannot read now
	since    time.Time
	tabs     map[*tab]bool
	sequence uint64 // counts changes
	events   uint64
}

func newHub(js jetstream.JetStream, names messages.Names, limits budget.Limits, log *zap.Logger) *hub {
	h := &hub{js: js, names: names, limits: limits, log: log, tabs: map[*tab]bool{}, problem: errors.New("not connected yet"), since: time.Now()}
	h.views.hub = h
	h.views.open = map[string]*shared{}
	h.recent.summaries = map[string]status.Summary{}
	return h
}

const (
	// retryRead is the time between two tries to read.
	retryRead = 2 * time.Second
	// lookEvery is how often queue, statements and dead letters are looked at
	// while somebody watches.
	lookEvery = 400 * time.Millisecond
	// tickEvery is how often a page with what changes by itself is shown anew.
	tickEvery = 3 * time.Second
	// lookWithin bounds one look.
	lookWithin = 5 * time.Second
)

func (h *hub) run(ctx context.Context) {
	defer h.views.end()
	h.views.ctx = ctx
	for ctx.Err() == nil {
		err := h.read(ctx)
		if ctx.Err() != nil {
			return
		}
		h.failed(err)
		wait(ctx, retryRead)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (h *hub) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.problem == nil {
		h.since = time.Now()
		h.log.Warn("cannot read; trying again until it works", zap.Error(err))
	}
	h.problem = err
}

// read opens the reader and follows the events until something fails.
func (h *hub) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	opening, done := context.WithTimeout(ctx, answerWithin)
	r, err := status.Open(opening, h.js, h.names)
	done()
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.reader, h.problem, h.since = r, nil, time.Now()
	h.mu.Unlock()
	h.log.Info("reading")
	h.say(change{kind: kindTick})
	all.Go(func() { h.warm(ctx, r) })
	var looked error
	all.Go(func() {
		looked = h.look(ctx, r)
		cancel()
	})
	err = r.FollowEvents(ctx, status.Filter{}, 0, true, func(s status.Said) bool {
		h.recent.saw(s.Event)
		h.say(change{kindEvent, s.Event.Command(), s.Event.OrderID})
		return true
	})
	cancel()
	all.Wait()
	return errors.Join(err, looked)
}

// look watches what no event tells: commands that arrive, statements, dead letters.
func (h *hub) look(ctx context.Context, r *status.Reader) error {
	stores := r.Stores()
	last := map[kind]uint64{}
	ticked := time.Now()
	control, err := h.js.Stream(ctx, "KV_"+h.names.ControlBucket())
	if err != nil {
		return err
	}
	sources := map[kind]jetstream.Stream{kindQueue: stores.Commands, kindWords: control, kindLetters: stores.DeadLetters}
	for ctx.Err() == nil {
		wait(ctx, lookEvery)
		if !h.watched() && time.Since(ticked) < tickEvery {
			continue
		}
		for k, s := range sources {
			bounded, done := context.WithTimeout(ctx, lookWithin)
			info, err := s.Info(bounded)
			done()
			if err != nil {
				return err
			}
			now := info.State.LastSeq + info.State.FirstSeq
			if before, known := last[k]; known && before != now {
				if k == kindQueue {
					h.views.refresh(ctx)
				}
				h.fleet.forget()
				h.say(change{kind: k})
			}
			last[k] = now
		}
		if time.Since(ticked) >= tickEvery {
			ticked = time.Now()
			h.views.tidy()
			h.say(change{kind: kindTick})
		}
	}
	return nil
}

// open gives the reader, or why there is none.
func (h *hub) open() (*status.Reader, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.problem != nil {
		return nil, h.problem
	}
	return h.reader, nil
}

// tab is one open page.
type tab struct {
	wants func(change) bool
	wake  chan struct{} // carries one value when something changed
}

func (h *hub) join(wants func(change) bool) *tab {
	t := &tab{wants, make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tabs[t] = true
	return t
}

func (h *hub) leave(t *tab) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tabs, t)
}

func (h *hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.tabs) > 0
}

// say tells the tabs of a change. It never waits: a tab that was told already
// will ask for everything at once.
func (h *hub) say(c change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.kind == kindEvent {
		h.events++
	}
	h.sequence++
	for t := range h.tabs {
		if t.wants(c) {
			select {
			case t.wake <- struct{}{}:
			default:
			}
		}
	}
}

// Fleet is what concerns everybody, read at most twice a second.
func (h *hub) Fleet(ctx context.Context) (status.Fleet, error) {
	r, err := h.open()
	if err != nil {
		return status.Fleet{}, err
	}
	return h.fleet.get(500*time.Millisecond, func() (status.Fleet, error) { return r.Fleet(ctx, h.limits) })
}

// fresh keeps a value for a moment, so that many tabs cost one read.
type fresh[T any] struct {
	mu    sync.Mutex
	value T
	at    time.Time
}

func (f *fresh[T]) get(age time.Duration, read func() (T, error)) (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.at.IsZero() && time.Since(f.at) < age {
		return f.value, nil
	}
	value, err := read()
	if err == nil {
		f.value, f.at = value, time.Now()
	}
	return value, err
}

func (f *fresh[T]) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = time.Time{}
}
