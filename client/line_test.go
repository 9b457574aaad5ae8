package client

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// slowDial makes connections that take a while.
func slowDial(p *pipeNet, d time.Duration) func(*Config) {
	return func(cfg *Config) {
		cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(d) // synctest
			return p.dial(ctx, network, addr)
		}
	}
}

// stamped is a Pass that holds for 250 ms.
type stamped struct {
	at    time.Time
	given *int
}

func (p stamped) Fresh() bool { return time.Since(p.at) < 250*time.Millisecond }
func (p stamped) GiveBack()   { *p.given++ }

// A read whose connection takes longer than its permission holds goes out on another one.
func TestAReadGoesOutOnAFreshPass(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		setup        time.Duration
		wait         time.Duration // for the second pass
		asked, given int
		dials        int
	}{
		{"quick", 100 * time.Millisecond, 0, 1, 0, 1},
		{"cold", 600 * time.Millisecond, 0, 2, 1, 1},
		{"cold, and the second takes a while", 600 * time.Millisecond, 9 * time.Second, 2, 1, 1},
		{"nobody holds a connection for minutes", 600 * time.Millisecond, 3 * time.Minute, 3, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := scripted(issued)
				p := serve(t, s)
				dials := 0
				c := newClient(t, host, func(cfg *Config) {
					cfg.CallTimeout = 5 * time.Second
					cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
						if dials++; dials == 1 {
							time.Sleep(tt.setup) // synctest
						}
						return p.dial(ctx, network, addr)
					}
				})
				asked, given := 0, 0
				var latest stamped
				r := c.Reader(func(ctx context.Context, _ Operation) (Pass, error) {
					if asked++; asked == 2 {
						select {
						case <-time.After(tt.wait):
						case <-ctx.Done():
							return nil, ctx.Err()
						}
					}
					latest = stamped{time.Now(), &given}
					return latest, nil
				})
				if _, err := r.Order(t.Context(), 7); err != nil {
					t.Fatal(err)
				}
				if asked != tt.asked || given != tt.given || dials != tt.dials {
					t.Errorf("%d passes, %d given back, %d connections; want %d, %d, %d", asked, given, dials, tt.asked, tt.given, tt.dials)
				}
				calls := s.calls()
				if len(calls) != 1 {
					t.Errorf("%d calls arrived", len(calls))
				}
			})
		})
	}
}

// A revocation is sent only if its guard says so when the connection is there, and never after its time-out.
func TestAPutIsGuardedWhereItsConnectionIsGot(t *testing.T) {
	t.Parallel()
	errStale := errors.New("the permit is stale")
	for _, tt := range []struct {
		name  string
		setup time.Duration
		guard error
		puts  int
		want  error
	}{
		{"allowed", 600 * time.Millisecond, nil, 1, nil},
		{"not allowed", 600 * time.Millisecond, errStale, 0, errStale},
		{"frozen past its time-out", time.Minute, nil, 0, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := scripted(answers(204, ""))
				var seen []Call
				c := newClient(t, host, slowDial(serve(t, s), tt.setup), func(cfg *Config) {
					cfg.Observe = func(call Call) { seen = append(seen, call) }
				})
				asked := 0
				ctx := WithGuard(t.Context(), func(context.Context) error { asked++; return tt.guard })
				_, err := c.RevokeOrder(ctx, 7, Revocation{})
				if !errors.Is(err, tt.want) || tt.want != nil && !errors.Is(err, ErrNeverSent) {
					t.Errorf("got %v", err)
				}
				time.Sleep(2 * time.Minute) // synctest: whatever is still under way
				if n := len(s.calls()); n != tt.puts {
					t.Errorf("%d PUTs arrived, want %d", n, tt.puts)
				}
				if len(seen) != 1 || tt.guard != nil && !seen[0].Canceled || tt.puts == 1 && seen[0].Setup != tt.setup {
					t.Errorf("observed %+v", seen)
				}
				if tt.setup < time.Minute && asked != 1 {
					t.Errorf("the guard was asked %d times", asked)
				}
			})
		})
	}
}

// The timer of a process that stood still has not run yet when its connection is there.
func TestALateConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, deadline := range map[string]time.Time{
		"by the monotonic clock": time.Now().Add(-time.Second),
		"by the wall clock":      wall(time.Now()).Add(-time.Second),
	} {
		ctx := lateContext{t.Context(), deadline}
		l := &line{x: &exchange{method: "PUT"}, ctx: ctx}
		if err := l.mayWrite(); !errors.Is(err, errLate) {
			t.Errorf("%s: %v", name, err)
		}
		if f := (&line{x: l.x, ctx: ctx, refused: &refusedError{errLate}}).failed(ctx, errLate); f.Class != ClassNeverSent || f.Canceled {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// lateContext is over and does not know it yet.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

func TestWarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := scripted(answers(204, ""))
		c := newClient(t, host, slowDial(serve(t, s), 600*time.Millisecond))
		for range 5 {
			c.Warm(t.Context(), 2)
		}
		if took := time.Since(s.start); took != 0 {
			t.Errorf("warming took %s", took)
		}
		synctest.Wait()
		time.Sleep(time.Second) // synctest
		if n := c.Connections(); n != 2 {
			t.Errorf("%d connections", n)
		}
		began := time.Now()
		for range 2 {
			if _, err := c.RevokeOrder(t.Context(), 7, Revocation{}); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("calls took %s on warm connections", took)
		}
		if n := len(s.calls()); n != 2 {
			t.Errorf("%d calls arrived, want the 2 that were made", n)
		}
		c.CloseIdleConnections()
		synctest.Wait()
		if n := c.Connections(); n != 0 {
			t.Errorf("%d connections after closing", n)
		}
	})
}
