package client

import (
	"context"
	"sync"
)

// A list of certificates may be 64 MiB, and many may come at once. Those that are large wait for each other: one is in
// hand at a time, from where its size shows until whoever asked is done with it. A connection whose list waits is left
// unread meanwhile, and the call's time-out stands still.

// largeFrom is the size, in bytes, from which an answer is large.
const largeFrom = 1 << 20

// largeTurn is the right to have a large answer in hand. Its zero value has none yet.
type largeTurn struct {
	mu    sync.Mutex
	slots chan struct{}
	held  bool
}

func (t *largeTurn) acquire(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held {
		return nil
	}
	select {
	case t.slots <- struct{}{}:
		t.held = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *largeTurn) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held {
		t.held = false
		<-t.slots
	}
}

type largeKey struct{}

// InHand gives the context of calls whose answers are in hand until done is called. Without it a large answer counts as
// in hand only until the call returns.
func (c *Client) InHand(ctx context.Context) (_ context.Context, done func()) {
	t := &largeTurn{slots: c.large}
	return context.WithValue(ctx, largeKey{}, t), t.release
}

// turnOf is the turn of the caller, or one of the call's own, to be released after it.
func (c *Client) turnOf(ctx context.Context) (t *largeTurn, own bool) {
	if t, ok := ctx.Value(largeKey{}).(*largeTurn); ok && t.slots == c.large {
		return t, false
	}
	return &largeTurn{slots: c.large}, true
}
