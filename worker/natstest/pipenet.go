package natstest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
)

// PipeNet is a network of in-memory pipes: one listener, any number of
// connections. Waiting on a pipe counts as waiting in a bubble; waiting on a
// socket does not.
type PipeNet struct {
	conns chan net.Conn

	mu   sync.Mutex
	down error // what Dial returns, when not nil
}

// errRefused is the cause in the error of Dial while the network is down.
var errRefused = errors.New("connection refused")

// NewPipeNet makes a network of its own. In a bubble it must be called in it.
func NewPipeNet() *PipeNet { return &PipeNet{conns: make(chan net.Conn)} }

// PipeNet makes a network in the bubble.
func (e *Env) PipeNet() *PipeNet { return NewPipeNet() }

// Dial connects to the listener, whatever the address. It fits
// http.Transport.DialContext and client.Config.DialContext. It waits for
// Accept as long as ctx allows.
func (p *PipeNet) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: pipeAddr(addr), Err: down}
	}
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-ctx.Done():
		_ = near.Close()
		_ = far.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Addr: pipeAddr(addr), Err: ctx.Err()}
	}
}

// SetDown makes every later Dial fail at once (connection refused), or ends
// that. Connections that stand are not touched.
func (p *PipeNet) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = nil
	if down {
		p.down = errRefused
	}
}

// Listen gives a listener for Dial. Several listeners share the connections;
// without one, Dial waits.
func (p *PipeNet) Listen() net.Listener {
	return &pipeListener{net: p, done: make(chan struct{})}
}

// Serve answers HTTP on the network with h until the end of the test, and
// returns the base URL to use with Dial.
func (p *PipeNet) Serve(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := &http.Server{Handler: h} //nolint:gosec // a pipe in a test needs no header time-out
	l := p.Listen()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	return "http://pipe.example.com"
}

type pipeListener struct {
	net  *PipeNet
	once sync.Once
	done chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.net.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr("pipe") }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }
