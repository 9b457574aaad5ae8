package status_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/status"
	"certrecall/worker/streams"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The server's clock for cache ages is one goroutine of the process.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.init.0.func1"),
		// A stream that sources another asks for it once more while its server ends.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*stream).trySetupSourceConsumer.func3"))
}

// site is a server with streams, and the hands of producers and workers.
type site struct {
	t      testing.TB
	server *natstest.Server
	js     jetstream.JetStream
	names  messages.Names
	stores streams.Stores
	// received is when every command that is spoken of was stored.
	received time.Time
}

func newSite(t testing.TB) *site {
	t.Helper()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, server: natstest.Start(t), names: names, received: time.Now().UTC().Add(-time.Minute).Truncate(time.Second)}
	s.js = s.server.JetStream()
	if err := streams.Apply(t.Context(), s.js, names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	if s.stores, err = streams.Open(t.Context(), s.js, names); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) reader() *status.Reader {
	s.t.Helper()
	r, err := status.Open(s.t.Context(), s.js, s.names)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) load(f status.Filter) *status.View {
	s.t.Helper()
	v, err := s.reader().Load(s.t.Context(), f)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// revocation is a command of the incident INC-1.
func revocation(id string, order int64) messages.Command {
	return messages.Command{
		ID: id, Source: "cli", Lane: messages.LaneRevoke, OrderID: order,
		Comments: "key leaked", Incident: "INC-1", RequestedBy: "ada",
	}
}

// send stores a command, as a producer does.
func (s *site) send(c messages.Command) uint64 {
	s.t.Helper()
	body, err := messages.EncodeCommand(c)
	if err != nil {
		s.t.Fatal(err)
	}
	ack, err := s.js.PublishMsg(s.t.Context(), &nats.Msg{
		Subject: s.names.CommandSubject(c.Lane, c.Source), Header: messages.CommandHeader(c), Data: body,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return ack.Sequence
}

// take acknowledges the next command of a lane, as a worker does.
func (s *site) take(lane messages.Lane) {
	s.t.Helper()
	queued, err := streams.Sources(s.t.Context(), s.stores.Commands, s.names)
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(queued, func(q streams.Queued) bool { return q.Lane == lane })
	if i < 0 {
		s.t.Fatalf("nothing is queued in %s", lane)
	}
	c, err := streams.EnsureConsumer(s.t.Context(), s.js, s.names, lane, queued[i].Source, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := m.DoubleAck(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// say stores an event of a command, as a worker does.
func (s *site) say(c messages.Command, name messages.EventName, change ...func(*messages.Event)) messages.Event {
	s.t.Helper()
	at := time.Now().UTC().Truncate(time.Millisecond)
	e := messages.NewEvent(c, name, at, s.received)
	for _, f := range change {
		f(&e)
	}
	subject, header, body, err := s.names.EncodeEvent(e)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.js.PublishMsg(s.t.Context(), &nats.Msg{Subject: subject, Header: header, Data: body}); err != nil {
		s.t.Fatal(err)
	}
	return e
}

// bury stores a dead letter that an event answers, and gives its sequence.
func (s *site) bury(c messages.Command, e messages.Event) uint64 {
	s.t.Helper()
	h := messages.DeadLetter{
		ErrorType: e.Error.Type, Detail: e.Error.Detail, EventSubject: s.names.EventSubject(e.Name, e.Command()),
		ReceivedAt: e.ReceivedAt, Deliveries: 1, Sequence: 7,
	}.Header(nil)
	ack, err := s.js.PublishMsg(s.t.Context(), &nats.Msg{Subject: s.names.DeadLetterSubject(c.Lane, c.Source, c.Incident), Header: h, Data: []byte("{}")})
	if err != nil {
		s.t.Fatal(err)
	}
	return ack.Sequence
}

func failedWith(t messages.ErrorType, detail string) func(*messages.Event) {
	return func(e *messages.Event) { e.Error = messages.NewError(t, detail) }
}

// only gives the single row of a view.
func only(t testing.TB, v *status.View) status.Row {
	t.Helper()
	rows := v.Rows(time.Now())
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1: %+v", len(rows), rows)
	}
	return rows[0]
}

// within fails the test where a condition does not come true.
func within(t *testing.T, what string, met func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 10 s", what)
		case <-tick.C:
		}
	}
}
