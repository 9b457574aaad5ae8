package streams

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"certrecall/messages"
	"certrecall/worker/natstest"
)

func clockBucket(t *testing.T, e *natstest.Env) *Clock {
	t.Helper()
	n, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	js := e.JetStream()
	if err := Apply(t.Context(), js, n, Options{}); err != nil {
		t.Fatal(err)
	}
	return NewClock(js, "KV_"+n.ControlBucket())
}

func TestClockFollowsTheServer(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		c := clockBucket(t, e)
		if got := c.Now(); !got.Equal(time.Now()) {
			t.Errorf("before the first Sync the clock tells %v, want the local %v", got, time.Now())
		}
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Server and test share one clock in the bubble.
		if off := c.Offset(); off != 0 {
			t.Errorf("offset = %v, want 0", off)
		}
		time.Sleep(36 * time.Hour) // synctest
		if off := c.Offset(); off != 0 {
			t.Errorf("offset after 36 h = %v, want 0", off)
		}
	})
}

func TestClockRunSyncsEveryMinuteAndAfterReconnects(t *testing.T) {
	natstest.LoneBubble(t, func(t *testing.T, e *natstest.Env) {
		c := clockBucket(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		synced := func() time.Time {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.sample.local
		}
		began := time.Now()
		if got := synced(); !got.Equal(began) {
			t.Errorf("first sample at %v, want at once", got)
		}
		time.Sleep(time.Minute) // synctest
		if got := synced().Sub(began); got != time.Minute {
			t.Errorf("second sample after %v, want 1m", got)
		}
		e.StopServer()
		time.Sleep(90 * time.Second) // synctest
		if got := synced().Sub(began); got != time.Minute {
			t.Errorf("a sample of a stopped server after %v", got)
		}
		e.StartServer()
		back := time.Now()
		time.Sleep(5 * time.Second) // synctest: the client's wait between two attempts, and its jitter
		if got := synced(); got.Before(back) {
			t.Errorf("no sample within 5 s of the server's return, the last one was %v before", back.Sub(got))
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil at the end of its context", err)
		}
	})
}

func TestBetterSample(t *testing.T) {
	t.Parallel()
	local := time.Now()
	server := local.Add(30 * time.Second)
	old := sample{local: local, server: server, within: 2 * time.Millisecond}
	after := func(d, off, within time.Duration) sample {
		return sample{local: local.Add(d), server: server.Add(d + off), within: within}
	}
	for name, c := range map[string]struct {
		now  sample
		want bool // the new one is taken
	}{
		"exact and agreeing":             {after(time.Minute, time.Millisecond, time.Millisecond), true},
		"slow and agreeing":              {after(time.Minute, 300*time.Millisecond, 400*time.Millisecond), false},
		"slow, but the server jumped":    {after(time.Minute, 2*time.Second, 400*time.Millisecond), true},
		"slow, but the old one is stale": {after(time.Hour, 100*time.Millisecond, 400*time.Millisecond), true},
		"the server jumped back":         {after(time.Minute, -time.Hour, time.Millisecond), true},
	} {
		if got := better(old, c.now) == c.now; got != c.want {
			t.Errorf("%s: taken %v, want %v", name, got, c.want)
		}
	}
	if better(sample{}, old) != old {
		t.Error("the first sample was not taken")
	}
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]bool{
		"2.11.9": true, "1.99.0": true, "2.9.25": true, "2.12.0": false, "2.12.0-RC.1": false, "2.15.2": false, "3.0.0": false, "dev": false,
	} {
		if got := older(v, "2.12"); got != want {
			t.Errorf("older(%q) = %v, want %v", v, got, want)
		}
	}
}

func TestJump(t *testing.T) {
	t.Parallel()
	local := time.Now()
	before := sample{local: local, server: local.Add(30 * time.Second), within: time.Millisecond}
	after := func(d, off, within time.Duration) sample {
		return sample{local: local.Add(d), server: before.server.Add(d + off), within: within}
	}
	for name, c := range map[string]struct {
		now  sample
		want time.Duration
	}{
		"in step":                       {after(time.Minute, 0, time.Millisecond), 0},
		"within the bound":              {after(time.Minute, 1900*time.Millisecond, time.Millisecond), 0},
		"forward":                       {after(time.Minute, 3*time.Second, time.Millisecond), 3 * time.Second},
		"back":                          {after(time.Minute, -3*time.Second, time.Millisecond), -3 * time.Second},
		"a slow answer proves nothing":  {after(time.Minute, 3*time.Second, 2*time.Second), 0},
		"nor does drift of a long time": {after(time.Hour, 4*time.Second, time.Millisecond), 0},
	} {
		if got := jump(before, c.now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if got := jump(sample{}, before); got != 0 {
		t.Errorf("the first sample is a step of %v", got)
	}
}
