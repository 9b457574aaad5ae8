package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childURL) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

const testKey = "K3Y-7f0c1d-secret"

// newClient makes a client for the test server at base, with a key.
func newClient(t testing.TB, base string, edit ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{BaseURL: base, Key: StaticKey(testKey)}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// pass lets fake time pass.
func pass(d time.Duration) { time.Sleep(d) } // synctest: all callers are in a bubble

// pipeNet is a network of net.Pipe, which fake time can see through.
type pipeNet struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeNet() *pipeNet {
	return &pipeNet{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve runs h on a network of pipes until the test, or its bubble, ends.
func serve(t testing.TB, h http.Handler) *pipeNet {
	t.Helper()
	p := newPipeNet()
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(p); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving: %v", err)
		}
	}()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return p
}

// answers gives the same answer to every call.
func answers(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// asError returns the *Error in err.
func asError(t testing.TB, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got error %v, want a *client.Error", err)
	}
	return e
}

// The child process of tests that need an environment of their own, which net/http and crypto/x509 read only once.
const (
	childURL    = "CERTRECALL_TEST_CHILD_URL"
	childCAFile = "CERTRECALL_TEST_CHILD_CA"
)

// child revokes an order at each of the URLs given and prints one line for each.
func child() int {
	for base := range strings.FieldsSeq(os.Getenv(childURL)) {
		c, err := New(Config{BaseURL: base, Key: StaticKey(testKey), CAFile: os.Getenv(childCAFile), DialContext: childDial})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		_, err = c.RevokeOrder(context.Background(), 4711, Revocation{Comments: "c"})
		fmt.Println(base, err)
	}
	return 0
}

// childDial dials only this host; others are refused without asking the network.
func childDial(ctx context.Context, network, addr string) (net.Conn, error) {
	if !strings.HasPrefix(addr, "127.0.0.1:") {
		return nil, errors.New("dialling " + addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}
