package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// plant is one NATS server, one simulated DigiCert, and the worker processes
// that a test starts.
type plant struct {
	t       *testing.T
	natsURL string
	js      jetstream.JetStream
	names   messages.Names
	sim     *digicertsim.Simulator
	url     string // of the simulated API
	keyFile string // holds the workers' key; "" = they have it in their environment
	logs    string // folder that keeps the workers' logs; "" = they are shown if the test fails
}

func newPlant(t *testing.T, o digicertsim.Options) *plant {
	t.Helper()
	server := natstest.Start(t)
	return newPlantOn(t, server.URL(), server.JetStream(), streams.Options{}, o)
}

// newPlantOn is a plant on a server, or a cluster, that runs already.
func newPlantOn(t *testing.T, natsURL string, js jetstream.JetStream, s streams.Options, o digicertsim.Options) *plant {
	t.Helper()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	o.Keys, o.AutoOrders = []string{scriptKey}, true
	p := &plant{t: t, natsURL: natsURL, js: js, names: names, sim: digicertsim.New(o)}
	server := httptest.NewServer(p.sim)
	t.Cleanup(server.Close)
	p.url = server.URL + digicertsim.BasePath
	if err := streams.Apply(t.Context(), js, names, s); err != nil {
		t.Fatal(err)
	}
	return p
}

// proc is a running certrecall.
type proc struct {
	*exec.Cmd
	log   *os.File // its standard error
	ended chan struct{}
}

// worker starts a worker process. It is killed at the end of the test, if it
// has not ended by then; its log is shown if the test failed.
func (p *plant) worker(args ...string) *proc {
	p.t.Helper()
	dir := p.logs
	if dir == "" {
		dir = p.t.TempDir()
	}
	log, err := os.CreateTemp(dir, "worker-*.log")
	if err != nil {
		p.t.Fatal(err)
	}
	if !slices.Contains(args, "--rate-limit") { // several would all hold
		args = append(args, "--rate-limit", "0")
	}
	cmd := exec.CommandContext(p.t.Context(), "certrecall", append([]string{
		"worker", "--nats-url", p.natsURL, "--digicert-url", p.url, "--http-addr", "127.0.0.1:0",
		"--approval-poll", "1s", "--ack-wait", "2m",
	}, args...)...)
	if p.keyFile != "" {
		cmd.Args = append(cmd.Args, "--digicert-api-key-file", p.keyFile)
	} else {
		cmd.Env = append(os.Environ(), "DIGICERT_API_KEY="+scriptKey)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	w := &proc{Cmd: cmd, log: log, ended: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(w.ended) }()
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-w.ended
		_ = log.Close()
		if p.t.Failed() && p.logs == "" {
			p.t.Logf("log of worker %d:\n%s", cmd.Process.Pid, tail(w.read(), 60))
		}
	})
	return w
}

func (w *proc) read() string {
	b, err := os.ReadFile(w.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// wait waits for the end of the process.
func (w *proc) wait(t *testing.T) *os.ProcessState {
	t.Helper()
	select {
	case <-w.ended:
	case <-time.After(scriptPatience):
		t.Fatalf("worker %d did not end", w.Process.Pid)
	}
	return w.ProcessState
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// publish sends commands and waits until the stream has acknowledged each.
func (p *plant) publish(commands ...messages.Command) {
	p.t.Helper()
	var acks []jetstream.PubAckFuture
	for _, c := range commands {
		body, err := messages.EncodeCommand(c)
		if err != nil {
			p.t.Fatal(err)
		}
		ack, err := p.js.PublishAsync(p.names.CommandSubject(c.Lane, c.Source), body)
		if err != nil {
			p.t.Fatal(err)
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			p.t.Fatal(err)
		case <-p.t.Context().Done():
			p.t.Fatal(context.Cause(p.t.Context()))
		}
	}
}

// events gives all events in turn to f until it returns false; the test fails
// if that takes longer than limit.
func (p *plant) events(limit time.Duration, f func(messages.Event) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	consumer, err := p.js.OrderedConsumer(ctx, p.names.EventsStream(), jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		p.t.Fatal(err)
	}
	it, err := consumer.Messages()
	if err != nil {
		p.t.Fatal(err)
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue
		}
		if err != nil {
			p.t.Fatalf("waiting for events: %v", err)
		}
		e, err := p.names.DecodeEvent(msg.Subject(), msg.Headers(), msg.Data())
		if err != nil {
			p.t.Fatal(err)
		}
		if !f(e) {
			return
		}
	}
}

// queueEmpty wants every command settled, soon.
func (p *plant) queueEmpty() {
	p.t.Helper()
	var left uint64
	empty := eventually(func() bool {
		stream, err := p.js.Stream(p.t.Context(), p.names.CommandsStream())
		if err != nil {
			p.t.Fatal(err)
		}
		left = stream.CachedInfo().State.Msgs
		return left == 0
	})
	if !empty {
		p.t.Errorf("%d commands are left in the stream", left)
	}
}
