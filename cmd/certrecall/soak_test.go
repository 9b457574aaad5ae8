package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/worker/streams"
)

// shortSoak is how long the soak lasts where SOAK_DURATION says nothing.
const shortSoak = 8 * time.Second

// drainPatience is how long a healed plant may take to answer everything: two
// leases, the ten seconds before a second read, and pauses of at most 2 s.
const drainPatience = 2 * time.Minute

// TestSoak has real worker processes carry commands of every kind while they
// are killed, frozen and stopped, NATS is killed and DigiCert fails; then it
// heals all and checks what must hold from the simulator's record of calls and
// from the streams. SOAK_SEED repeats the choices of a run (not the timing of
// the machine), SOAK_DURATION makes it longer. A run that fails keeps its
// transcript in the folder that it names.
func TestSoak(t *testing.T) {
	t.Parallel()
	seed, duration := rand.Uint64()>>1, shortSoak
	if s := os.Getenv("SOAK_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SOAK_SEED: %v", err)
		}
	}
	if s := os.Getenv("SOAK_DURATION"); s != "" {
		var err error
		if duration, err = time.ParseDuration(s); err != nil {
			t.Fatalf("SOAK_DURATION: %v", err)
		}
	}
	log := newTranscript(t)
	t.Logf("seed %d, %s: repeat with make soak SOAK_SEED=%d SOAK_DURATION=%s", seed, duration, seed, duration)
	log.printf("seed %d, duration %s", seed, duration)

	nodes := startNATS(t, log.dir, 1)
	js, err := jetstream.New(connectNATS(t, nodes))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlantOn(t, natsURLs(nodes), js, streams.Options{}, digicertsim.Options{
		AutoDecide: 1500 * time.Millisecond, Latency: 5 * time.Millisecond, MaxCalls: 5_000_000,
		// A frozen worker's calls may come later than they were counted.
		Limits: []digicertsim.Window{{Calls: 150 + soakWorkers*8*3, Per: 2 * time.Second}}, Block: 2 * time.Second,
	})
	p.logs = log.dir
	line, pause := slowLine(t, strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), digicertsim.BasePath), 0)
	p.url = "http://" + line + digicertsim.BasePath
	protected := filepath.Join(log.dir, "protected-orders")
	if err := os.WriteFile(protected, fmt.Appendf(nil, "%d # a customer's only one\n", protectedSoakOrder), 0o600); err != nil {
		t.Fatal(err)
	}
	control, err := js.KeyValue(t.Context(), p.names.ControlBucket())
	if err != nil {
		t.Fatal(err)
	}
	budget, err := js.KeyValue(t.Context(), p.names.BudgetBucket())
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{budget: budget, pause: pause, p: p, nats: nodes[0], log: log, rng: rand.New(rand.NewPCG(seed, 1)), args: []string{
		"--rate-limit", "150/2s", "--call-timeout", soakCallTimeout.String(), "--ack-wait", soakAckWait.String(), "--retry-max-interval", "2s",
		"--approval-poll", "1s", "--protected-orders", protected,
	}}
	l := &load{p: p, rng: rand.New(rand.NewPCG(seed, 2)), log: log, control: control}

	running, stop := context.WithTimeout(t.Context(), duration)
	defer stop()
	patience, cancel := context.WithTimeout(t.Context(), duration+drainPatience)
	defer cancel()
	var publishing sync.WaitGroup
	publishing.Go(func() {
		if err := l.run(running, patience); err != nil {
			t.Error(err)
		}
	})
	c.run(running)
	publishing.Wait()
	c.heal()
	healed := time.Now()
	p.drained(log)
	t.Logf("%s; %d contents published, drained %s after healing", c.figures(), len(l.all), time.Since(healed).Round(100*time.Millisecond))
	c.end()
	check(p, l, log)
}

// drained waits until no command is in the queue and none waits.
func (p *plant) drained(log *transcript) {
	p.t.Helper()
	var left string
	for deadline := time.Now().Add(drainPatience); time.Now().Before(deadline); {
		if left = p.left(); left == "" {
			return
		}
		select {
		case <-p.t.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	log.printf("not drained: %s", left)
	p.t.Errorf("%s after the plant was healed: %s", drainPatience, left)
}

// left says what is not answered yet; "" = nothing.
func (p *plant) left() string {
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
	defer cancel()
	stream, err := p.js.Stream(ctx, p.names.CommandsStream())
	if err != nil {
		return err.Error()
	}
	waiting, err := p.keys(ctx, p.names.OrdersBucket(), "waiting.>")
	if err != nil {
		return err.Error()
	}
	if n := stream.CachedInfo().State.Msgs; n > 0 || len(waiting) > 0 {
		return fmt.Sprintf("%d commands in the queue, %d waiting keys: %.300v", n, len(waiting), waiting)
	}
	return ""
}

func (p *plant) keys(ctx context.Context, bucket, pattern string) ([]string, error) {
	kv, err := p.js.KeyValue(ctx, bucket)
	if err != nil {
		return nil, err
	}
	lister, err := kv.ListKeysFiltered(ctx, pattern)
	if err != nil {
		return nil, err
	}
	var keys []string
	for key := range lister.Keys() {
		keys = append(keys, key)
	}
	return keys, nil
}

// transcript is what was done and seen, in a folder that is kept if the test fails.
type transcript struct {
	t     *testing.T
	dir   string
	began time.Time
	fails func(string) // hears of violations

	mu   sync.Mutex
	file *os.File
}

func newTranscript(t *testing.T) *transcript {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("SOAK_ARTIFACTS"), "certrecall-soak-*") //nolint:usetesting // it outlives a test that fails
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "transcript.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = file.Close()
		if t.Failed() {
			t.Logf("transcript, calls, events and logs: %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return &transcript{t: t, dir: dir, began: time.Now(), file: file, fails: func(s string) { t.Error(s) }}
}

func (l *transcript) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.file, "%s %8.3f "+format+"\n", append([]any{time.Now().UTC().Format("15:04:05.000"), time.Since(l.began).Seconds()}, args...)...)
}

// violation is a broken promise.
func (l *transcript) violation(format string, args ...any) {
	l.printf("VIOLATION "+format, args...)
	l.fails(fmt.Sprintf(format, args...))
}

// keepLines writes something as lines of JSON into the folder.
func keepLines[T any](l *transcript, name string, all []T) {
	l.t.Helper()
	file, err := os.Create(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Error(err)
		return
	}
	defer file.Close()
	lines := json.NewEncoder(file)
	for _, one := range all {
		if err := lines.Encode(one); err != nil {
			l.t.Error(err)
		}
	}
}
