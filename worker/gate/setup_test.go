package gate

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"certrecall/client"
	"certrecall/worker/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a set of gates that runs in a bubble, with everything it listens to.
type bench struct {
	*Gates
	t    *testing.T
	kv   jetstream.KeyValue
	stop func() // ends Run and waits for it

	keyChanged       chan struct{}
	notBeforeChanged chan struct{}

	mu        sync.Mutex
	notBefore time.Time
	probeErr  error           // what a probe gets
	probeTime time.Duration   // how long it takes
	probes    []time.Duration // when each began, since start
	changes   []string        // "+name kind" closed, "-name kind" opened
	start     time.Time
}

func (b *bench) probe(ctx context.Context, _ time.Duration) error {
	b.mu.Lock()
	b.probes = append(b.probes, time.Since(b.start))
	err, d := b.probeErr, b.probeTime
	b.mu.Unlock()
	b.Report(client.Call{Op: client.OpProbe, Class: classOf(err)}) // as the client does
	select {
	case <-time.After(d):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *bench) setProbe(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probeErr = err
}

// probed gives when probes began, and forgets them.
func (b *bench) probed() []time.Duration {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.probes = nil }()
	return b.probes
}

// changed gives the calls of Changed, and forgets them.
func (b *bench) changed() []string {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.changes = nil }()
	return b.changes
}

func (b *bench) setNotBefore(at time.Time) {
	b.mu.Lock()
	b.notBefore = at
	b.mu.Unlock()
	b.notBeforeChanged <- struct{}{}
	synctest.Wait()
}

// run starts gates on the bucket kv and waits until they have read it. Each
// option may change the configuration.
func run(t *testing.T, kv jetstream.KeyValue, options ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, kv: kv, start: time.Now(),
		keyChanged: make(chan struct{}, 1), notBeforeChanged: make(chan struct{}, 1)}
	cfg := Config{
		Control: kv, Probe: b.probe, KeyChanged: b.keyChanged,
		NotBefore:        func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.notBefore },
		NotBeforeChanged: b.notBeforeChanged,
		Changed: func(r Reason, closed bool) {
			b.Reasons() // allowed here
			b.mu.Lock()
			defer b.mu.Unlock()
			sign := "-"
			if closed {
				sign = "+"
			}
			name := sign + string(r.Gate)
			if r.Kind != Both {
				name += " " + string(r.Kind)
			}
			b.changes = append(b.changes, name)
		},
	}
	for _, o := range options {
		o(&cfg)
	}
	b.Gates = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil at the end of its context", err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

func bucket(t *testing.T, js jetstream.JetStream) jetstream.KeyValue {
	t.Helper()
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "CONTROL"})
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// inBubble runs f with running gates that have read an empty bucket.
func inBubble(t *testing.T, f func(t *testing.T, b *bench), options ...func(*Config)) {
	t.Helper()
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		b := run(t, bucket(t, e.JetStream()), options...)
		if err := b.Wait(t.Context(), Both); err != nil {
			t.Fatal(err)
		}
		f(t, b)
	})
}

// natstestBubble runs f with gates that have not opened yet.
func natstestBubble(t *testing.T, f func(b *bench), options ...func(*Config)) {
	t.Helper()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) { f(run(t, bucket(t, e.JetStream()), options...)) })
}

// failure is an error of the client.
func failure(c client.Class) *client.Error {
	return &client.Error{Op: client.OpProbe, Class: c}
}

func classOf(err error) client.Class {
	if e, ok := err.(*client.Error); ok { //nolint:errorlint // made by failure
		return e.Class
	}
	return ""
}

// call is one ended call of a command.
func call(order int64, c client.Class) client.Call {
	return client.Call{Op: client.OpRevokeOrder, OrderID: order, Class: c}
}

// gatesClosed names the gates that hold back k.
func gatesClosed(b *bench, k Kind) []Name {
	b.t.Helper()
	synctest.Wait()
	var names []Name
	for _, r := range b.Reasons() {
		if r.holds(k) {
			names = append(names, r.Gate)
		}
	}
	if _, closed := b.Closed(k); closed != (len(names) > 0) {
		b.t.Errorf("Closed(%q) = %v while the reasons are %v", k, closed, b.Reasons())
	}
	return names
}

func wantClosed(b *bench, k Kind, want ...Name) {
	b.t.Helper()
	if got := gatesClosed(b, k); !slices.Equal(got, want) {
		b.t.Errorf("after %v %q is held back by %v, want %v", time.Since(b.start), k, got, want)
	}
}

func wantEqual[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
