package deliveries

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

// Config is what a delivery needs.
type Config struct {
	JS        jetstream.JetStream
	Names     messages.Names
	Endpoint  Endpoint
	UserAgent string
	// Report is told what happens, at once and from several goroutines; nil = nobody.
	Report func(Report)
	// Dial makes the connections; nil = as the endpoint may.
	Dial Dial
}

// Outcome is what a report is about.
type Outcome string

// The outcomes.
const (
	Delivered   Outcome = "delivered"
	Retried     Outcome = "retried"      // not taken; it comes again
	SetAside    Outcome = "set-aside"    // not taken for three days, while others were
	SwitchedOff Outcome = "switched-off" // the endpoint, until an operator resumes it
	Unavailable Outcome = "unavailable"  // the events cannot be read
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{Delivered, Retried, SetAside, SwitchedOff, Unavailable}
}

// Report is one thing that happened.
type Report struct {
	Endpoint string
	Outcome  Outcome
	Event    messages.EventName
	Command  messages.CommandName
	Sequence uint64
	Attempt  uint64 // of the consumer's deliveries, from 1
	Status   int    // of HTTP; 0 = no answer
	Detail   string
	Took     time.Duration
	Next     time.Duration // until it is tried again
}

// Delivery serves one endpoint.
type Delivery struct {
	cfg    Config
	poster *poster
	pace   pace
	chains chains
	slots  chan struct{}
	// patience is how long an event is tried: three days, but in some tests.
	patience time.Duration

	mu       sync.Mutex
	events   jetstream.Stream
	created  time.Time // of the consumer that chains is about
	count    uint64    // of its deliveries, as last seen
	floor    uint64    // as last seen: where a consumer that vanished was
	standing Standing
	problem  string
}

// New reads the endpoint's files; it connects to nothing.
func New(cfg Config) (*Delivery, error) {
	p, err := newPoster(cfg.Endpoint, cfg.UserAgent, cfg.Dial)
	if err != nil {
		return nil, fmt.Errorf("delivery %s: %w", cfg.Endpoint.Name, err)
	}
	if cfg.Report == nil {
		cfg.Report = func(Report) {}
	}
	return &Delivery{cfg: cfg, poster: p, patience: threeDays, slots: make(chan struct{}, max(1, cfg.Endpoint.Concurrency))}, nil
}

const (
	// reopen is the pause before the consumer is looked for again. It is longer
	// than an operator's replay takes to make it anew.
	reopen = 3 * time.Second
	// watch is how often the consumer is looked at.
	watch = 5 * time.Second

	pullExpiry, pullHeartbeat = 5 * time.Second, 2 * time.Second
)

// Run serves the endpoint until ctx ends. Requests on their way may end.
func (d *Delivery) Run(ctx context.Context) error {
	for {
		err := d.serve(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was asked to end
		}
		d.broken(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reopen):
		}
	}
}

func (d *Delivery) broken(err error) {
	d.mu.Lock()
	fresh := d.problem != err.Error()
	d.problem = err.Error()
	d.mu.Unlock()
	if fresh {
		d.cfg.Report(Report{Endpoint: d.cfg.Endpoint.Name, Outcome: Unavailable, Detail: err.Error()})
	}
}

// errVanished says that the consumer is not the one that was opened.
var errVanished = errors.New("the consumer was removed, or made anew")

// serve opens the consumer and posts what it gives, until something fails.
func (d *Delivery) serve(ctx context.Context) error {
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	options := []jetstream.PullMessagesOpt{jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat)}
	if slices.Contains(c.CachedInfo().Config.PriorityGroups, group) { // one that an operator made may have none
		options = append(options, jetstream.PullPriorityGroup(group))
	}
	it, err := c.Messages(options...)
	if err != nil {
		return fmt.Errorf("pulling events: %w", err)
	}
	defer it.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	pulling, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	all.Go(func() { stop(d.look(pulling, c)) })
	for {
		if err := d.ready(pulling); err != nil {
			return err
		}
		m, err := streams.Next(pulling, it)
		if err != nil {
			<-d.slots
			return errors.Join(context.Cause(pulling), err)
		}
		if !d.follows(m) {
			_ = settle(m, verdict{kind: again}) // where it fails, the message comes again
			<-d.slots
			return errVanished
		}
		all.Go(func() {
			defer func() { <-d.slots }()
			d.handle(ctx, c, m)
		})
	}
}

// open finds or makes the consumer. What is remembered of another one is dropped.
func (d *Delivery) open(ctx context.Context) (jetstream.Consumer, error) {
	d.mu.Lock()
	after := d.floor
	d.mu.Unlock()
	c, err := d.cfg.Endpoint.ensure(ctx, d.cfg.JS, d.cfg.Names, after)
	if err != nil {
		return nil, err
	}
	d.saw(c.CachedInfo())
	return c, nil
}

// saw takes in how the consumer stands. It reports a consumer other than before.
func (d *Delivery) saw(info *jetstream.ConsumerInfo) (another bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problem = ""
	d.standing = standingOf(info)
	d.floor = info.AckFloor.Stream
	if another = !info.Created.Equal(d.created); another {
		d.created, d.count = info.Created, 0
		d.chains.reset()
	}
	return another
}

// follows tells whether a message is of the consumer that was opened: one that
// was made anew in its place counts its deliveries from the beginning. What is
// remembered of the old one is dropped then.
func (d *Delivery) follows(m jetstream.Msg) bool {
	meta, err := m.Metadata()
	if err != nil {
		return true // it is given back, unread
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if meta.Sequence.Consumer <= d.count {
		d.created, d.count = time.Time{}, 0
		return false
	}
	d.count = meta.Sequence.Consumer
	return true
}

// look keeps an eye on the consumer until ctx ends.
func (d *Delivery) look(ctx context.Context, c jetstream.Consumer) error {
	tick := time.NewTicker(watch)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		info, err := asked(ctx, "reading the consumer", c.Info)
		switch {
		case errors.Is(err, jetstream.ErrConsumerNotFound):
			return errVanished
		case err != nil:
			continue // the pull tells, if it lasts
		case d.saw(info):
			return errVanished
		}
	}
}

// ready waits for a free slot and for the endpoint's pause to pass. While the
// endpoint fails, one event at a time is tried.
func (d *Delivery) ready(ctx context.Context) error {
	for {
		wait, probing := d.pace.wait(time.Now())
		if wait == 0 && (!probing || len(d.slots) == 0) {
			select {
			case d.slots <- struct{}{}:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(max(wait, slotPoll)):
		}
	}
}

// slotPoll is how often a probe looks whether the one before it has ended.
const slotPoll = 100 * time.Millisecond

// State is how a delivery stands, as this process sees it.
type State struct {
	Standing
	Problem      string    // why the events cannot be read; "" is nothing
	FailingSince time.Time // zero: the endpoint takes events, or was not asked yet
	Failure      string
	Warning      string // of its secret's file
}

// State gives how the delivery stands.
func (d *Delivery) State() State {
	d.mu.Lock()
	s := State{Standing: d.standing, Problem: d.problem, Warning: d.poster.signer.Warning()}
	d.mu.Unlock()
	s.Name = d.cfg.Endpoint.Name
	s.FailingSince, s.Failure = d.pace.failing()
	return s
}

// stream gives the handle of the events stream, which is looked up once.
func (d *Delivery) stream(ctx context.Context) (jetstream.Stream, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.events != nil {
		return d.events, nil
	}
	s, err := d.cfg.JS.Stream(ctx, d.cfg.Names.EventsStream())
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", d.cfg.Names.EventsStream(), err)
	}
	d.events = s
	return s, nil
}
