package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

const (
	gatewayToken  = "a-token-of-the-gateway-in-the-tests"
	gatewaySecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// gatewayPlant is a NATS server, a configuration and a receiver; its gateways are processes.
type gatewayPlant struct {
	t      *testing.T
	server *natstest.Server
	js     jetstream.JetStream
	names  messages.Names
	config string
	addr   string

	mu  sync.Mutex
	got []string // webhook-ids, as they came
}

func newGatewayPlant(t *testing.T) *gatewayPlant {
	t.Helper()
	p := &gatewayPlant{t: t, server: natstest.Start(t)}
	p.js = p.server.JetStream()
	var err error
	if p.names, err = messages.NewNames("certrecall"); err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), p.js, p.names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	receiver := httptest.NewServer(p)
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"token": gatewayToken, "secret": gatewaySecret,
		"gateway.yaml": "sources:\n  web: {lanes: [revoke], auth: {bearer_files: [token]}}\ndeliveries:\n  all: {url: \"" + receiver.URL + "\", secret_file: secret, allow_private: true}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.config = filepath.Join(dir, "gateway.yaml")
	l := httptest.NewUnstartedServer(nil) // finds a free port
	p.addr = l.Listener.Addr().String()
	l.Close()
	return p
}

// ServeHTTP is the receiver.
func (p *gatewayPlant) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the gateway was killed on its way
	}
	verifier, err := webhooks.NewWebhook(gatewaySecret)
	if err != nil || verifier.Verify(body, q.Header) != nil {
		p.t.Errorf("a delivery that does not verify: %v", q.Header)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, q.Header.Get("webhook-id"))
	w.WriteHeader(http.StatusNoContent)
}

func (p *gatewayPlant) arrived() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := map[string]int{}
	for i, id := range p.got {
		if _, seen := first[id]; !seen {
			first[id] = i
		}
	}
	return first
}

// gateway starts a process; kill ends it as a crash does.
func (p *gatewayPlant) gateway() (kill func()) {
	p.t.Helper()
	log, err := os.CreateTemp(p.t.TempDir(), "gateway-*.log")
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), "certrecall", "gateway", "--config", p.config, "--nats-url", p.server.URL(), "--http-addr", p.addr, "--log-format", "json")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	p.t.Cleanup(func() {
		ended()
		text, err := os.ReadFile(log.Name())
		if err != nil || strings.Contains(string(text), gatewayToken) || strings.Contains(string(text), gatewaySecret) {
			p.t.Errorf("a log shows a secret, or cannot be read: %v", err)
		}
		if p.t.Failed() {
			p.t.Logf("log of a gateway:\n%s", tail(string(text), 40))
		}
	})
	return ended
}

// post sends a command until it is accepted.
func (p *gatewayPlant) post(ctx context.Context, id string, order int) {
	body := fmt.Sprintf(`{"id":%q,"order_id":%d,"comments":"x","incident":"I"}`, id, order)
	client := &http.Client{Timeout: 10 * time.Second}
	for ctx.Err() == nil {
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.addr+"/v1/commands/revoke", strings.NewReader(body))
		if err != nil {
			p.t.Error(err)
			return
		}
		q.Header.Set("Authorization", "Bearer "+gatewayToken)
		q.Header.Set("Content-Type", "application/json")
		a, err := client.Do(q)
		if err == nil {
			text, _ := io.ReadAll(a.Body) // of a gateway that may be killed now
			a.Body.Close()
			switch a.StatusCode {
			case http.StatusAccepted:
				var receipt struct{ Command string }
				if json.Unmarshal(text, &receipt) == nil && receipt.Command == "web/I/"+id {
					return
				}
			case http.StatusServiceUnavailable:
			default:
				p.t.Errorf("%s: %d %s", id, a.StatusCode, text)
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.t.Errorf("%s was never accepted", id)
}

// event stores an event as a worker does, until the stream has it, and gives its ce-id.
func (p *gatewayPlant) event(ctx context.Context, id string, name messages.EventName) string {
	c := messages.Command{ID: id, Source: "web", Incident: "I", Lane: messages.LaneRevoke, OrderID: 1, Comments: "x"}
	e := messages.NewEvent(c, name, time.Now(), time.Now())
	if name == messages.EventRevoked {
		e.Status = "revoked"
	}
	subject, header, body, err := p.names.EncodeEvent(e)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	for ctx.Err() == nil {
		_, err := p.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: header, Data: body})
		if err == nil || strings.Contains(err.Error(), "maximum messages per subject") { // its answer was lost
			break
		}
	}
	return header["ce-id"][0]
}

// TestKilledGatewaysLoseNothing: under load in and out, gateways are killed and
// NATS is restarted. What was accepted is stored, what happened is delivered in
// the order of each command, and nothing is delivered that did not happen.
func TestKilledGatewaysLoseNothing(t *testing.T) {
	t.Parallel()
	p := newGatewayPlant(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	kill := p.gateway()
	if !eventually(func() bool { // deliveries begin with the consumer
		_, err := p.js.Consumer(ctx, p.names.EventsStream(), "gateway-all")
		return err == nil
	}) {
		t.Fatal("the gateway made no consumer")
	}

	const commands, senders = 800, 8
	var load sync.WaitGroup
	done := make(chan struct{}, commands)
	var mu sync.Mutex
	happened := map[string][2]string{} // the ce-ids of each command's events
	for s := range senders {
		load.Go(func() {
			for i := s; i < commands; i += senders {
				id := fmt.Sprintf("g-%d", i)
				p.post(ctx, id, i+1)
				ids := [2]string{p.event(ctx, id, messages.EventRevokeAccepted), p.event(ctx, id, messages.EventRevoked)}
				mu.Lock()
				happened[id] = ids
				mu.Unlock()
				done <- struct{}{}
			}
		})
	}
	kills := 0
	for n := range commands {
		select {
		case <-done:
		case <-ctx.Done():
			t.Fatalf("%d of %d commands in two minutes", n, commands)
		}
		switch n {
		case commands / 6, commands / 3, 2 * commands / 3:
			kill()
			kill = p.gateway()
			kills++
		case commands / 2:
			p.server.Restart()
		}
	}
	load.Wait()

	stream, err := p.js.Stream(ctx, p.names.CommandsStream())
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]int{}
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		m, err := stream.GetMsg(ctx, sequence)
		if err != nil {
			t.Fatal(err)
		}
		c, err := messages.DecodeCommand(messages.LaneRevoke, "web", m.Header, m.Data)
		if err != nil {
			t.Errorf("stored: %v", err)
		}
		stored[c.ID]++
	}
	if len(stored) != commands {
		t.Errorf("%d commands are stored, %d were accepted", len(stored), commands)
	}
	want := map[string]bool{}
	for _, ids := range happened {
		want[ids[0]], want[ids[1]] = true, true
	}
	for deadline := time.Now().Add(90 * time.Second); len(p.arrived()) < len(want) && time.Now().Before(deadline); {
		select {
		case <-t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	got := p.arrived()
	for id := range got {
		if !want[id] {
			t.Errorf("delivered: %s, which did not happen", id)
		}
	}
	for id, ids := range happened {
		accepted, ok := got[ids[0]]
		revoked, ok2 := got[ids[1]]
		if !ok || !ok2 || revoked < accepted {
			t.Errorf("%s: accepted came as %d (%v), revoked as %d (%v)", id, accepted, ok, revoked, ok2)
		}
	}
	total := 0
	for _, n := range stored {
		total += n
	}
	t.Logf("%d kills, one restart of NATS: %d commands in %d messages; %d events in %d deliveries", kills, len(stored), total, len(got), len(p.got))
}
