package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What the transport makes of the empty body that keeps it from repeating a read: nothing at all.
func TestReadLeavesNoBodyOnTheWire(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 2)
	addr := rawServer(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for range 2 {
			heads <- readHead(r)
			const body = `{"id":4711,"status":"paid"}`
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	})
	c := newClient(t, "http://"+addr+"/services/v2/")
	want := "GET /services/v2/order/certificate/4711 HTTP/1.1\r\nHost: " + addr +
		"\r\nUser-Agent: certrecall\r\nAccept: application/json\r\nContent-Type: application/json\r\nX-Dc-Devkey: " + testKey + "\r\nAccept-Encoding: gzip\r\n\r\n"
	for range 2 { // the second on the same connection: the server takes only one
		if _, err := c.Reader(nil).Order(t.Context(), 4711); err != nil {
			t.Fatal(err)
		}
		if got := <-heads; got != want {
			t.Errorf("request:\n%q\nwant:\n%q", got, want)
		}
	}
}

// rawServer takes one connection and hands it to serve.
func rawServer(t *testing.T, serve func(net.Conn)) (addr string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func readHead(r *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// The transport of net/http repeats a GET by itself when a kept connection ends under it. Ours must not: each call
// at DigiCert is one that was admitted.
func TestReadsOnADyingConnectionAreNotRepeatedUnasked(t *testing.T) {
	t.Parallel()
	var arrived, admitted, observed atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if arrived.Add(1) == 2 {
			panic(http.ErrAbortHandler) // on the connection that the first call left open
		}
		_, _ = io.WriteString(w, `{"status":"issued"}`)
	}))
	defer srv.Close()
	c := newClient(t, srv.URL, func(cfg *Config) { cfg.Observe = func(Call) { observed.Add(1) } })
	r := c.Reader(func(context.Context, Operation) (Pass, error) { admitted.Add(1); return nil, nil })
	for range 2 {
		if _, err := r.Order(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
	}
	if arrived.Load() != 3 || admitted.Load() != 3 || observed.Load() != 3 {
		t.Errorf("%d calls arrived, %d were admitted, %d observed; want 3 of each", arrived.Load(), admitted.Load(), observed.Load())
	}
}

// countingDial counts connections made.
func countingDial(n *atomic.Int32, dial func(context.Context, string, string) (net.Conn, error)) func(*Config) {
	return func(cfg *Config) {
		cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			n.Add(1)
			return dial(ctx, network, addr)
		}
	}
}

func TestConcurrentCallsReuseConnections(t *testing.T) {
	t.Parallel()
	for _, concurrent := range []int{64, 1024} {
		t.Run(strconv.Itoa(concurrent), func(t *testing.T) {
			t.Parallel()
			var inFlight atomic.Int32
			var all atomic.Pointer[chan struct{}] // closed when all calls of a round are there
			p := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				gate := *all.Load()
				if int(inFlight.Add(1)) == concurrent {
					close(gate)
				}
				<-gate
				if r.Method == http.MethodPut {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				_, _ = io.WriteString(w, `{"certificates":[`+strings.Repeat(`{"id":1},`, 100)+`{"id":2}]}`)
			}))
			var dials atomic.Int32
			c := newClient(t, host, countingDial(&dials, p.dial), func(cfg *Config) { cfg.MaxIdleConns = concurrent })
			for round := range 3 {
				inFlight.Store(0)
				all.Store(new(make(chan struct{})))
				var wg sync.WaitGroup
				for i := range concurrent {
					wg.Go(func() {
						var err error
						if i%2 == 0 {
							_, err = c.RevokeOrder(t.Context(), int64(i+1), Revocation{Comments: "c"})
						} else {
							_, err = c.Reader(nil).ListDuplicates(t.Context(), int64(i+1), false)
						}
						if err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				// A connection is put back a moment after its answer was read, so some may be made too many; without
				// reuse it would be three times as many.
				if n := int(dials.Load()); n > concurrent*3/2 {
					t.Fatalf("%d connections for %d calls at once in round %d", n, concurrent, round)
				}
			}
		})
	}
}

func TestConnectionsSurviveFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size  int
		conns int32
	}{
		"usual page":  {2 << 10, 1},
		"large page":  {200 << 10, 1}, // read to its end, most of it unseen
		"endless one": {10 << 20, 2},  // dropped
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := strings.Repeat("<p>no</p>", tt.size/9)
			var dials atomic.Int32
			p := serve(t, answers(400, page))
			c := newClient(t, host, countingDial(&dials, p.dial))
			for range 2 {
				if _, err := c.RevokeOrder(t.Context(), 7, Revocation{}); !errors.Is(err, ErrOutcomeUnknown) || len(err.Error()) > 200 {
					t.Errorf("%.300v", err)
				}
			}
			if dials.Load() != tt.conns {
				t.Errorf("%d connections, want %d", dials.Load(), tt.conns)
			}
		})
	}
}

func TestAnswersAreLimited(t *testing.T) {
	t.Parallel()
	endless := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			chunk := []byte(strings.Repeat(" ", 64<<10))
			for {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}
	}
	said := func(size int64) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			_, _ = io.WriteString(w, "{")
		}
	}
	for _, tt := range []struct {
		name   string
		server http.HandlerFunc
		call   func(context.Context, *Client) error
		want   string
	}{
		{"endless order", endless(200), func(ctx context.Context, c *Client) error { return readOrder(ctx, c.Reader(nil)) }, "order 7: DigiCert answered 200: the answer is larger than this client takes"},
		{"endless request", endless(200), func(ctx context.Context, c *Client) error { return readRequest(ctx, c.Reader(nil)) }, "request 7: DigiCert answered 200: the answer is larger than this client takes"},
		{"list of more than 64 MiB", said(64<<20 + 1), func(ctx context.Context, c *Client) error { return readDuplicates(ctx, c.Reader(nil)) }, "list-duplicates 7: DigiCert answered 200: the answer is larger than this client takes"},
		{"endless receipt", endless(201), func(ctx context.Context, c *Client) error {
			_, err := c.RevokeOrder(ctx, 7, Revocation{})
			return err
		}, "revoke-order 7: outcome unknown: DigiCert answered 201: the answer is larger than this client takes"},
		{"endless refusal", endless(400), func(ctx context.Context, c *Client) error {
			_, err := c.RevokeOrder(ctx, 7, Revocation{})
			return err
		}, "revoke-order 7: outcome unknown: DigiCert answered 400 with a body that is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			c := piped(t, tt.server, func(cfg *Config) { cfg.Observe = func(Call) { calls++ } })
			err := tt.call(t.Context(), c)
			if err == nil || err.Error() != tt.want || calls != 1 {
				t.Errorf("%d calls: %v, want %s", calls, err, tt.want)
			}
			if e := asError(t, err); e.Class != ClassRefused && e.Class != ClassOutcomeUnknown {
				t.Errorf("class %s", e.Class)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := piped(t, answers(status, "", "Location", elsewhere.URL))
		_, put := c.RevokeOrder(t.Context(), 7, Revocation{})
		get := readOrder(t.Context(), c.Reader(nil))
		if !errors.Is(put, ErrOutcomeUnknown) || !errors.Is(get, ErrUnavailable) || !strings.Contains(get.Error(), elsewhere.URL) {
			t.Errorf("%d: %v; %v", status, put, get)
		}
	}
	if followed.Load() != 0 {
		t.Errorf("%d redirects were followed", followed.Load())
	}
}

func TestObservedTimes(t *testing.T) {
	t.Parallel()
	var call Call
	before := time.Now()
	c := piped(t, answers(204, ""), func(cfg *Config) { cfg.Observe = func(c Call) { call = c } })
	if _, err := c.RevokeCertificate(t.Context(), 70, Revocation{}); err != nil {
		t.Fatal(err)
	}
	if call.Op != OpRevokeCertificate || call.Class != "" || call.Status != 204 || call.CertificateID != 70 || call.OrderID != 0 ||
		call.Began.Before(before) || call.Duration <= 0 || call.Duration > time.Since(before) {
		t.Errorf("observed %+v", call)
	}
}
