package gate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"certrecall/client"
	"certrecall/worker/natstest"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	refused := failure(client.ClassKeyRefused)
	page := &client.Error{Class: client.ClassUnavailable, NotJSON: true, Foreign: true}
	type want struct {
		keyRefused, unknown bool
		probes              int
	}
	for name, c := range map[string]struct {
		err, probe error
		want       want
	}{
		"401, the probe too":           {refused, refused, want{true, false, 1}},
		"401, the probe gets a page":   {refused, page, want{false, true, 1}},
		"401, the probe passes":        {refused, nil, want{false, false, 1}},
		"401, DigiCert is down":        {refused, failure(client.ClassUnavailable), want{false, true, 1}},
		"a page":                       {page, page, want{}},
		"403 of the API":               {failure(client.ClassForbidden), refused, want{}},
		"something else":               {failure(client.ClassNotFound), refused, want{}},
		"no error of the client":       {errors.New("x"), refused, want{}},
		"wrapped":                      {errors.Join(errors.New("x"), refused), nil, want{false, false, 1}},
		"401, the probe never went":    {refused, failure(client.ClassNeverSent), want{false, true, 1}},
		"401, the probe was throttled": {refused, failure(client.ClassThrottled), want{false, true, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.setProbe(c.probe)
				keyRefused, err := b.Judge(t.Context(), c.err)
				got := want{keyRefused, err != nil, len(b.probed())}
				if got != c.want {
					t.Errorf("Judge = %v, %v after %d probes; want %+v", keyRefused, err, got.probes, c.want)
				}
				if err != nil && !errors.Is(err, c.probe) {
					t.Errorf("Judge = %v, want the probe's error in it", err)
				}
				if _, closed := b.Closed(Revocations); closed != c.want.keyRefused {
					t.Errorf("closed = %v, want %v", closed, c.want.keyRefused)
				}
			})
		})
	}
}

// Slots full of refused calls cost one probe, however they are told.
func TestSuspicionsShareOneProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.probeTime = 300 * time.Millisecond
		judged := make(chan error, 100)
		for order := range int64(100) {
			go func() {
				time.Sleep(time.Duration(order) * 10 * time.Millisecond) // synctest
				b.Report(call(order, client.ClassKeyRefused))
				keyRefused, err := b.Judge(t.Context(), failure(client.ClassKeyRefused))
				if keyRefused {
					err = errors.New("the key was held to be refused")
				}
				judged <- err
			}()
		}
		for range 100 {
			if err := <-judged; err != nil {
				t.Error(err)
			}
		}
		if n := len(b.probed()); n != 1 {
			t.Errorf("%d probes, want 1", n)
		}
		// Later the key may have changed: asked again.
		time.Sleep(time.Second) // synctest
		if _, err := b.Judge(t.Context(), failure(client.ClassKeyRefused)); err != nil {
			t.Error(err)
		}
		if n := len(b.probed()); n != 1 {
			t.Errorf("%d more probes, want 1", n)
		}
	})
}

// A refused key is found out by a report alone, and probed rarely.
func TestRefusedKeyIsProbedRarely(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.setProbe(failure(client.ClassKeyRefused))
		b.Report(call(1, client.ClassKeyRefused))
		wantClosed(b, Revocations, KeyRefused)
		wantClosed(b, Listings, KeyRefused)
		if keyRefused, err := b.Judge(t.Context(), failure(client.ClassKeyRefused)); !keyRefused || err != nil {
			t.Errorf("Judge while the gate is closed = %v, %v", keyRefused, err)
		}
		time.Sleep(20 * time.Minute) // synctest
		wantEqual(t, "probes", b.probed(), seconds(0, 30, 90, 210, 450, 750, 1050))

		b.setProbe(failure(client.ClassUnavailable)) // not known: stays closed
		time.Sleep(5 * time.Minute)                  // synctest
		wantClosed(b, Revocations, KeyRefused)
		if got, want := b.ClosedFor(Listings, b.start), 25*time.Minute; got != want {
			t.Errorf("ClosedFor = %v, want %v", got, want)
		}
		b.setProbe(nil)
		time.Sleep(5 * time.Minute) // synctest
		wantClosed(b, Both)
		wantEqual(t, "changes", b.changed(), []string{"+key-refused", "-key-refused"})
	})
}

func TestAnotherKeyIsProbedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.setProbe(failure(client.ClassKeyRefused))
		b.Report(call(1, client.ClassKeyRefused))
		time.Sleep(10 * time.Minute) // synctest
		b.probed()
		wantClosed(b, Both, KeyRefused)

		b.keyChanged <- struct{}{} // still a wrong one
		wantClosed(b, Both, KeyRefused)
		time.Sleep(30 * time.Second) // synctest
		wantEqual(t, "probes", b.probed(), seconds(600, 630))

		b.setProbe(nil)
		b.keyChanged <- struct{}{}
		wantClosed(b, Both)

		// A key that stops working is found out when it is put in place.
		b.setProbe(failure(client.ClassKeyRefused))
		b.keyChanged <- struct{}{}
		wantClosed(b, Both, KeyRefused)
	})
}

func TestProbeFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		probe error
		want  []Name
	}{
		"accepted":           {nil, nil},
		"refused":            {failure(client.ClassKeyRefused), []Name{KeyRefused}},
		"DigiCert is down":   {failure(client.ClassUnavailable), []Name{KeyRefused}},
		"something in front": {&client.Error{Class: client.ClassUnavailable, Status: 302, Foreign: true}, []Name{KeyRefused}},
		"throttled":          {failure(client.ClassThrottled), []Name{KeyRefused}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
				b := run(t, bucket(t, e.JetStream()), func(cfg *Config) {
					probe := cfg.Probe
					cfg.ProbeFirst = true
					cfg.Probe = func(ctx context.Context, maxAge time.Duration) error {
						time.Sleep(2 * time.Second) // synctest
						return probe(ctx, maxAge)
					}
				})
				b.setProbe(c.probe)
				time.Sleep(time.Second) // synctest
				wantClosed(b, Revocations, KeyRefused)
				time.Sleep(time.Second) // synctest
				wantClosed(b, Revocations, c.want...)
			})
		})
	}
}

func TestJudgeEndsWithItsContextAndWithRun(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.probeTime = time.Hour
		refused := failure(client.ClassKeyRefused)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Judge(ctx, refused); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Judge = %v, want the end of its context", err)
		}
		waiting := make(chan error, 1)
		go func() { _, err := b.Judge(t.Context(), refused); waiting <- err }()
		synctest.Wait()
		b.stop()
		if err := <-waiting; !errors.Is(err, errNotRunning) {
			t.Errorf("Judge at the end of Run = %v, want %v", err, errNotRunning)
		}
		if _, err := b.Judge(t.Context(), refused); !errors.Is(err, errNotRunning) {
			t.Errorf("Judge after Run = %v, want %v", err, errNotRunning)
		}
	})
}

// A probe that hangs is given up, so that the next one can go out.
func TestAProbeIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.probeTime = 24 * time.Hour
		began := time.Now()
		if _, err := b.Judge(t.Context(), failure(client.ClassKeyRefused)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Judge = %v, want a time-out", err)
		}
		if d := time.Since(began); d != probeTimeout {
			t.Errorf("given up after %v, want %v", d, probeTimeout)
		}
	})
}
