package console

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// rig is a NATS server, a console, and the hands of producers and workers.
type rig struct {
	t      testing.TB
	server *natstest.Server
	js     jetstream.JetStream
	names  messages.Names
	url    string
	c      *Console
}

// evil is what an attacker writes wherever somebody lets him.
const evil = `<script>document.title='owned'</script>"><img src=x onerror="document.title='owned'">' onfocus=alert(1) {{.}} javascript:alert(1)`

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	server := natstest.Start(t)
	return rigOn(t, server, server.JetStream(), server.Conn(nats.ReconnectBufSize(-1)), change...)
}

// newRigWith is a rig whose console is the user viewer, and whose hands are the
// user admin.
func newRigWith(t testing.TB, options func(*natsserver.Options)) *rig {
	t.Helper()
	s := natstest.Start(t, options)
	js, err := jetstream.New(s.Conn(nats.UserInfo("admin", "a")))
	if err != nil {
		t.Fatal(err)
	}
	return rigOn(t, s, js, s.Conn(nats.UserInfo("viewer", "v"), nats.ReconnectBufSize(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
}

func rigOn(t testing.TB, s *natstest.Server, js jetstream.JetStream, conn *nats.Conn, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, server: s, js: js}
	var err error
	if r.names, err = messages.NewNames("certrecall"); err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), r.js, r.names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Names: r.names, Conn: conn, Access: Access{Operator: "ada"}, Version: "test"}
	for _, f := range change {
		f(&cfg)
	}
	if r.c, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.c.Run(ctx) })
	server := httptest.NewServer(r.c.Handler())
	r.url = server.URL + r.c.cfg.BasePath
	t.Cleanup(func() {
		cancel()
		running.Wait()
		server.CloseClientConnections()
		server.Close()
	})
	r.until("the console is ready", func() bool { return r.c.ready().Ready })
	return r
}

func (r *rig) until(what string, met func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for !met() {
		wait(ctx, 10*time.Millisecond)
		if ctx.Err() != nil {
			r.t.Fatalf("waited in vain until %s", what)
		}
	}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r *rig) do(method, path, body string, header ...string) reply {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{a.StatusCode, a.Header, string(text)}
}

func (r *rig) get(path string, header ...string) reply {
	return r.do(http.MethodGet, path, "", header...)
}

func (r *rig) json(path string, into any) int {
	r.t.Helper()
	a := r.get(path, "Accept", "application/json")
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		r.t.Fatalf("%s: %v in %s", path, err, a.body)
	}
	return a.status
}

func (r *rig) act(action string, fields url.Values) reply {
	r.t.Helper()
	return r.do(http.MethodPost, "/actions/"+action, fields.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")
}

func revocation(id string, order int64) messages.Command {
	return messages.Command{ID: id, Source: "cli", Lane: messages.LaneRevoke, OrderID: order, Comments: "key leaked", Incident: "INC-1", RequestedBy: "ada"}
}

// send stores a command, as a producer does.
func (r *rig) send(c messages.Command) {
	r.t.Helper()
	body, err := messages.EncodeCommand(c)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.js.Publish(r.t.Context(), r.names.CommandSubject(c.Lane, c.Source), body); err != nil {
		r.t.Fatal(err)
	}
}

// say stores an event of a command, as a worker does.
func (r *rig) say(c messages.Command, name messages.EventName, change ...func(*messages.Event)) messages.Event {
	r.t.Helper()
	now := time.Now().UTC()
	e := messages.NewEvent(c, name, now, now.Add(-time.Minute))
	for _, f := range change {
		f(&e)
	}
	subject, header, body, err := r.names.EncodeEvent(e)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.js.PublishMsg(r.t.Context(), &nats.Msg{Subject: subject, Header: header, Data: body}); err != nil {
		r.t.Fatal(err)
	}
	return e
}

// fail ends a command with an error, with its dead letter.
func (r *rig) fail(c messages.Command, kind messages.ErrorType, detail string) {
	r.t.Helper()
	e := r.say(c, messages.EventRevokeFailed, func(e *messages.Event) { e.Error = messages.NewError(kind, detail) })
	h := messages.DeadLetter{
		ErrorType: kind, Detail: detail, EventSubject: r.names.EventSubject(e.Name, e.Command()), ReceivedAt: e.ReceivedAt, Deliveries: 1, Sequence: 7,
	}.Header(nil)
	body, err := messages.EncodeCommand(c)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.js.PublishMsg(r.t.Context(), &nats.Msg{Subject: r.names.DeadLetterSubject(c.Lane, c.Source, c.Incident), Header: h, Data: body}); err != nil {
		r.t.Fatal(err)
	}
}

// night is an incident with something of everything, and an attacker's texts in it.
func (r *rig) night() {
	r.t.Helper()
	for i := range 5 {
		c := revocation("done-"+itoa(i), int64(1000+i))
		r.say(c, messages.EventRevokeAccepted)
		r.say(c, messages.EventRevoked, func(e *messages.Event) { e.Status = "revoked" })
	}
	c := revocation("evil", 666)
	c.Comments, c.RequestedBy, c.Context = evil, "<b>mallory</b>", json.RawMessage(`{"note":"</pre><script>document.title='owned'</script>"}`)
	r.say(c, messages.EventRevokeAccepted)
	r.fail(c, messages.ErrorRefused, evil)
	r.send(revocation("queued", 7))
}
