package streams_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// wantRefusal checks that err is a Refusal of the asset whose text names each of the words.
func wantRefusal(t *testing.T, err error, asset string, words ...string) {
	t.Helper()
	r, ok := errors.AsType[*streams.Refusal](err)
	if !ok {
		t.Errorf("error = %v, want a refusal of %s", err, asset)
		return
	}
	if r.Asset != asset || r.Problem == "" || r.Remedy == "" {
		t.Errorf("refusal = %+v, want one of %s with problem and remedy", *r, asset)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("refusal %q does not name %q", err, w)
		}
	}
}

// Each stream, made by somebody who broke one thing that promises rest on.
func TestApplyRefusesWhatContradictsThePromises(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	const orders, budget, control, results, events, dlq, commands = 0, 1, 2, 3, 4, 5, 6 // places in Spec
	for i, c := range []struct {
		stream int
		word   string
		change func(*jetstream.StreamConfig)
	}{
		{commands, "case0.cmd.v1.*.*", func(c *jetstream.StreamConfig) { c.Subjects = []string{"case0.cmd.v1.*.*"} }},
		{commands, "Limits", func(c *jetstream.StreamConfig) { c.Retention = jetstream.LimitsPolicy }},
		{commands, "memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		{commands, "discard", func(c *jetstream.StreamConfig) { c.Discard, c.DiscardNewPerSubject = jetstream.DiscardOld, false }},
		{commands, "no_ack", func(c *jetstream.StreamConfig) { c.NoAck = true }},
		{commands, "a subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 10, false }},
		{commands, "roll-ups", func(c *jetstream.StreamConfig) { c.AllowRollup = true }},
		{commands, "renames", func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: ">", Destination: "x.>"}
		}},
		{commands, `"team-x"`, func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"owner": "team-x"} }},
		{events, "async", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }},
		{events, "two final events", func(c *jetstream.StreamConfig) { c.DiscardNewPerSubject = false }},
		{events, "two final events", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 2 }},
		{events, "deleted", func(c *jetstream.StreamConfig) { c.DenyDelete = false }},
		{events, "purged", func(c *jetstream.StreamConfig) { c.DenyPurge = false }},
		{events, "direct", func(c *jetstream.StreamConfig) { c.AllowDirect = true }},
		{dlq, "discard", func(c *jetstream.StreamConfig) { c.Discard, c.DiscardNewPerSubject = jetstream.DiscardOld, false }},
		{orders, "age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{orders, "purge", func(c *jetstream.StreamConfig) { c.AllowRollup = false }},
		{orders, "prefix", func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"certrecall.prefix": "Case"} }},
		{control, "refuses to change", func(c *jetstream.StreamConfig) { c.DiscardNewPerSubject = true }},
		{control, "every value", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = -1 }},
		{budget, "purge", func(c *jetstream.StreamConfig) { c.AllowRollup = false }},
		{budget, "age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{control, "words of others", func(c *jetstream.StreamConfig) { c.AllowRollup = true }},
		{control, "newer", func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"certrecall.layout": "3"} }},
		{control, "do not hold the incident", func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"certrecall.layout": "1"} }},
		{events, "do not hold the incident", func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{"certrecall.layout": "1"} }},
		{results, "roll-ups", func(c *jetstream.StreamConfig) { c.AllowRollup = false }},
	} {
		n, err := messages.NewNames(fmt.Sprintf("case%d", i))
		if err != nil {
			t.Fatal(err)
		}
		cfg := streams.Spec(n, 1).Streams[c.stream]
		cfg.Metadata = nil // somebody else's tool made it
		c.change(&cfg)
		if _, err := js.CreateStream(t.Context(), cfg); err != nil {
			t.Fatalf("%s, %s: %v", cfg.Name, c.word, err)
		}
		wantRefusal(t, streams.Apply(t.Context(), js, n, streams.Options{}), "stream "+cfg.Name, c.word)
	}
}

func TestApplyTakesWhatAnotherToolMade(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	for _, cfg := range streams.Spec(names(t), 1).Streams {
		cfg.Metadata = nil
		if _, err := js.CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, js, streams.Options{})
	if s, err := js.Stream(t.Context(), "CERTRECALL_COMMANDS"); err != nil || s.CachedInfo().Config.Metadata["owner"] != "" {
		t.Errorf("a stream of the operator was marked (%v)", err)
	}
}

func TestAWrongConsumerIsRefused(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	n := names(t)
	apply(t, js, streams.Options{})
	const stream, asset = "CERTRECALL_COMMANDS", "consumer revoke=soar of stream CERTRECALL_COMMANDS"
	made, err := streams.EnsureConsumer(t.Context(), js, n, messages.LaneRevoke, "soar", 0)
	if err != nil {
		t.Fatal(err)
	}
	good := made.CachedInfo().Config
	if err := js.DeleteConsumer(t.Context(), stream, "revoke=soar"); err != nil {
		t.Fatal(err)
	}
	good.Metadata = nil
	for word, change := range map[string]func(*jetstream.ConsumerConfig){
		"deliveries":   func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 },
		"back-off":     func(c *jetstream.ConsumerConfig) { c.BackOff = []time.Duration{time.Second} },
		"headers":      func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true },
		"pulls of":     func(c *jetstream.ConsumerConfig) { c.MaxRequestExpires = time.Second },
		"revoke.*":     func(c *jetstream.ConsumerConfig) { c.FilterSubject = "certrecall.cmd.v1.revoke.*" },
		"in hand or":   func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 100 },
		"priority":     func(c *jetstream.ConsumerConfig) { c.PriorityPolicy, c.PriorityGroups = 2, []string{"a"} },
		`"somebody"`:   func(c *jetstream.ConsumerConfig) { c.Metadata = map[string]string{"owner": "somebody"} },
		"another cons": func(c *jetstream.ConsumerConfig) { c.Name, c.Durable = "other", "other" },
	} {
		cfg := good
		change(&cfg)
		if _, err := js.CreateConsumer(t.Context(), stream, cfg); err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		_, err := streams.EnsureConsumer(t.Context(), js, n, messages.LaneRevoke, "soar", 0)
		wantRefusal(t, err, asset, word)
		if err := js.DeleteConsumer(t.Context(), stream, cfg.Durable); err != nil {
			t.Fatal(err)
		}
	}

	// Without marks it is the operator's: taken as it is, its AckWait too.
	good.AckWait = 7 * time.Second
	if _, err := js.CreateConsumer(t.Context(), stream, good); err != nil {
		t.Fatal(err)
	}
	c, err := streams.EnsureConsumer(t.Context(), js, n, messages.LaneRevoke, "soar", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.CachedInfo().Config.AckWait; got != 7*time.Second {
		t.Errorf("the AckWait of an operator's consumer became %v", got)
	}
}

func TestApplyRefusesSubjectsOfAnotherStream(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "TEAM_X", Subjects: []string{"certrecall.cmd.>"}}); err != nil {
		t.Fatal(err)
	}
	err := streams.Apply(t.Context(), js, names(t), streams.Options{})
	wantRefusal(t, err, "stream CERTRECALL_COMMANDS", "TEAM_X", "certrecall.cmd.v1.revoke.*", "prefix")
}

func TestApplyRefusesALostMemoryOfOrders(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	n, ctx := names(t), t.Context()
	lose := func() {
		t.Helper()
		if err := js.DeleteKeyValue(ctx, n.OrdersBucket()); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, js, streams.Options{})
	for _, e := range []messages.EventName{messages.EventDuplicatesListed, messages.EventCommandRejected} {
		if _, err := js.Publish(ctx, n.EventSubject(e, messages.CommandName{Source: "soar", ID: "1"}), nil); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	apply(t, js, streams.Options{}) // no revocation was ever answered: an empty memory is true

	lose()
	if _, err := js.Publish(ctx, n.EventSubject(messages.EventRevokeFailed, messages.CommandName{Source: "soar", ID: "2"}), nil); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, streams.Apply(ctx, js, n, streams.Options{}), "bucket CERTRECALL_ORDERS", "CERTRECALL_EVENTS", "backup")
	if _, err := js.KeyValue(ctx, n.OrdersBucket()); !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Errorf("the refused bucket was made (%v)", err)
	}
}

func TestApplySaysThatJetStreamIsOff(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t, func(o *server.Options) { o.JetStream = false }).JetStream()
	for name, err := range map[string]error{
		"Apply":  streams.Apply(t.Context(), js, names(t), streams.Options{}),
		"Verify": streams.Verify(t.Context(), js, names(t)),
	} {
		if !errors.Is(err, streams.ErrNoJetStream) || !strings.Contains(err.Error(), "server's configuration") {
			t.Errorf("%s = %v, want %v", name, err, streams.ErrNoJetStream)
		}
	}
}

func TestApplyRefusesAnOldServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // just enough of a server to connect to
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "INFO {\"server_name\":\"old\",\"version\":\"2.11.9\",\"proto\":1,\"max_payload\":1048576}\r\n")
		for in := bufio.NewScanner(c); in.Scan(); {
			if in.Text() == "PING" {
				fmt.Fprint(c, "PONG\r\n")
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	nc, err := nats.Connect("nats://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, streams.Apply(t.Context(), js, names(t), streams.Options{}), "NATS server old", "2.11.9", "2.12")
}

// A worker may do no more than look; and nobody may look at all.
func TestApplyWithoutRights(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		n := names(t)
		js := func(user string) jetstream.JetStream {
			js, err := jetstream.New(e.Conn(nats.UserInfo(user, user)))
			if err != nil {
				t.Fatal(err)
			}
			return js
		}
		setup, worker, nobody := js("setup"), js("worker"), js("nobody")

		began := time.Now()
		err := streams.Apply(t.Context(), worker, n, streams.Options{})
		if !errors.Is(err, streams.ErrNotPermitted) || !strings.Contains(err.Error(), "STREAM.CREATE.KV_CERTRECALL_ORDERS") {
			t.Errorf("Apply without the right to create = %v", err)
		}
		apply(t, setup, streams.Options{})
		if err := streams.Apply(t.Context(), worker, n, streams.Options{}); err != nil {
			t.Errorf("Apply where all is there = %v", err)
		}
		err = streams.Verify(t.Context(), nobody, n)
		if !errors.Is(err, streams.ErrNotPermitted) || !strings.Contains(err.Error(), "STREAM.INFO.KV_CERTRECALL_ORDERS") {
			t.Errorf("Verify without rights = %v", err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("the denials took %v to be seen", d)
		}
	}, func(o *server.Options) {
		user := func(name string, publish ...string) *server.User {
			return &server.User{Username: name, Password: name,
				Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: publish}}}
		}
		o.Users = []*server.User{
			user("setup", "$JS.API.>"),
			user("worker", "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.INFO.>"),
			user("nobody", "nothing"),
		}
	})
}
