package approvals

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/ledger"
	"certrecall/worker/streams/kv"
)

// Key is the key of the sweep in the control bucket.
const Key = "sweep"

// Summary is what the latest sweep saw, for metrics and status of the whole fleet.
type Summary struct {
	At time.Time `json:"at"`
	// Waiting commands wait for an administrator, the oldest since OldestSince.
	Waiting     int       `json:"waiting"`
	OldestSince time.Time `json:"oldest_since,omitzero"`
	// Held commands are kept by the policy, the oldest since HeldSince.
	Held      int       `json:"held,omitempty"`
	HeldSince time.Time `json:"held_since,omitzero"`
	// AtRisk have used three quarters of the time to their deadline, Overdue all of it.
	AtRisk  int `json:"at_risk"`
	Overdue int `json:"overdue"`
	// Unasked requests are decided, and left for the next sweeps.
	Unasked int `json:"unasked,omitempty"`
}

func (s *Summary) count(w ledger.Waiting, now time.Time) {
	if w.Phase == ledger.Parked {
		s.Waiting++
		if s.OldestSince.IsZero() || w.Since.Before(s.OldestSince) {
			s.OldestSince = w.Since
		}
	}
	if w.Phase == ledger.Held {
		s.Held++
		if s.HeldSince.IsZero() || w.Since.Before(s.HeldSince) {
			s.HeldSince = w.Since
		}
	}
	if w.Deadline.IsZero() {
		return
	}
	left, whole := w.Deadline.Sub(now), w.Deadline.Sub(w.ReceivedAt)
	switch {
	case left <= 0:
		s.Overdue++
	case left < whole/4:
		s.AtRisk++
	}
}

// record is the value of [Key].
type record struct {
	Owner string `json:"owner"`
	// Until is when another may sweep, Swept when the last whole sweep began; server time.
	Until   time.Time `json:"until"`
	Swept   time.Time `json:"swept,omitzero"`
	Summary Summary   `json:"summary"`
}

// turn is the right to sweep, held for one poll interval at a time.
type turn struct {
	s         *Sweeper
	record    record
	revision  uint64
	lastSweep time.Time

	mu      sync.Mutex
	renewed time.Time
}

var errTurnLost = errors.New("another worker has taken the sweep over")

// Run sweeps whenever it is this process's turn, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	// The first look comes early and at a random moment, so that a fleet that
	// starts at once does not ask all at once.
	for wait := randv2.N(min(s.cfg.Poll, time.Second)); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		var err error
		if wait, err = s.try(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Failed(err)
		}
	}
}

// try sweeps if nobody else does, and says when to look again.
func (s *Sweeper) try(ctx context.Context) (time.Duration, error) {
	t, left, err := s.take(ctx)
	if err != nil {
		return s.cfg.Poll/4 + randv2.N(s.cfg.Poll/4), err
	}
	if t == nil {
		return left + randv2.N(s.cfg.Poll/10+1), nil
	}
	began := s.cfg.Now()
	summary, err := s.sweep(ctx, t)
	t.record.Summary = summary
	if err == nil {
		t.record.Swept = began
	}
	t.record.Until = began.Add(s.cfg.Poll)
	storeErr := t.store(ctx)
	return max(s.cfg.Poll-s.cfg.Now().Sub(began), 0), errors.Join(err, storeErr)
}

// take wins the turn by compare-and-swap, or says how long another holds it.
func (s *Sweeper) take(ctx context.Context) (*turn, time.Duration, error) {
	t := &turn{s: s}
	rec, revision, err := readRecord(ctx, s.cfg.Budget)
	if err != nil {
		return nil, 0, err
	}
	now := s.cfg.Now()
	if left := rec.Until.Sub(now); left > 0 && left <= 2*s.cfg.Poll {
		return nil, left, nil
	}
	t.record, t.revision, t.lastSweep = rec, revision, rec.Swept
	t.record.Owner, t.record.Until = rand.Text(), now.Add(s.cfg.Poll)
	if err := t.store(ctx); err != nil {
		if errors.Is(err, errTurnLost) {
			return nil, s.cfg.Poll, nil
		}
		return nil, 0, err
	}
	return t, 0, nil
}

// keep renews the turn every third of an interval until ctx ends; lost hears
// why it could not.
func (t *turn) keep(ctx context.Context, lost context.CancelCauseFunc) {
	tick := time.NewTicker(t.s.cfg.Poll / 3)
	defer tick.Stop()
	for {
		if err := t.renew(ctx); err != nil && ctx.Err() == nil {
			lost(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// renew keeps the turn for another interval, unless that was done just now.
func (t *turn) renew(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.renewed) < t.s.cfg.Poll/4 {
		return nil
	}
	t.record.Until = t.s.cfg.Now().Add(t.s.cfg.Poll)
	return t.store(ctx)
}

func (t *turn) store(ctx context.Context) error {
	revision, err := kv.JSON[record](t.s.cfg.Budget).Swap(ctx, Key, t.record, t.revision)
	if errors.Is(err, kv.ErrLost) {
		return errTurnLost
	}
	if err != nil {
		return fmt.Errorf("storing the sweep: %w", err)
	}
	t.revision, t.renewed = revision, time.Now()
	return nil
}

// readRecord reads the key. One that cannot be understood counts as none: a
// sweep of ours replaces it.
func readRecord(ctx context.Context, control jetstream.KeyValue) (record, uint64, error) {
	e, err := kv.JSON[record](control).Get(ctx, Key)
	if err != nil && !errors.Is(err, kv.ErrUnreadable) {
		return record{}, 0, fmt.Errorf("reading the sweep: %w", err)
	}
	return e.Value, e.Revision, nil
}

// Latest reads what the latest sweep of the fleet saw; the zero Summary if none was.
func Latest(ctx context.Context, control jetstream.KeyValue) (Summary, error) {
	rec, _, err := readRecord(ctx, control)
	return rec.Summary, err
}
