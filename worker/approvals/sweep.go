package approvals

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client"
	"certrecall/worker/ledger"
)

const (
	// maxAsked bounds the requests that one sweep asks for one by one.
	maxAsked = 200
	// parallel bounds how many commands a sweep finishes at once.
	parallel = 16
	// approvedPatience is how long an approved request may take to show in its
	// order before somebody is warned.
	approvedPatience = time.Hour
	// changesSlack is added to the window of status changes, for DigiCert's clock.
	changesSlack = 5 * time.Minute
	// maxChanges is the longest window that DigiCert takes.
	maxChanges = 7 * 24 * time.Hour
)

// Commands is the worker, as far as the sweep needs it.
type Commands interface {
	// Pursue carries a waiting command as far as it can be carried now: says
	// its final event if it is decided, or goes on from its waiting key.
	Pursue(ctx context.Context, w ledger.Waiting) error
	// Stopped tells whether something ends a held command: it expired, was
	// cancelled, or its order is protected. It asks nobody.
	Stopped(ctx context.Context, w ledger.Waiting) bool
	// Overdue says that the deadline of a command has passed.
	Overdue(ctx context.Context, w ledger.Waiting) error
	// Ask reads the request of a waiting command into the order's record: who
	// decided it, and what was said to it.
	Ask(ctx context.Context, w ledger.Waiting) error
	// Reread reads the order of a waiting command into its record, and goes on
	// with the command if that decided it.
	Reread(ctx context.Context, w ledger.Waiting) error
	// Decided takes a fresh read of a request into the order's record.
	Decided(ctx context.Context, w ledger.Waiting, q client.Request, gone bool) error
	// StillApproved hears that a request is approved for longer than it should
	// take to show in the order.
	StillApproved(w ledger.Waiting, since time.Time)
}

// Config is what a [Sweeper] needs.
type Config struct {
	Budget jetstream.KeyValue
	Ledger *ledger.Ledger
	// Reader is DigiCert without the operations that change anything; every
	// call of it waits for a permit of the sweep.
	Reader   client.Reader
	Commands Commands
	// Poll is the time between two sweeps of the fleet.
	Poll time.Duration
	// Now is the server's time.
	Now func() time.Time
	// Failed hears of what went wrong in a sweep; the next one tries again.
	Failed func(error)
}

// Sweeper sweeps when it is this process's turn.
type Sweeper struct{ cfg Config }

// New makes a sweeper. It starts nothing.
func New(cfg Config) *Sweeper { return &Sweeper{cfg: cfg} }

// round is one sweep.
type round struct {
	*Sweeper
	turn    *turn
	summary Summary
	// followed are the commands that wait for a request, by order and request.
	followed map[request][]ledger.Waiting
	byOrder  map[int64][]ledger.Waiting
}

type request struct{ order, id int64 }

// Sweep does one round. The error joins what went wrong; the rest was done.
func (s *Sweeper) sweep(ctx context.Context, t *turn) (Summary, error) {
	r := &round{Sweeper: s, turn: t, followed: map[request][]ledger.Waiting{}, byOrder: map[int64][]ledger.Waiting{}}
	err := r.settle(ctx)
	r.summary.At = s.cfg.Now()
	if ctx.Err() != nil || len(r.followed) == 0 {
		return r.summary, err
	}
	err = errors.Join(err, r.changes(ctx))
	waiting, listErr := r.waitingRequests(ctx)
	if listErr != nil {
		return r.summary, errors.Join(err, listErr)
	}
	return r.summary, errors.Join(err, r.ask(ctx, waiting))
}

// settle finishes what the records call decided, and tells what is overdue.
func (r *round) settle(ctx context.Context) error {
	var todo []func() error
	var problems []error
	now := r.cfg.Now()
	for w, err := range r.cfg.Ledger.AllWaiting(ctx) {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		r.summary.count(w, now)
		todo = append(todo, func() error { return r.settleOne(ctx, w, now) })
	}
	return errors.Join(append(problems, r.each(ctx, todo))...)
}

func (r *round) settleOne(ctx context.Context, w ledger.Waiting, now time.Time) error {
	e, err := r.cfg.Ledger.Load(ctx, w.Order)
	if err != nil {
		return err
	}
	a := e.Decide(w.Claimant(), now)
	var problem error
	switch a.Next {
	case ledger.Finish:
		return r.cfg.Commands.Pursue(ctx, w)
	case ledger.Send, ledger.Read, ledger.Identify, ledger.Crowded:
		if w.Phase == ledger.Parked || w.Phase == ledger.Held && r.cfg.Commands.Stopped(ctx, w) {
			problem = r.cfg.Commands.Pursue(ctx, w)
		}
	case ledger.Await, ledger.Adopt:
		w.RequestID = a.Request.ID
		r.follow(w)
	case ledger.Later:
	}
	if !w.Deadline.IsZero() && !w.OverdueSaid && now.After(w.Deadline) {
		return errors.Join(problem, r.cfg.Commands.Overdue(ctx, w))
	}
	return problem
}

func (r *round) follow(w ledger.Waiting) {
	r.turn.mu.Lock()
	defer r.turn.mu.Unlock()
	key := request{w.Order, w.RequestID}
	r.followed[key] = append(r.followed[key], w)
	r.byOrder[w.Order] = append(r.byOrder[w.Order], w)
}

// changes asks once what changed since the last sweep, and rereads those
// orders of ours that are said to be revoked, however that came about: two
// calls a decision, on the commands' own share of the budget. What was reread is not asked for again in this sweep.
func (r *round) changes(ctx context.Context) error {
	window := changesSlack
	if last := r.turn.lastSweep; !last.IsZero() {
		window = min(r.cfg.Now().Sub(last)+changesSlack, maxChanges)
	}
	changed, err := r.cfg.Reader.StatusChanges(ctx, window)
	if err != nil {
		return err
	}
	var todo []func() error
	reread := map[int64]bool{}
	for _, c := range changed {
		if c.Status != "revoked" || reread[c.OrderID] {
			continue
		}
		reread[c.OrderID] = true
		for i, w := range r.byOrder[c.OrderID] {
			delete(r.followed, request{w.Order, w.RequestID})
			if i == 0 {
				todo = append(todo, func() error { return r.rereadAll(ctx, w.Order) })
			}
		}
	}
	return r.each(ctx, todo)
}

// rereadAll reads the order and its request once, and then goes on with every
// command that waits on it.
func (r *round) rereadAll(ctx context.Context, order int64) error {
	problems := []error{r.cfg.Commands.Ask(ctx, r.byOrder[order][0])}
	for i, w := range r.byOrder[order] {
		next := r.cfg.Commands.Pursue
		if i == 0 {
			next = r.cfg.Commands.Reread
		}
		problems = append(problems, next(ctx, w))
	}
	return errors.Join(problems...)
}

// waitingRequests lists what an administrator has yet to decide. DigiCert once
// ignored the filter, so each item's own status is looked at.
func (r *round) waitingRequests(ctx context.Context) (map[int64]bool, error) {
	waiting := map[int64]bool{}
	for _, status := range []string{"pending", "submitted"} {
		for q, err := range r.cfg.Reader.Requests(ctx, client.RequestFilter{Type: "revoke", Status: status}) {
			if err != nil {
				return nil, err
			}
			if q.Status == "pending" || q.Status == "submitted" {
				waiting[q.ID] = true
			}
		}
	}
	return waiting, nil
}

// ask reads one by one the requests that are no longer among the waiting ones.
func (r *round) ask(ctx context.Context, waiting map[int64]bool) error {
	var gone []request
	for key := range r.followed {
		if !waiting[key.id] {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, func(a, b request) int {
		return cmp.Or(r.asked(a).Compare(r.asked(b)), cmp.Compare(a.id, b.id))
	})
	if len(gone) > maxAsked {
		r.summary.Unasked = len(gone) - maxAsked
		gone = gone[:maxAsked]
	}
	todo := make([]func() error, 0, len(gone))
	for _, key := range gone {
		todo = append(todo, func() error { return r.askOne(ctx, key) })
	}
	return r.each(ctx, todo)
}

func (r *round) asked(key request) time.Time {
	last := r.followed[key][0].Asked
	for _, w := range r.followed[key] {
		if w.Asked.Before(last) {
			last = w.Asked
		}
	}
	return last
}

func (r *round) askOne(ctx context.Context, key request) error {
	commands := r.followed[key]
	q, err := r.cfg.Reader.Request(ctx, key.id)
	failure, _ := errors.AsType[*client.Error](err)
	gone := failure != nil && failure.Class == client.ClassNotFound && failure.HasCode("not_found") && !failure.HasCode("not_found|route")
	if err != nil && !gone {
		return err
	}
	if err := r.cfg.Commands.Decided(ctx, commands[0], q, gone); err != nil {
		return err
	}
	now := r.cfg.Now()
	var problems []error
	for i, w := range commands {
		w.Asked = now
		if q.Status == "approved" && w.Approved.IsZero() {
			w.Approved = now
		}
		if !w.Approved.IsZero() && now.Sub(w.Approved) > approvedPatience {
			r.cfg.Commands.StillApproved(w, w.Approved)
		}
		w, there, err := r.cfg.Ledger.Amend(ctx, w, func(k *ledger.Waiting) {
			k.RequestID, k.Asked, k.Approved = w.RequestID, w.Asked, w.Approved
		})
		if err != nil || !there { // not there: it has its final event
			problems = append(problems, err)
			continue
		}
		next := r.cfg.Commands.Pursue
		if i == 0 && q.Status != "rejected" {
			next = r.cfg.Commands.Reread
		}
		problems = append(problems, next(ctx, w))
	}
	return errors.Join(problems...)
}

// each does all of them, some at once. Meanwhile it keeps the turn, however
// long their calls wait for permits; it stops when the turn is lost, for then
// another sweeps.
func (r *round) each(ctx context.Context, todo []func() error) error {
	keeping, stop := context.WithCancelCause(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { r.turn.keep(keeping, stop) })
	defer keeper.Wait()
	defer stop(nil)

	var mu sync.Mutex
	var problems []error
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, do := range todo {
		select {
		case slots <- struct{}{}:
		case <-keeping.Done():
		}
		if keeping.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := do(); err != nil {
				mu.Lock()
				problems = append(problems, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(append(problems, context.Cause(keeping))...)
}
