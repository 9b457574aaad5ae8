package deliveries

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// maxChains bounds the commands that are remembered. One that is forgotten may
// get an event twice more, after a redelivery.
const maxChains = 20_000

// chains remembers how far each command was delivered, for one consumer.
type chains struct {
	mu    sync.Mutex
	known map[string]*chain
	order []string // oldest first; may hold names that are gone
}

type chain struct {
	busy      chan struct{} // holds one token: one request a command
	delivered uint64        // last sequence that the endpoint took
	notBefore time.Time     // an event of it failed
}

// lock takes the command for the caller alone; release with unlock.
func (c *chains) lock(ctx context.Context, key string) (*chain, error) {
	c.mu.Lock()
	h := c.known[key]
	if h == nil {
		h = &chain{busy: make(chan struct{}, 1)}
		if c.known == nil {
			c.known = map[string]*chain{}
		}
		c.known[key] = h
		c.order = append(c.order, key)
		c.forget()
	}
	c.mu.Unlock()
	select {
	case h.busy <- struct{}{}:
		return h, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *chain) unlock() { <-h.busy }

// forget drops the oldest that nobody holds.
func (c *chains) forget() {
	for i := 0; len(c.known) > maxChains && i < len(c.order); i++ {
		oldest := c.order[0]
		c.order = c.order[1:]
		h := c.known[oldest]
		select {
		case h.busy <- struct{}{}: // nobody can wait for it: the caller holds mu
			delete(c.known, oldest)
		default:
			c.order = append(c.order, oldest)
		}
	}
}

// earlier gives the events of a command before a sequence that fit and are not
// known to be delivered, in order.
func (d *Delivery) earlier(ctx context.Context, c jetstream.Consumer, h *chain, filter string, before uint64) ([]*jetstream.RawStreamMsg, error) {
	var found []*jetstream.RawStreamMsg
	floor := h.delivered
	asked := floor > 0
	for from := floor + 1; from < before; {
		m, err := d.read(ctx, filter, from)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence >= before {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		from = m.Sequence + 1
		if !d.cfg.Endpoint.fits(d.cfg.Names, m.Subject) {
			continue
		}
		if !asked { // this process knows nothing of the command; the consumer does
			if floor, err = ackFloor(ctx, c); err != nil {
				return nil, err
			}
			asked = true
		}
		if m.Sequence > floor {
			found = append(found, m)
		}
	}
	return found, nil
}

// read gives the first event of a command from a sequence on, from the leader.
func (d *Delivery) read(ctx context.Context, filter string, from uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := d.stream(ctx)
	if err != nil {
		return nil, err
	}
	return stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(filter))
}

// ackFloor is the sequence up to which everything is done.
func ackFloor(ctx context.Context, c jetstream.Consumer) (uint64, error) {
	info, err := asked(ctx, "reading the consumer", c.Info)
	if err != nil {
		return 0, err
	}
	return info.AckFloor.Stream, nil
}

// reset forgets everything: the consumer is another one.
func (c *chains) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.order = nil, nil
}
