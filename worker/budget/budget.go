// Package budget shares one allowance of calls among all workers of a fleet.
package budget

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Config is what a Budget needs. KV is the control bucket.
type Config struct {
	KV           jetstream.KeyValue
	Limits       Limits           // nil: no limit
	ListingShare float64          // listings take a permit only while less than this share of each window is used; 0 means DefaultListingShare
	Now          func() time.Time // the server's time
	Report       func(Incident)   // may be nil; must not block
}

// Budget gives permits for calls.
type Budget struct {
	cfg       Config
	notBefore chan struct{}
}

// New returns a Budget. It does nothing before Run.
func New(cfg Config) *Budget { return &Budget{cfg: cfg, notBefore: make(chan struct{}, 1)} }

// Run serves the waiting callers until ctx ends, and then returns nil.
func (b *Budget) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Acquire waits for a permit.
func (b *Budget) Acquire(ctx context.Context, _ Lane) (Permit, error) {
	if b.cfg.Limits == nil {
		return Permit{}, nil
	}
	<-ctx.Done()
	return Permit{}, fmt.Errorf("waiting for a permit: %w", ctx.Err())
}

// Permit allows one call that begins while it is fresh. The zero Permit is of a budget without limits: always fresh.
type Permit struct{}

// Fresh reports whether a call may still begin on the permit.
func (p Permit) Fresh() bool { return true }

// GiveBack returns a permit on which no call began. Giving back twice is giving back once.
func (p Permit) GiveBack() {}

// Throttled says that a call which began at the given local time was answered 429; retryAfter is 0 if none was given.
func (b *Budget) Throttled(began time.Time, retryAfter time.Duration) {}

// Succeeded says that a call was answered with success.
func (b *Budget) Succeeded() {}

// NotBefore returns the local time before which no call may begin, zero if there is none.
func (b *Budget) NotBefore() time.Time { return time.Time{} }

// NotBeforeChanged carries a value after NotBefore changed. It is made for one receiver.
func (b *Budget) NotBeforeChanged() <-chan struct{} { return b.notBefore }

// WindowUse is how much of a window is used.
type WindowUse struct {
	Window
	Used, Left int
}

// Use returns how much of each window the fleet has used, as far as this process knows.
func (b *Budget) Use() []WindowUse { return nil }

// NotBefore is what a 429 has set for the whole fleet.
type NotBefore struct {
	Until time.Time // server time; zero if none is set
	Level int       // how many 429 in a row raised it
}

// ReadUse reads from the control bucket how much of each window is used at now (server time), and the not-before.
func ReadUse(ctx context.Context, kv jetstream.KeyValue, limits Limits, now time.Time) ([]WindowUse, NotBefore, error) {
	return nil, NotBefore{}, nil
}
