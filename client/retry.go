package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	// Retries of a read end 5 s after the call began. Longer waits are the caller's, who can do other things meanwhile.
	readPatience   = 5 * time.Second
	readMaxRetries = 4
	readFirstDelay = 100 * time.Millisecond // mean of the first delay; doubled each time
	readMaxDelay   = 2 * time.Second
	// A PUT is repeated only this soon, so that the permission it was sent with still holds.
	putPatience = 250 * time.Millisecond
)

// errCallTimeout is the cause of a context that the call time-out ended.
type errCallTimeout time.Duration

func (e errCallTimeout) Error() string { return fmt.Sprintf("no answer within %s", time.Duration(e)) }

// Is makes it a context.DeadlineExceeded.
func (e errCallTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

// bounded makes one attempt that ends with the call time-out, in which the time that guard takes does not count.
func (c *Client) bounded(ctx context.Context, x *exchange, guard Guard) *Error {
	attempt, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began, waited := time.Now(), time.Duration(0)
	timer := time.AfterFunc(c.timeout, func() { cancel(errCallTimeout(c.timeout)) })
	defer timer.Stop()
	x.guard = nil
	x.untimed = func(do func() error) error {
		if !timer.Stop() {
			return errLate
		}
		asked := time.Now()
		err := do()
		waited += time.Since(asked)
		timer.Reset(max(c.timeout-(time.Since(began)-waited), 0))
		return err
	}
	if guard != nil {
		x.guard = func(ctx context.Context) error { return x.untimed(func() error { return guard(ctx) }) }
	}
	return c.attempt(attempt, x)
}

// holdConnection bounds how long a connection may wait for a permission: longer, and it may be gone when it is used.
const holdConnection = 10 * time.Second

var errNoPass = errors.New("no permission to call within " + holdConnection.String() + " of having a connection")

// ticket is the permission of one attempt of a read.
type ticket struct {
	r    Reader
	op   Operation
	held Pass
}

// admit waits for a permission.
func (p *ticket) admit(ctx context.Context) (err error) {
	p.held = nil
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if p.r.admit != nil {
		p.held, err = p.r.admit(ctx, p.op)
	}
	return err
}

// renew is the Guard of the attempt: a permission that is no longer fresh is changed for another.
func (p *ticket) renew(ctx context.Context) error {
	if p.held == nil || p.held.Fresh() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, holdConnection, errNoPass)
	defer cancel()
	for p.held != nil && !p.held.Fresh() {
		p.held.GiveBack()
		if err := p.admit(ctx); err != nil {
			if context.Cause(ctx) == errNoPass { //nolint:errorlint // it is the cause itself
				return errNoPass
			}
			return err
		}
	}
	return nil
}

// read makes an exchange that changes nothing, repeating it while DigiCert is unavailable: full jitter, and at
// least the Retry-After of the answer. It never waits past readPatience, in which the time that Admit takes does not
// count, or past the deadline of ctx: what cannot be waited for is returned, with its delay, at once. A 429 is never
// repeated here, nor is the no of something in front of the API.
func (r Reader) read(ctx context.Context, x *exchange) error {
	began := time.Now()
	var delays *backoff.ExponentialBackOff
	for try := 0; ; {
		asked := time.Now()
		p := ticket{r: r, op: x.op}
		if err := p.admit(ctx); err != nil {
			f := x.fail(ClassNeverSent, err)
			f.Canceled = ctx.Err() != nil
			return f
		}
		began = began.Add(time.Since(asked))
		f := r.c.bounded(ctx, x, p.renew)
		switch {
		case f == nil:
			return nil
		case errors.Is(f, errNoPass):
			continue // it goes on waiting, without a connection
		case f.Class != ClassUnavailable || f.Canceled || try == readMaxRetries || f.Foreign && f.Status >= 300 && f.Status < 500 && f.Status != http.StatusRequestTimeout:
			return f
		}
		try++
		if delays == nil {
			delays = newReadBackOff()
		}
		delay := max(delays.NextBackOff(), f.RetryAfter)
		if time.Since(began)+delay > readPatience || !sleep(ctx, delay) {
			return f
		}
	}
}

// newReadBackOff spreads each delay from 0 to twice its mean.
func newReadBackOff() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(readFirstDelay),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(1),
		backoff.WithMaxInterval(readMaxDelay),
		backoff.WithMaxElapsedTime(0),
	)
}

// put makes an exchange that changes something. It is repeated once at most, soon, and only if nothing of it was
// written. The call time-out bounds it as a whole.
func (c *Client) put(ctx context.Context, x *exchange) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errCallTimeout(c.timeout))
	defer cancel()
	if ctx.Err() != nil {
		f := x.fail(ClassNeverSent, context.Cause(ctx))
		f.Canceled = true
		return f
	}
	began := time.Now()
	x.guard = guardOf(ctx)
	f := c.attempt(ctx, x)
	if f == nil {
		return nil
	}
	delay := rand.N(putPatience / 2)
	if _, refused := errors.AsType[*refusedError](f); refused || f.Class != ClassNeverSent || time.Since(began)+delay > putPatience || !sleep(ctx, delay) {
		return f
	}
	if f = c.attempt(ctx, x); f == nil {
		return nil
	}
	return f
}

// sleep waits for d; false, at once, if ctx ends or would end before.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// canceled reports whether it was the caller who ended ctx, and not the call time-out.
func canceled(ctx context.Context) bool {
	if ctx.Err() == nil {
		return false
	}
	_, own := errors.AsType[errCallTimeout](context.Cause(ctx))
	return !own
}
