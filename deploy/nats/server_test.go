// Package nats_test starts servers with the configuration files of this folder, as they are, and tries what each user
// may do and may not do.
package nats_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

// users are all that nats.conf knows, with the variable that holds the password.
var users = map[string]string{
	"worker": "NATS_WORKER_PASSWORD", "setup": "NATS_SETUP_PASSWORD", "operator": "NATS_OPERATOR_PASSWORD",
	"servicenow": "NATS_SERVICENOW_PASSWORD", "soar": "NATS_SOAR_PASSWORD", "cli": "NATS_CLI_PASSWORD",
	"notifier": "NATS_NOTIFIER_PASSWORD", "admin": "NATS_ADMIN_PASSWORD", "sys": "NATS_SYS_PASSWORD",
}

func password(user string) string { return "pw-" + user }

// options reads a file of this folder. Only addresses and the store are not the file's.
func options(t *testing.T, file string) *server.Options {
	t.Helper()
	for user, variable := range users {
		t.Setenv(variable, password(user))
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

// site is one server with nats.conf, its streams made by the user setup and the consumers of the systems by the user
// operator, as nats.conf says.
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
	operator := s.jetstream(t, "operator")
	for name, filter := range map[string]string{"servicenow": "certrecall.evt.v1.*.servicenow.>", "notifier": ""} {
		_, err := operator.CreateConsumer(t.Context(), s.names.EventsStream(), jetstream.ConsumerConfig{
			Durable: name, FilterSubject: filter, AckPolicy: jetstream.AckExplicitPolicy,
		})
		if err != nil {
			t.Fatalf("operator makes the consumer of %s: %v", name, err)
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

// denied publishes and wants the server to refuse the subject to this user.
func denied(t *testing.T, nc *nats.Conn, subject string) {
	t.Helper()
	if err := nc.PublishRequest(subject, nc.NewRespInbox(), nil); err != nil {
		t.Fatal(err)
	}
	// The server's refusal comes before its answer to the ping of this flush.
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := nc.LastError(); err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(`publish to "`+subject+`"`)) {
		t.Errorf("publishing to %s: %v, want a permissions violation", subject, err)
	}
}
