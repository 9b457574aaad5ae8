package status

import (
	"context"
	"fmt"
	"time"

	"certrecall/messages"
	"certrecall/worker/approvals"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
)

// Fleet is what concerns every command of a prefix.
type Fleet struct {
	At    time.Time   `json:"at"` // server time
	Lanes []LaneState `json:"lanes"`
	// Budget is what is used of each window; empty where there is no limit.
	Budget []Window `json:"budget"`
	// NotBefore is until when nobody calls, after a 429; zero is now.
	NotBefore time.Time `json:"not_before,omitzero"`
	Pauses    []Pause   `json:"pauses"`
	// Sweep is when the workers looked last at what waits for an administrator.
	Sweep       time.Time `json:"last_sweep,omitzero"`
	DeadLetters uint64    `json:"dead_letters"`

	use []budget.WindowUse
}

// LaneState is one lane of the queue.
type LaneState struct {
	Lane messages.Lane `json:"lane"`
	// Pending commands wait to be taken; InHand are taken and not answered yet,
	// those among them that wait for another try.
	Pending uint64 `json:"pending"`
	InHand  int    `json:"in_hand"`
	// Asking is how many workers' pulls wait for a command. Without any, and
	// with nothing in hand, no worker runs or all are held by a gate.
	Asking int `json:"asking"`
	// Oldest is when the oldest command that is not answered was stored.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Window is one rolling window of the budget.
type Window struct {
	Calls   int     `json:"calls"`
	Seconds float64 `json:"seconds"`
	Used    int     `json:"used"`
	Left    int     `json:"left"`
}

// Pause is an operator's pause.
type Pause struct {
	Kind   gate.Kind `json:"kind"` // "" is both
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// Estimate tells how long calls take at best from now on: see [Estimate].
// Pauses are not foreseen.
func (f Fleet) Estimate(revocations, listings int) time.Duration {
	return max(f.NotBefore.Sub(f.At), 0) + Estimate(f.use, budget.DefaultListingShare, revocations, listings)
}

// Fleet reads what concerns everybody. The limits are a setting of the
// workers, which they do not share: give the same.
func (r *Reader) Fleet(ctx context.Context, limits budget.Limits) (Fleet, error) {
	f := Fleet{At: r.Now(), Budget: []Window{}, Pauses: []Pause{}}
	var err error
	if f.Lanes, err = r.lanes(ctx); err != nil {
		return Fleet{}, err
	}
	use, notBefore, err := budget.ReadUse(ctx, r.stores.Budget, limits, f.At)
	if err != nil {
		return Fleet{}, err
	}
	f.use = use
	for _, u := range use {
		f.Budget = append(f.Budget, Window{u.Calls, u.Per.Seconds(), u.Used, u.Left})
	}
	if notBefore.Until.After(f.At) {
		f.NotBefore = notBefore.Until
	}
	pauses, err := gate.Pauses(ctx, r.stores.Control)
	if err != nil {
		return Fleet{}, err
	}
	for _, p := range pauses {
		f.Pauses = append(f.Pauses, Pause{p.Kind, p.By, p.Reason, p.At.UTC()})
	}
	sweep, err := approvals.Latest(ctx, r.stores.Budget)
	if err != nil {
		return Fleet{}, err
	}
	f.Sweep = sweep.At
	info, err := r.stores.DeadLetters.Info(ctx)
	if err != nil {
		return Fleet{}, fmt.Errorf("reading stream %s: %w", r.names.DeadLettersStream(), err)
	}
	f.DeadLetters = info.State.Msgs
	return f, nil
}
