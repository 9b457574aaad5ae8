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

	// stepped is how far the server's time may be from where the monotonic clock
	// expects it, beyond what the samples leave open, before that is a step.
	stepped = 2 * time.Second

	// StepKnown is how long after one of those who follow the same server has
	// seen its clock step all others have, unless they cannot reach it.
	StepKnown = resyncEvery + 10*time.Second
)

// Clock tells the time of the server that leads a stream, so that workers whose
// own clocks differ agree on leases and budgets. It is the server's time at the
// last sample plus what has passed since on the local monotonic clock: a jump
// of the local wall clock changes nothing, and one of the server's is followed
// at the next sample. Since others see it sooner or later, nobody's time proves
// anything about what others do until all have: see [Clock.Step]. Safe for
// concurrent use.
type Clock struct {
	js     jetstream.JetStream
	stream string

	stepSeen chan struct{}

	mu     sync.Mutex
	sample sample // zero before the first Sync
	step   Step
}

// Step is a jump of the server's time against the monotonic clock.
type Step struct {
	By   time.Duration // negative = it was set back
	Seen time.Time     // local clock; zero = there was none
}

// Step gives the latest one. Whoever was told a time from behind it by Now is
// told of it.
func (c *Clock) Step() Step {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.step
}

// Stepped carries a value after the server's clock has stepped.
func (c *Clock) Stepped() <-chan struct{} { return c.stepSeen }

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
	return &Clock{js: js, stream: stream, stepSeen: make(chan struct{}, 1)}
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
	if by := jump(c.sample, s); by != 0 {
		c.step = Step{By: by, Seen: s.local}
		select {
		case c.stepSeen <- struct{}{}:
		default:
		}
	}
	c.sample = better(c.sample, s)
	return nil
}

// jump is how far the server's clock has stepped between two samples; 0 = not.
func jump(before, now sample) time.Duration {
	if before.local.IsZero() {
		return 0
	}
	by := now.server.Sub(before.at(now.local))
	if by.Abs() <= stepped+before.blur(now.local)+now.within {
		return 0
	}
	return by
}

// blur is how far off the sample's time can be by now.
func (s sample) blur(local time.Time) time.Duration {
	return s.within + time.Duration(drift*float64(local.Sub(s.local)))
}

// better keeps the old sample where the new one, blurred by a slow round trip,
// does not contradict it and is less exact even after the clocks have drifted.
func better(before, now sample) sample {
	if before.local.IsZero() {
		return now
	}
	blur := before.blur(now.local)
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
