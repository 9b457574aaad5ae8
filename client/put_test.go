package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPutIsNeverRepeatedOnceAConnectionWasGained(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]http.HandlerFunc{
		"500": answers(500, ""), "503": answers(503, "", "Retry-After", "1"), "429": answers(429, ""), "403": answers(403, ""), "reset": drop, "HTML": answers(200, htmlPage),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id":`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := scripted(failure)
				c := piped(t, s)
				for i := range 2 { // on a new connection, and on a kept one
					if _, err := c.RevokeOrder(t.Context(), 7, Revocation{}); err == nil || errors.Is(err, ErrNeverSent) {
						t.Errorf("call %d: %v", i, err)
					}
					if len(s.calls()) != i+1 {
						t.Errorf("%d calls arrived, want %d", len(s.calls()), i+1)
					}
				}
			})
		})
	}
}

// dialer fails the first dials, each after a while.
type dialer struct {
	*pipeNet
	failures int
	after    time.Duration
	dials    int
}

var errNoRoute = errors.New("no route to host")

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.dials++; d.dials <= d.failures {
		if !sleep(ctx, d.after) {
			return nil, ctx.Err()
		}
		return nil, errNoRoute
	}
	return d.pipeNet.dial(ctx, network, addr)
}

func TestAPutThatWasNeverWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		failures int
		after    time.Duration
		dials    int
		ok       bool
	}{
		{"repeated once", 1, 0, 2, true},
		{"and not twice", 2, 0, 2, false},
		{"not after the permission to send is old", 1, putPatience + 1, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := scripted(answers(204, ""))
				d := &dialer{serve(t, s), tt.failures, tt.after, 0}
				var classes []Class
				c := newClient(t, host, func(cfg *Config) {
					cfg.DialContext = d.dial
					cfg.Observe = func(call Call) { classes = append(classes, call.Class) }
				})
				_, err := c.RevokeOrder(t.Context(), 7, Revocation{})
				if tt.ok && err != nil || !tt.ok && (!errors.Is(err, ErrNeverSent) || !errors.Is(err, errNoRoute) || err.Error() != "revoke-order 7: never sent: no route to host") {
					t.Error(err)
				}
				if d.dials != tt.dials || len(classes) != tt.dials || classes[0] != ClassNeverSent {
					t.Errorf("%d dials, observed %v", d.dials, classes)
				}
				if took := time.Since(s.start); took > tt.after+putPatience {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestAReadWithoutAConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve(t, scripted(issued)), 100, 0, 0}
		c := newClient(t, host, func(cfg *Config) { cfg.DialContext = d.dial })
		_, err := c.Reader(nil).Order(t.Context(), 7)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errNoRoute) || d.dials != 1+readMaxRetries {
			t.Errorf("%d dials: %v", d.dials, err)
		}
	})
}

func TestACallTimeoutWhileDialling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{serve(t, scripted(issued)), 100, time.Hour, 0}
		c := newClient(t, host, func(cfg *Config) { cfg.DialContext, cfg.CallTimeout = d.dial, time.Second })
		_, err := c.RevokeOrder(t.Context(), 7, Revocation{})
		if e := asError(t, err); e.Class != ClassNeverSent || e.Canceled || err.Error() != "revoke-order 7: never sent: no answer within 1s" {
			t.Errorf("%v", err)
		}
	})
}

func TestNoKeyNothingSent(t *testing.T) {
	t.Parallel()
	var seen []Call
	c := newClient(t, host, func(cfg *Config) {
		cfg.Key = noKey{}
		cfg.Observe = func(call Call) { seen = append(seen, call) }
	})
	if _, err := c.RevokeOrder(t.Context(), 7, Revocation{}); !errors.Is(err, ErrNeverSent) || !errors.Is(err, errVault) {
		t.Error(err)
	}
	if _, err := c.Reader(nil).Order(t.Context(), 7); !errors.Is(err, ErrNeverSent) || !errors.Is(err, errVault) {
		t.Error(err)
	}
	if seen != nil {
		t.Errorf("observed %+v", seen)
	}
}

var errVault = errors.New("the vault is sealed")

type noKey struct{}

func (noKey) Key(context.Context) (Secret, error) { return "", errVault }
