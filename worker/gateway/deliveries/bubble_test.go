package deliveries

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
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

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// arrival is one request that an endpoint got.
type arrival struct {
	at      time.Time
	id      string // webhook-id
	event   string // <event> <command>
	command string
	header  http.Header
}

// rig is a JetStream server, an endpoint and deliveries to it, in fake time.
type rig struct {
	t     *testing.T
	e     *natstest.Env
	js    jetstream.JetStream
	names messages.Names
	net   *natstest.PipeNet
	dir   string

	mu      sync.Mutex
	answer  func(w http.ResponseWriter, r *http.Request) // nil = 204
	got     []arrival
	reports []Report

	patience time.Duration // of the deliveries that start; 0 = theirs
}

func newRig(t *testing.T, e *natstest.Env) *rig {
	t.Helper()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, e: e, js: e.JetStream(), names: names, net: e.PipeNet(), dir: t.TempDir()}
	if err := streams.Apply(t.Context(), r.js, names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "secret"), []byte(testSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.net.Serve(t, r)
	return r
}

// ServeHTTP is the endpoint: it checks what every delivery has to be, notes it, and answers.
func (r *rig) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the caller went away
	}
	verifier, err := webhooks.NewWebhook(testSecret)
	if err != nil {
		r.t.Error(err)
	} else if err := verifier.Verify(body, q.Header); err != nil {
		r.t.Errorf("signature: %v", err)
	}
	r.mu.Lock()
	answer := r.answer
	r.got = append(r.got, arrival{
		at: time.Now(), id: q.Header.Get("webhook-id"), event: q.Header.Get("Ce-Type"), command: q.Header.Get("Ce-Causationid"), header: q.Header.Clone(),
	})
	r.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, q)
}

func (r *rig) answers(f func(w http.ResponseWriter, r *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// status answers with a status and nothing else.
func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (r *rig) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]arrival{}, r.got...)
}

func (r *rig) outcomes(o Outcome) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, report := range r.reports {
		if report.Outcome == o {
			n++
		}
	}
	return n
}

// endpoint is one that goes to the rig.
func (r *rig) endpoint(name string) Endpoint {
	return Endpoint{Name: name, URL: "http://tickets.example.com/hook?token=hidden", SecretFile: filepath.Join(r.dir, "secret"), Concurrency: 4, AllowPrivate: true}
}

// start runs a delivery until the returned function is called.
func (r *rig) start(e Endpoint) (d *Delivery, stop func()) {
	r.t.Helper()
	d, err := New(Config{JS: r.e.JetStream(), Names: r.names, Endpoint: e, UserAgent: "test", Dial: r.net.Dial, Report: func(report Report) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reports = append(r.reports, report)
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	if r.patience > 0 {
		d.patience = r.patience
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
		d.poster.client.CloseIdleConnections()
	}
	r.t.Cleanup(stop)
	time.Sleep(time.Second) // synctest: until the consumer is there
	return d, stop
}

// publish stores an event of a command, as a worker does.
func (r *rig) publish(name messages.EventName, source, id string) {
	r.t.Helper()
	c := messages.Command{ID: id, Source: source, Lane: messages.LaneRevoke, OrderID: 4711, Comments: "x"}
	e := messages.NewEvent(c, name, time.Now(), time.Now())
	if name == messages.EventRevoked {
		e.Status = "revoked"
	}
	subject, header, body, err := r.names.EncodeEvent(e)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.js.PublishMsg(r.t.Context(), &nats.Msg{Subject: subject, Header: header, Data: body}); err != nil {
		r.t.Fatal(err)
	}
}

// both stores the two events of a command.
func (r *rig) both(source, id string) {
	r.publish(messages.EventRevokeAccepted, source, id)
	r.publish(messages.EventRevoked, source, id)
}

// inOrder checks that no event of a command arrived before an earlier one of it.
func (r *rig) inOrder(commands int) {
	r.t.Helper()
	first := map[string]int{} // event of a command to its place
	for i, a := range r.arrivals() {
		key := a.command + " " + a.event
		if _, seen := first[key]; !seen {
			first[key] = i
		}
	}
	if len(first) != 2*commands {
		r.t.Errorf("%d different events arrived, want %d", len(first), 2*commands)
	}
	for i := range commands {
		id := fmt.Sprintf("c-%d", i)
		accepted, ok := first[id+" certrecall.revoke-accepted.v1"]
		revoked, ok2 := first[id+" certrecall.revoked.v1"]
		if !ok || !ok2 || revoked < accepted {
			r.t.Errorf("%s: accepted at %d (%v), revoked at %d (%v)", id, accepted, ok, revoked, ok2)
		}
	}
}

// left says what the endpoint's consumer has not done; "" is nothing.
func (r *rig) left(name string) string {
	r.t.Helper()
	c, err := r.js.Consumer(r.t.Context(), r.names.EventsStream(), ConsumerName(name))
	if err != nil {
		r.t.Fatal(err)
	}
	info := c.CachedInfo()
	if info.NumPending == 0 && info.NumAckPending == 0 {
		return ""
	}
	return fmt.Sprintf("%d pending, %d ack pending", info.NumPending, info.NumAckPending)
}
