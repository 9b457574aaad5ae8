package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script answers each call with the next function, the last one from then on, and notes when calls arrive.
type script struct {
	start    time.Time
	steps    []http.HandlerFunc
	mu       sync.Mutex
	arrivals []time.Duration
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	step := s.steps[min(len(s.arrivals), len(s.steps)-1)]
	s.arrivals = append(s.arrivals, time.Since(s.start))
	s.mu.Unlock()
	step(w, r)
}

// calls tells when each call so far has arrived, after the start.
func (s *script) calls() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.arrivals)
}

func scripted(steps ...http.HandlerFunc) *script { return &script{start: time.Now(), steps: steps} }

var (
	issued      = answers(200, `{"status":"issued"}`)
	unavailable = answers(503, "")
)

// drop closes the connection without an answer.
func drop(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hang answers nothing until the caller is gone, which a server sees once it has read the body.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]http.HandlerFunc{
		"503": unavailable, "HTML": answers(200, htmlPage), "reset": drop, "408": answers(408, "{}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := scripted(failure, failure, failure, issued)
				var admitted []Operation
				r := piped(t, s).Reader(func(_ context.Context, op Operation) (Pass, error) { admitted = append(admitted, op); return nil, nil })
				if o, err := r.Order(t.Context(), 7); err != nil || o.Status != "issued" {
					t.Errorf("%+v, %v", o, err)
				}
				if len(s.calls()) != 4 || len(admitted) != 4 || admitted[3] != OpOrder {
					t.Errorf("%d calls arrived, %v admitted", len(s.calls()), admitted)
				}
			})
		})
	}
}

func TestRepeatingEnds(t *testing.T) {
	t.Parallel()
	for range 20 { // the delays are random: the bounds hold for all of them
		synctest.Test(t, func(t *testing.T) {
			s := scripted(unavailable)
			_, err := piped(t, s).Reader(nil).Order(t.Context(), 7)
			took := time.Since(s.start)
			if !errors.Is(err, ErrUnavailable) || len(s.calls()) > 1+readMaxRetries || len(s.calls()) < 2 || took > readPatience {
				t.Errorf("%d calls within %s: %v", len(s.calls()), took, err)
			}
		})
	}
}

func TestJitterIsFull(t *testing.T) {
	t.Parallel()
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		d := newReadBackOff().NextBackOff()
		least, most = min(least, d), max(most, d)
	}
	if least > readFirstDelay/10 || most < 2*readFirstDelay*9/10 || most > 2*readFirstDelay {
		t.Errorf("first delays from %s to %s", least, most)
	}
}

func TestRetryAfterOfA503IsHonoured(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value string
		calls int
	}{
		{"2", 2},
		{"date", 2},
		{"6", 1}, // longer than a read waits: returned at once
	} {
		t.Run(tt.value, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if tt.value == "date" {
					tt.value = time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat)
				}
				s := scripted(answers(503, "", "Retry-After", tt.value), issued)
				_, err := piped(t, s).Reader(nil).Order(t.Context(), 7)
				if len(s.calls()) != tt.calls {
					t.Fatalf("%d calls, want %d: %v", len(s.calls()), tt.calls, err)
				}
				if tt.calls == 2 {
					if err != nil || s.calls()[1] < 2*time.Second {
						t.Errorf("second call after %s: %v", s.calls()[1], err)
					}
				} else if e := asError(t, err); e.RetryAfter != 6*time.Second || time.Since(s.start) != 0 {
					t.Errorf("returned after %s: %v", time.Since(s.start), err)
				}
			})
		})
	}
}

func TestThrottledReadsAreNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := scripted(answers(429, "", "Retry-After", "1"), issued)
		_, err := piped(t, s).Reader(nil).Order(t.Context(), 7)
		if e := asError(t, err); e.Class != ClassThrottled || e.RetryAfter != time.Second || len(s.calls()) != 1 {
			t.Errorf("%d calls: %v", len(s.calls()), err)
		}
	})
}

func TestReadsDoNotWaitPastTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := scripted(answers(503, "", "Retry-After", "1"), issued)
		_, err := piped(t, s).Reader(nil).Order(ctx, 7)
		if e := asError(t, err); e.Status != 503 || e.Canceled || len(s.calls()) != 1 || time.Since(s.start) != 0 {
			t.Errorf("%d calls, %s: %v", len(s.calls()), time.Since(s.start), err)
		}
	})
}

func TestTheProbeIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := scripted(unavailable, answers(200, "{}"))
		r := piped(t, s).Reader(nil)
		if err := r.Probe(t.Context()); !errors.Is(err, ErrUnavailable) || len(s.calls()) != 1 {
			t.Errorf("%d calls: %v", len(s.calls()), err)
		}
		if err := r.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAdmitIsAskedBeforeEveryAttempt(t *testing.T) {
	t.Parallel()
	errPaused := errors.New("paused")
	synctest.Test(t, func(t *testing.T) {
		s := scripted(unavailable, issued)
		asked := 0
		r := piped(t, s).Reader(func(context.Context, Operation) (Pass, error) {
			if asked++; asked == 2 {
				return nil, errPaused
			}
			time.Sleep(time.Minute) // synctest: waiting to be admitted takes nothing from the patience of the read
			return nil, nil
		})
		_, err := r.Order(t.Context(), 7)
		if !errors.Is(err, ErrNeverSent) || !errors.Is(err, errPaused) || err.Error() != "order 7: never sent: paused" {
			t.Error(err)
		}
		if asked != 2 || len(s.calls()) != 1 {
			t.Errorf("asked %d times, %d calls", asked, len(s.calls()))
		}
		if err := r.c.Reader(func(context.Context, Operation) (Pass, error) { return nil, errPaused }).Probe(t.Context()); !errors.Is(err, ErrNeverSent) || !errors.Is(err, errPaused) {
			t.Errorf("probe: %v", err)
		}
	})
}

func TestCallTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []Call
		s := scripted(hang)
		c := piped(t, s, func(cfg *Config) {
			cfg.CallTimeout = 7 * time.Second
			cfg.Observe = func(call Call) { seen = append(seen, call) }
		})
		_, err := c.RevokeOrder(t.Context(), 7, Revocation{})
		if e := asError(t, err); e.Class != ClassOutcomeUnknown || e.Canceled || err.Error() != "revoke-order 7: outcome unknown: no answer within 7s" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		_, err = c.Reader(nil).Order(t.Context(), 7)
		if e := asError(t, err); e.Class != ClassUnavailable || e.Canceled || err.Error() != "order 7: no answer within 7s" {
			t.Errorf("%v", err)
		}
		if len(seen) != 2 || seen[0].Duration != 7*time.Second || seen[0].Class != ClassOutcomeUnknown || seen[1].Duration != 7*time.Second || len(s.calls()) != 2 {
			t.Errorf("observed %+v, %d calls", seen, len(s.calls()))
		}
	})
}

func TestATimeoutInTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusCreated)
			_ = http.NewResponseController(w).Flush()
			hang(w, r)
		}))
		_, err := c.RevokeOrder(t.Context(), 7, Revocation{})
		if e := asError(t, err); e.Class != ClassOutcomeUnknown || e.Status != 201 || e.Canceled || !strings.HasSuffix(err.Error(), "DigiCert answered 201: reading the answer: no answer within 20s") {
			t.Errorf("%v", err)
		}
	})
}

func TestTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []Call
		c := piped(t, scripted(hang), func(cfg *Config) { cfg.Observe = func(call Call) { seen = append(seen, call) } })
		stopped := errors.New("the worker stops")
		ctx, stop := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { stop(stopped) })
		_, err := c.RevokeOrder(ctx, 7, Revocation{})
		if e := asError(t, err); e.Class != ClassOutcomeUnknown || !e.Canceled || !errors.Is(err, stopped) {
			t.Errorf("in flight: %v", err)
		}
		_, err = c.RevokeOrder(ctx, 7, Revocation{})
		if e := asError(t, err); e.Class != ClassNeverSent || !e.Canceled || !errors.Is(err, stopped) {
			t.Errorf("too late: %v", err)
		}
		_, err = c.Reader(nil).Order(ctx, 7)
		if e := asError(t, err); e.Class != ClassNeverSent || !e.Canceled || !errors.Is(err, stopped) {
			t.Errorf("read too late: %v", err)
		}
		deadline, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Reader(nil).Order(deadline, 7)
		if e := asError(t, err); e.Class != ClassUnavailable || !e.Canceled || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's deadline: %v", err)
		}
		if len(seen) != 2 || !seen[0].Canceled || !seen[1].Canceled {
			t.Errorf("observed %+v", seen)
		}
	})
}
