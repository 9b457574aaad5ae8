package main

import (
	"bytes"
	"os"
	"slices"
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

// account is a server with the configuration that we ship, and what each of
// its users can do on the command line.
type account struct {
	t      *testing.T
	server *server.Server
}

func shippedServer(t *testing.T) *account {
	t.Helper()
	text, err := os.ReadFile("../../deploy/nats/site.yml")
	if err != nil {
		t.Fatal(err)
	}
	list, err := natsconf.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range list.Variables() {
		t.Setenv(variable, "pw-"+strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(variable, "NATS_"), "_PASSWORD")))
	}
	t.Setenv("USER", "ada")
	o, err := server.ProcessConfigFile("../../deploy/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	o.Host, o.Port, o.HTTPPort, o.StoreDir, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir(), true, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not take connections")
	}
	return &account{t, s}
}

func (a *account) jetstream(user string) jetstream.JetStream {
	a.t.Helper()
	conn, err := nats.Connect(a.url(user))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		a.t.Fatal(err)
	}
	return js
}

func (a *account) url(user string) string {
	return strings.Replace(a.server.ClientURL(), "://", "://"+user+":pw-"+user+"@", 1)
}

// run runs a subcommand in this process as a user of NATS.
func (a *account) run(user string, args ...string) (code int, stdout, stderr string) {
	a.t.Helper()
	var out, errs bytes.Buffer
	code = run(append(args, "--nats-url", a.url(user)), &process{stdin: strings.NewReader(""), stdout: &out, stderr: &errs})
	return code, out.String(), errs.String()
}

func TestOperatorAndProducerNeedNoRightsButTheirOwn(t *testing.T) {
	a := shippedServer(t)
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), a.jetstream("setup"), names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	letter := messages.DeadLetter{ErrorType: messages.ErrorGaveUp, EventSubject: "certrecall.evt.v1.revoke-failed.soar.-.a", ReceivedAt: time.Now(), Sequence: 1}
	for range 2 {
		_, err := a.jetstream("worker").PublishMsg(t.Context(), &nats.Msg{
			Subject: names.DeadLetterSubject(messages.LaneRevoke, "soar", ""), Header: letter.Header(nil), Data: []byte(`{"id":"a","order_id":7,"comments":"x"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		user string
		code int
		args []string
		want string // on standard output
	}{
		{"ada", 0, []string{"submit", "revoke", "--order", "7", "--comments", "x", "--incident", "INC-1", "--yes"}, "submitted\tINC-1\trevoke\t1\t0\n"},
		{"ada", 0, []string{"submit", "revoke", "--order", "7", "--comments", "x", "--incident", "INC-1"}, "submitted\tINC-1\trevoke\t0\t1\n"},
		{"ada", 0, []string{"status"}, "incident\tINC-1\t1\t1\t"},
		{"ada", 0, []string{"pause", "all", "--reason", "x"}, "\tada\tx\n"},
		{"ada", 1, []string{"watch", "--incident", "INC-1", "--timeout", "1s"}, "queued=1"},
		{"ada", 0, []string{"cancel", "--incident", "INC-1", "--reason", "x"}, "will end as cancelled\t1\n"},
		{"ada", 0, []string{"resume", "all"}, ""},
		{"ada", 0, []string{"dlq", "ls"}, "letter\t2\t"},
		{"ada", 0, []string{"dlq", "show", "1"}, "as command a-replay-1\n"},
		{"ada", 0, []string{"dlq", "replay", "1", "--yes"}, "replayed\t1\tsoar/a-replay-1\tsent, dead letter removed\n"},
		{"ada", 0, []string{"dlq", "drop", "2", "--yes"}, "dropped\t2\t7\tsoar/a\tgave-up\n"},
		// An account of its own: it may send and nothing else, and is told so.
		{"cli", 0, []string{"submit", "revoke", "--order", "8", "--comments", "x", "--incident", "INC-2", "--yes"}, "submitted\tINC-2\trevoke\t1\t0\n"},
		{"cli", 0, []string{"submit", "list-duplicates", "--order", "8"}, "\tlist-duplicates\t1\t0\n"},
		{"cli", 1, []string{"status"}, ""},
	} {
		code, stdout, stderr := a.run(test.user, test.args...)
		if code != test.code || !strings.Contains(stdout, test.want) {
			t.Errorf("%s: %s: exit code %d, want %d and %q\n%s%s", test.user, strings.Join(test.args, " "), code, test.code, test.want, stdout, stderr)
		}
		if strings.Contains(strings.ToLower(stderr), "violation") {
			t.Errorf("%s: %s: %s", test.user, strings.Join(test.args, " "), stderr)
		}
		if lookedUp := !strings.Contains(stderr, "cannot be told"); test.user == "cli" && slices.Contains(test.args, "INC-2") && lookedUp {
			t.Errorf("cli is not told that it cannot see what is known: %s", stderr)
		}
	}
}
