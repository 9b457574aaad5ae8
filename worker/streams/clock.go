package streams

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	resyncEvery = time.Minute
	resyncRetry = 2 * time.Second

	// A sample this quick is good enough; of slower ones the quickest of a few counts.
	quickSample = 20 * time.Millisecond
	maxSamples  = 3

	// drift is how far two clocks may part, as a share of the time since a sample:
	// generous for quartz, which stays below a tenth of it.
	drift = 0.001
)

// Clock tells the time of the server that leads a stream, so that workers whose
// own clocks differ agree on leases and budgets. It is the server's time at the
// last sample plus what has passed since on the local monotonic clock: a jump
// of the local wall clock changes nothing, and one of the server's is followed
// at the next sample. Safe for concurrent use.
type Clock struct {
	js     jetstream.JetStream
	stream string

	mu     sync.Mutex
	sample sample // zero before the first Sync
}

// sample is one reading of the server's clock.
type sample struct {
	local  time.Time     // when it was taken, on the local clock (monotonic)
	server time.Time     // the server's time at that moment
	within time.Duration // how far off it can be: half the round trip
}

func (s sample) at(local time.Time) time.Time { return s.server.Add(local.Sub(s.local)) }

// NewClock makes a clock that follows the server leading the stream. Before the
// first Sync it tells the local time.
func NewClock(js jetstream.JetStream, stream string) *Clock {
	return &Clock{js: js, stream: stream}
}

// Now gives the server's time, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	s := c.sample
	c.mu.Unlock()
	if s.local.IsZero() {
		return time.Now().UTC()
	}
	return s.at(time.Now())
}

// Offset gives how far the server's clock is ahead of the local wall clock.
func (c *Clock) Offset() time.Duration {
	return c.Now().Sub(time.Now().Round(0))
}

// Sync asks the server for its time. On an error the clock goes on from the
// last sample.
func (c *Clock) Sync(ctx context.Context) error {
	s, err := c.read(ctx)
	for n := 1; err == nil && n < maxSamples && s.within > quickSample/2; n++ {
		next, err := c.read(ctx)
		if err == nil && next.within < s.within {
			s = next
		}
	}
	if err != nil {
		return fmt.Errorf("reading the server's time: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sample = better(c.sample, s)
	return nil
}

// better keeps the old sample where the new one, blurred by a slow round trip,
// does not contradict it and is less exact even after the clocks have drifted.
func better(before, now sample) sample {
	if before.local.IsZero() {
		return now
	}
	blur := before.within + time.Duration(drift*float64(now.local.Sub(before.local)))
	apart := now.server.Sub(before.at(now.local)).Abs()
	if blur < now.within && apart <= now.within+blur {
		return before
	}
	return now
}

// read takes one sample: the server's time stamp belongs to the middle of the
// round trip.
func (c *Clock) read(ctx context.Context) (sample, error) {
	began := time.Now()
	s, err := openStream(ctx, c.js, c.stream)
	ended := time.Now()
	if err != nil {
		return sample{}, err
	}
	half := ended.Sub(began) / 2
	return sample{local: ended, server: s.CachedInfo().TimeStamp.Add(half).UTC(), within: half}, nil
}

// Run keeps the clock in step until ctx ends, then returns nil: every minute,
// and after each reconnect, when another server may answer.
func (c *Clock) Run(ctx context.Context) error {
	nc := c.js.Conn()
	reconnected := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(reconnected)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reconnected:
		case <-timer.C:
		}
		next := resyncEvery
		if err := c.Sync(ctx); err != nil {
			next = resyncRetry // told by whoever needs the server; the clock itself can wait
		}
		timer.Reset(next)
	}
}
