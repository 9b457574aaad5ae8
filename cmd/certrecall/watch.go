package main

import (
	"context"
	"errors"
	"fmt"
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
		return p.missing(nats, err)
	}
	w.p = p
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

// progress is where the watched commands stand: revocations and lists, each
// order once however often it was tried, and plans apart.
type progress struct {
	Time   time.Time `json:"time"`
	Total  int       `json:"total"`
	Counts tally     `json:"counts"`
	Plans  tally     `json:"plans,omitempty"`
	// Rate is how many commands a second DigiCert has answered of late; Left is
	// how long the rest takes by that and under the budget, without those that
	// wait for an administrator. While something holds them there is none.
	Rate float64       `json:"rate"`
	Left time.Duration `json:"-"`
	// Held says in one line what holds everything.
	Held string `json:"held,omitempty"`
}

func (p progress) sums() sums { return totals(p.Counts) }

// watch follows a view.
type watch struct {
	p      *process
	reader *status.Reader
	view   *status.View
	limits budget.Limits
	out    watchOutput
	every  time.Duration

	begun  time.Time
	fleet  status.Fleet
	silent time.Time // since when NATS does not answer; zero: it does
	pace   pace
}

func newWatch(ctx context.Context, s session, f status.Filter, limits budget.Limits) (*watch, error) {
	r, err := status.Open(ctx, s.js, s.names)
	if err != nil {
		return nil, err
	}
	w := &watch{reader: r, limits: limits, begun: time.Now()}
	for deadline := time.Now().Add(firstCommand); ; {
		switch {
		case f.All():
			w.view, err = r.LoadOpen(ctx)
		case time.Now().After(deadline):
			w.view, err = viewOf(ctx, r, f)
		default:
			w.view, err = r.Load(ctx, f)
		}
		if err != nil {
			return nil, err
		}
		if w.view.Len() > 0 || f.All() {
			break
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(drawEvery):
		}
	}
	calls, listings := w.view.Calls()
	w.pace = pace{calls: calls, listings: listings, callsFor: w.open()}
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
	w.afterwards(err)
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
		final := w.final()
		if now := time.Now(); now.Sub(refreshed) > refreshEvery || final {
			_ = w.reader.Refresh(ctx, w.view) // without a server nothing is new
			refreshed = now
			final = w.final()
		}
		w.pace.sample(time.Now(), w.view.Counts())
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
	for r := range w.view.Each(w.reader.Now()) {
		if r.State.Failed() {
			w.out.failed(r)
		}
	}
}

// ask reads budget and pauses. Without an answer the last one stands.
func (w *watch) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fleetEvery)
	defer cancel()
	f, err := w.reader.Fleet(ctx, w.limits)
	switch {
	case err == nil:
		w.fleet, w.silent = f, time.Time{}
	case w.silent.IsZero():
		w.silent = time.Now()
	}
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

func (w *watch) final() bool { return tally(w.view.Counts()).final() }
func (w *watch) open() int   { return tally(w.view.Counts()).open() }

func (w *watch) progress() progress {
	counts, plans := w.view.Counts(), w.view.Plans()
	for state, n := range plans {
		if counts[state] -= n; counts[state] == 0 {
			delete(counts, state)
		}
	}
	p := progress{
		Time: w.reader.Now(), Counts: counts, Plans: plans, Total: totals(counts).all - counts[status.Retried], Rate: w.pace.rate(),
		Held: w.held(),
	}
	if p.Held == "" {
		p.Left = w.pace.left(w.fleet, w.open())
	}
	return p
}

// held says what holds everything that is still to be done.
func (w *watch) held() string {
	if w.open() == 0 {
		return ""
	}
	if !w.silent.IsZero() {
		return "NATS unreachable since " + stamp(w.silent)
	}
	if line := holdLine(w.fleet); line != "" {
		return line
	}
	for _, l := range w.fleet.Lanes {
		if l.Asking > 0 || l.InHand > 0 {
			return ""
		}
	}
	if len(w.fleet.Lanes) == 0 {
		return ""
	}
	return "no worker takes commands: does one run? its /readyz tells what keeps it (the key is refused, DigiCert is down)"
}

// conclude tells how it ended.
func (w *watch) conclude(failures <-chan status.Row) error {
	for len(failures) > 0 {
		w.out.failed(<-failures)
	}
	now := w.progress()
	w.out.show(now, true)
	// What was retried counts as what became of the later command.
	t := totals(w.view.Counts())
	if cancelled := w.view.Counts()[status.Cancelled]; t.failed+cancelled > 0 {
		return fmt.Errorf("%d of %s: %d failed, %d cancelled", t.failed+cancelled, counted(t.all, "command"), t.failed, cancelled)
	}
	return nil
}

func (w *watch) unfinished(cause error) error {
	if errors.Is(cause, context.Canceled) {
		return cause
	}
	counts := w.view.Counts()
	t := totals(counts)
	return fmt.Errorf("%w: %d of %d are not, %d of them wait for an administrator",
		cause, t.all-t.final, t.all, counts[status.Waiting])
}

// afterwards says how long it took, what failed, and what comes next.
func (w *watch) afterwards(err error) {
	if isTerminal(w.p.stdout) {
		w.p.show(failureGroups(w.view.Failures(w.reader.Now(), firstOfGroup))...)
	}
	if err != nil && !w.final() {
		return
	}
	name := w.view.Filter().Incident
	switch {
	case w.view.Len() == 0:
		w.p.say("Nothing is open.")
	case name == "":
		w.p.say("All final after %s. Next: certrecall status", span(time.Since(w.begun)))
	case len(w.view.Plans()) == w.view.Len():
		w.p.say("All final after %s. Next: certrecall status --incident %s --plan", span(time.Since(w.begun)), name)
	default:
		w.p.say("All final after %s. Next, the evidence: certrecall status --incident %s --csv > %s.csv", span(time.Since(w.begun)), name, name)
	}
}
