// Package nats_test starts servers with the configuration files of this folder, as they are, and tries what each user
// may do and may not do.
package nats_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natsconf"
	"certrecall/worker/streams"
)

// listed is the list of systems and people that nats.conf is written from.
func listed(t *testing.T) natsconf.Site {
	t.Helper()
	text, err := os.ReadFile("site.yml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := natsconf.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFileIsWrittenFromTheList(t *testing.T) {
	text, err := os.ReadFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != listed(t).Config() {
		t.Error("nats.conf is out of date: go run ./cmd/certrecall nats-conf deploy/nats/site.yml > deploy/nats/nats.conf")
	}
}

// password is what the variable of a user holds.
func password(user string) string {
	return "pw-NATS_" + strings.ToUpper(strings.ReplaceAll(user, "-", "_")) + "_PASSWORD"
}

// options reads a file of this folder. Only addresses and the store are not the file's.
func options(t *testing.T, file string) *server.Options {
	t.Helper()
	for _, variable := range listed(t).Variables() {
		t.Setenv(variable, "pw-"+variable)
	}
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !o.SyncAlways {
		t.Errorf("%s: writes are acknowledged before they are synced", file)
	}
	o.Host, o.Port, o.HTTPPort, o.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
	o.NoSigs, o.NoLog = true, true
	return o
}

func start(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	s := launch(t, o)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not take connections")
	}
	return s
}

// launch does not wait for the server, which in a cluster waits for the others.
func launch(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// site is one server with nats.conf, its streams made by the user setup and the consumers of the systems by an admin,
// as nats.conf says.
type site struct {
	server *server.Server
	names  messages.Names
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{server: start(t, options(t, "nats.conf"))}
	var err error
	if s.names, err = messages.NewNames("certrecall"); err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), s.jetstream(t, "setup"), s.names, streams.Options{}); err != nil {
		t.Fatalf("setup: %v", err)
	}
	admin := s.jetstream(t, "admin")
	for name, filter := range map[string]string{"servicenow": "certrecall.evt.v1.*.servicenow.>", "notifier": "", "gateway-tickets": ""} {
		_, err := admin.CreateConsumer(t.Context(), s.names.EventsStream(), jetstream.ConsumerConfig{
			Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy,
		})
		if err != nil {
			t.Fatalf("an admin makes the consumer of %s: %v", name, err)
		}
	}
	return s
}

func (s *site) connect(t *testing.T, user string) *nats.Conn {
	t.Helper()
	// The default error handler prints; the violations here are what the test wants.
	nc, err := nats.Connect(s.server.ClientURL(), nats.UserInfo(user, password(user)), nats.Name(t.Name()),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatalf("connecting as %s: %v", user, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func (s *site) jetstream(t *testing.T, user string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.connect(t, user))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// outside is JetStream as the systems with an account of their own see it.
func (s *site) outside(t *testing.T, user string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.NewWithAPIPrefix(s.connect(t, user), "certrecall.api")
	if err != nil {
		t.Fatal(err)
	}
	return js
}
