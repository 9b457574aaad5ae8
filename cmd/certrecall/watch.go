package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"certrecall/worker/budget"
	"certrecall/worker/status"
)

// watchCmd follows commands until all are final.
type watchCmd struct {
	natsFlags
	selection
	limitsFlag
	Timeout  string `name:"timeout" default:"0s" help:"Give up after this long (exit code 1); 0s is never."`
	Interval string `name:"interval" default:"5s" help:"In a pipe: time between two lines, while anything changes."`
	JSON     bool   `name:"json" help:"Print JSON, one object a line."`
}

// Help is the long help, with examples.
func (watchCmd) Help() string {
	return `It ends when every command is final: with exit code 0 if all of them are done as asked, with 1 if any failed, was rejected or was cancelled.
A command that a later one stands in for (a replay, another try) counts as what became of that one.
Without a selection it follows what is not final yet, and what comes meanwhile. What waits for an administrator is waited for too: see --timeout.
In a pipe each line is tab-separated, its first field says what: progress, failed, end.

Examples:
  certrecall watch --incident INC-42
  certrecall watch --incident INC-42 --timeout 2h && ./rotate-done.sh`
}

const (
	// firstCommand is how long a selection may be unknown: a follower of the
	// stream can be a moment behind what was just sent.
	firstCommand = 5 * time.Second
	refreshEvery = 2 * time.Second // the queue, for what is sent meanwhile
	fleetEvery   = 3 * time.Second // budget and pauses
	drawEvery    = 250 * time.Millisecond
	rateOver     = time.Minute // what the rate is reckoned over
)

// Run follows, and returns an error unless all is well.
func (c *watchCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	filter, limits := c.filter(s), c.limits(s)
	timeout := s.duration("timeout", c.Timeout, 0, 30*24*time.Hour)
	interval := s.duration("interval", c.Interval, 100*time.Millisecond, time.Hour)
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not all were final within %s", short(timeout)))
		defer cancel()
	}
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	w, err := newWatch(ctx, nats, filter, limits)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		w.out, w.every = &jsonLines{p: p}, interval
	case isTerminal(p.stdout):
		w.out, w.every = newScreen(p), drawEvery
	default:
		w.out, w.every = &plainLines{p: p}, interval
	}
	return w.run(ctx)
}

// watchOutput shows a watch: on a terminal, in a pipe, as JSON.
type watchOutput interface {
	// show gets where things stand now; last is the end.
	show(now progress, last bool)
	// failed gets a command that ended otherwise than asked.
	failed(r status.Row)
	// close leaves the terminal as it should be.
	close()
}

// progress is where the watched commands stand.
type progress struct {
	Time   time.Time `json:"time"`
	Total  int       `json:"total"`
	Counts tally     `json:"counts"`
	// Rate is how many commands a second DigiCert has answered of late; Left is
	// how long the rest takes by that and under the budget, without those that
	// wait for an administrator.
	Rate float64       `json:"rate"`
	Left time.Duration `json:"-"`
	// Held says why nothing moves, if an operator or DigiCert holds it.
	Held string `json:"held,omitempty"`
}

func (p progress) sums() sums { return totals(p.Counts) }

// watch follows a view.
type watch struct {
	reader *status.Reader
	view   *status.View
	limits budget.Limits
	out    watchOutput
	every  time.Duration

	// before are the commands that were final at the beginning and are not watched.
	before map[status.State]int
	fleet  status.Fleet
	pace   pace
}

func newWatch(ctx context.Context, s session, f status.Filter, limits budget.Limits) (*watch, error) {
	r, err := status.Open(ctx, s.js, s.names)
	if err != nil {
		return nil, err
	}
	w := &watch{reader: r, limits: limits, before: map[status.State]int{}}
	for deadline := time.Now().Add(firstCommand); ; {
		if w.view, err = r.Load(ctx, f); err != nil {
			return nil, err
		}
		if w.view.Len() > 0 || f == (status.Filter{}) {
			break
		}
		if time.Now().After(deadline) {
			return nil, errors.New("no such command is known: certrecall status names the incidents that are")
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(drawEvery):
		}
	}
	if f == (status.Filter{}) {
		for state, n := range w.view.Counts() {
			if state.Final() {
				w.before[state] = n
			}
		}
	}
	calls, listings := w.view.Calls()
	w.pace = pace{calls: calls, listings: listings, callsFor: w.counts().open()}
	return w, nil
}

// run shows how things go until all are final or ctx ends.
func (w *watch) run(ctx context.Context) error {
	w.ask(ctx)
	w.out.show(w.progress(), false)
	w.tellFailed()
	following, stop := context.WithCancel(ctx)
	failures := make(chan status.Row, 1024)
	ended := make(chan error, 1)
	var follower sync.WaitGroup
	follower.Go(func() {
		ended <- w.reader.Follow(following, w.view, func(before status.State, after status.Row) {
			if before != after.State && after.State.Failed() {
				select {
				case failures <- after:
				case <-following.Done():
				}
			}
		})
	})
	err := w.loop(ctx, failures, ended)
	w.out.close()
	stop()
	follower.Wait()
	return err
}

func (w *watch) loop(ctx context.Context, failures <-chan status.Row, ended <-chan error) error {
	draw := time.NewTicker(w.every)
	defer draw.Stop()
	look := time.NewTicker(drawEvery)
	defer look.Stop()
	refreshed, asked := time.Time{}, time.Now()
	for {
		if now := time.Now(); now.Sub(asked) > fleetEvery {
			asked = now
			w.ask(ctx)
		}
		final := w.counts().final()
		if now := time.Now(); now.Sub(refreshed) > refreshEvery || final {
			_ = w.reader.Refresh(ctx, w.view) // without a server nothing is new
			refreshed = now
			final = w.counts().final()
		}
		w.pace.sample(time.Now(), w.counts())
		if final {
			return w.conclude(failures)
		}
		select {
		case <-ctx.Done():
			w.out.show(w.progress(), true)
			return w.unfinished(context.Cause(ctx))
		case err := <-ended:
			return err
		case r := <-failures:
			w.out.failed(r)
		case <-draw.C:
			w.out.show(w.progress(), false)
		case <-look.C:
		}
	}
}

// tellFailed names what had failed before the watch began.
func (w *watch) tellFailed() {
	if len(w.before) > 0 {
		return
	}
	for _, r := range w.view.Select(w.reader.Now(), func(r *status.Row) bool { return r.State.Failed() }) {
		w.out.failed(r)
	}
}

// ask reads budget and pauses. Without an answer the last one stands.
func (w *watch) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fleetEvery)
	defer cancel()
	if f, err := w.reader.Fleet(ctx, w.limits); err == nil {
		w.fleet = f
	}
}

// counts are those of the watched commands.
func (w *watch) counts() tally {
	counts := w.view.Counts()
	for state, n := range w.before {
		if counts[state] = max(0, counts[state]-n); counts[state] == 0 {
			delete(counts, state)
		}
	}
	return counts
}

// tally counts commands by state.
type tally map[status.State]int

func (t tally) final() bool {
	for state := range t {
		if !state.Final() {
			return false
		}
	}
	return true
}

// open is how many commands DigiCert has not answered yet.
func (t tally) open() int { return t[status.Queued] + t[status.Accepted] }

func (w *watch) progress() progress {
	counts := w.counts()
	p := progress{Time: w.reader.Now(), Counts: counts, Total: totals(counts).all, Rate: w.pace.rate()}
	p.Left = w.pace.left(w.fleet, counts.open())
	var held []string
	for _, pause := range w.fleet.Pauses {
		held = append(held, fmt.Sprintf("%s paused by %s: %s", orAll(pause.Kind), pause.By, pause.Reason))
	}
	if w.fleet.NotBefore.After(p.Time) {
		held = append(held, "DigiCert answered 429: no call before "+stamp(w.fleet.NotBefore))
	}
	p.Held = strings.Join(held, "; ")
	return p
}

// conclude tells how it ended.
func (w *watch) conclude(failures <-chan status.Row) error {
	for len(failures) > 0 {
		w.out.failed(<-failures)
	}
	now := w.progress()
	w.out.show(now, true)
	// What was retried counts as what became of the later command.
	if t, cancelled := now.sums(), now.Counts[status.Cancelled]; t.failed+cancelled > 0 {
		return fmt.Errorf("%d of %s: %d failed, %d cancelled", t.failed+cancelled, counted(t.all, "command"), t.failed, cancelled)
	}
	return nil
}

func (w *watch) unfinished(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return cause
	}
	now := w.progress()
	return fmt.Errorf("%w: %d of %d are not, %d of them wait for an administrator",
		cause, now.Total-now.sums().final, now.Total, now.Counts[status.Waiting])
}
