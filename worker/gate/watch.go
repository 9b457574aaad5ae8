package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/statements"
)

const (
	// watchRetry is the pause between two attempts to watch the bucket.
	watchRetry = time.Second
	// listTimeout bounds the first listing of a watch.
	listTimeout = 10 * time.Second
)

var (
	errReconnected = errors.New("the connection was made anew")
	errNotListed   = errors.New("the bucket could not be listed in time")
)

// watch follows the operators' words until ctx ends, through every loss of
// NATS and of the bucket. What was known stays in force meanwhile.
func (g *Gates) watch(ctx context.Context) {
	var reconnected chan nats.Status
	if nc := g.cfg.Conn; nc != nil {
		reconnected = nc.StatusChanged(nats.CONNECTED)
		defer nc.RemoveStatusListener(reconnected)
	}
	for {
		err := g.watchOnce(ctx, reconnected)
		retry := time.After(watchRetry)
		if errors.Is(err, errReconnected) {
			retry = time.After(0)
		}
		select {
		case <-ctx.Done():
			return
		case <-reconnected:
		case <-retry:
		}
	}
}

// watchOnce lists the keys, puts that in place of what was known, and then
// follows every change. The consumer behind a watch dies with its server; the
// client notices the missing heartbeats after up to 20 s, so a reconnect ends
// the watch at once.
func (g *Gates) watchOnce(ctx context.Context, reconnected <-chan nats.Status) error {
	ctx, cancel := context.WithCancel(ctx)
	w, err := g.cfg.Control.Watch(ctx, statements.Keys, jetstream.IncludeHistory())
	if err != nil {
		cancel()
		return fmt.Errorf("watching the control bucket: %w", err)
	}
	defer statements.Drain(w, cancel)
	listed, tooLate := newWords(), time.After(listTimeout)
	for done := false; ; {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return statements.ErrWatchEnded
			case e == nil:
				done, tooLate = true, nil
				g.heard(func() { g.operator = listed })
			default:
				said, ok := statements.Of(e)
				switch {
				case !ok:
				case done:
					g.heard(func() { g.operator.apply(said) })
				default:
					listed.apply(said)
				}
			}
		case <-tooLate:
			return errNotListed
		case <-reconnected:
			return errReconnected
		case <-ctx.Done():
			return nil
		}
	}
}

// heard changes what operators have said, and closes and opens what follows.
func (g *Gates) heard(change func()) {
	g.turn.Lock()
	defer g.turn.Unlock()
	g.mu.Lock()
	change()
	said := g.operator
	g.mu.Unlock()
	for _, k := range []Kind{Revocations, Listings} {
		p, paused := said.pause(k)
		g.set(Reason{Gate: Paused, Kind: k, Since: p.At, By: p.By, Detail: fmt.Sprintf("%s paused: %s", k, p.Reason)}, paused)
	}
	g.started(controlUnread)
	if g.cfg.Allowed != nil {
		g.cfg.Allowed()
	}
}

// AllowSaid gives all that operators have said about an allowance, in the
// order of the server's stamps.
func (g *Gates) AllowSaid(thing string) []statements.Statement {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.operator.book.History(statements.Allow, thing)
}

// AllowThings gives everything about which an allowance was ever said.
func (g *Gates) AllowThings() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.operator.book.Things(statements.Allow)
}
