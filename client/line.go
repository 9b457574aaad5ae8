package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"time"
)

// Guard is asked once a connection is there and before the first byte of a call goes out: making a connection can take
// longer than the permission to call holds. It may wait, for another permit for example. Its error ends the call as
// ClassNeverSent and is wrapped.
type Guard func(ctx context.Context) error

type guardKey struct{}

// WithGuard gives the context of a revocation whose call asks guard. A read has the Pass of its Admit in place of it.
func WithGuard(ctx context.Context, guard Guard) context.Context {
	return context.WithValue(ctx, guardKey{}, guard)
}

func guardOf(ctx context.Context) Guard {
	g, _ := ctx.Value(guardKey{}).(Guard)
	return g
}

// errLate is a connection that came when the time for the call was over.
var errLate = errors.New("the connection came too late for the call")

// refusedError is a call that was ended on its connection before a byte of it was written.
type refusedError struct{ cause error }

func (e *refusedError) Error() string { return e.cause.Error() }
func (e *refusedError) Unwrap() error { return e.cause }

// line is one attempt on its way to a connection. Its hook runs in the goroutine of the call.
type line struct {
	x       *exchange
	ctx     context.Context
	cancel  context.CancelCauseFunc
	asked   time.Time
	setup   time.Duration // of a new connection
	gained  bool          // a connection: from here on something may have been written
	refused *refusedError
}

func withLine(ctx context.Context, x *exchange) (context.Context, *line) {
	l := &line{x: x, asked: time.Now()}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return httptrace.WithClientTrace(l.ctx, &httptrace.ClientTrace{GotConn: l.got}), l
}

func (l *line) end() { l.cancel(nil) }

// got has the connection. A call that may not go out any more ends here: its context ends, so that the transport tries no
// other connection, and this one is closed under it, so that nothing can be written.
func (l *line) got(info httptrace.GotConnInfo) {
	if !info.Reused {
		l.setup = time.Since(l.asked)
	}
	err := l.mayWrite()
	if err == nil {
		l.gained = true
		return
	}
	l.refused = &refusedError{err}
	l.cancel(l.refused)
	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn() // no farewell: that would be written
	}
	_ = conn.Close()
}

func (l *line) mayWrite() error {
	if l.x.guard != nil {
		if err := l.x.guard(l.ctx); err != nil {
			return err
		}
	}
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	// A timer that is over need not have run yet in a process that stood still; nor does the monotonic clock count the time
	// of a machine that did, while the wall clock is set right again.
	if deadline, ok := l.ctx.Deadline(); ok && (!time.Now().Before(deadline) || !wall(time.Now()).Before(wall(deadline))) {
		return errLate
	}
	return nil
}

// wall is the time of the wall clock alone.
func wall(t time.Time) time.Time { return t.Round(0) }

// failed says what became of the attempt without an answer.
func (l *line) failed(ctx context.Context, err error) *Error {
	class := ClassUnavailable
	switch {
	case l.refused != nil:
		class, err = ClassNeverSent, l.refused
	case l.x.mutating() && l.gained:
		class = ClassOutcomeUnknown
	case l.x.mutating():
		class = ClassNeverSent
	}
	f := l.x.fail(class, err)
	f.Canceled = canceled(ctx) && !errors.Is(err, errLate)
	return f
}

// closer is what the pool counts.
type closer struct {
	net.Conn
	closed func()
}

func (c *closer) Close() error {
	c.closed()
	return c.Conn.Close()
}
