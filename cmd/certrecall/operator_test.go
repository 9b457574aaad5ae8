package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// TestOperatorScripts runs testdata/operator: what operators do, with a real
// NATS server, a simulated DigiCert and a worker process. Beside the commands
// of testscript there are:
//
//	exits CODE PROGRAM ARG…     run it, and want this exit code
//	site [DECIDED-AFTER]        NATS with its streams, and DigiCert; requests are approved after this time, or never
//	worker [FLAG…]              a worker process, until the end of the script
//	send LANE SOURCE JSON       a producer sends this, which certrecall submit might not take
//	refuse ORDER TIMES          so often the simulated DigiCert answers a revocation of the order with 400
//	revocations ORDER N         DigiCert has revoked the order N times
//	events NAME N               wait until so many events of this name are stored; and no more
//	until REGEXP PROGRAM ARG…   run it again and again until its output is so
//	columns TAG N               every line of the last output with this first field has N fields
func TestOperatorScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/operator",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[siteKey{}] = &scriptSite{t: env.T().(testing.TB)}
			env.Setenv("USER", "ada")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": scriptExits, "site": scriptStartSite, "worker": scriptWorker, "refuse": scriptRefuse, "send": scriptSend,
			"revocations": scriptRevocations, "until": scriptUntil, "events": scriptEvents, "columns": scriptColumns,
		},
	})
}

type siteKey struct{}

// scriptSite is what one script works with.
type scriptSite struct {
	t        testing.TB
	sim      *digicertsim.Simulator
	nats     string // URLs
	digicert string
}

func siteOf(ts *testscript.TestScript) *scriptSite { return ts.Value(siteKey{}).(*scriptSite) }

func scriptStartSite(ts *testscript.TestScript, _ bool, args []string) {
	s := siteOf(ts)
	o := digicertsim.Options{}
	if len(args) > 0 {
		after, err := time.ParseDuration(args[0])
		ts.Check(err)
		o.AutoDecide = after
	}
	o.Keys, o.AutoOrders = []string{scriptKey}, true
	s.sim = digicertsim.New(o)
	api := httptest.NewServer(s.sim)
	ts.Defer(api.Close)
	server := natstest.Start(s.t)
	names, err := messages.NewNames("certrecall")
	ts.Check(err)
	ts.Check(streams.Apply(s.t.Context(), server.JetStream(), names, streams.Options{}))
	s.nats, s.digicert = server.URL(), api.URL+digicertsim.BasePath
	ts.Setenv("NATS_URL", s.nats)
}

func scriptWorker(ts *testscript.TestScript, _ bool, args []string) {
	s := siteOf(ts)
	var log bytes.Buffer
	worker := exec.CommandContext(s.t.Context(), "certrecall", "worker", "--nats-url", s.nats, "--digicert-url", s.digicert,
		"--http-addr", "127.0.0.1:0", "--rate-limit", "0", "--approval-poll", "1s")
	worker.Args, worker.Dir = append(worker.Args, args...), ts.MkAbs(".")
	worker.Env = append(os.Environ(), "DIGICERT_API_KEY="+scriptKey)
	worker.Stdout, worker.Stderr = &log, &log
	ts.Check(worker.Start())
	ts.Defer(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait() // it was killed
		if s.t.Failed() {
			s.t.Logf("log of the worker:\n%s", tail(log.String(), 60))
		}
	})
}

func scriptSend(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := nats.Connect(siteOf(ts).nats)
	ts.Check(err)
	defer conn.Close()
	names, err := messages.NewNames("certrecall")
	ts.Check(err)
	answer, err := conn.Request(names.CommandSubject(messages.Lane(args[0]), args[1]), []byte(args[2]), scriptPatience)
	ts.Check(err)
	if !strings.Contains(string(answer.Data), `"seq"`) {
		ts.Fatalf("the stream answered %s", answer.Data)
	}
}

// scriptEvents counts events by their subjects.
func scriptEvents(ts *testscript.TestScript, _ bool, args []string) {
	s := siteOf(ts)
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	names, err := messages.NewNames("certrecall")
	ts.Check(err)
	nc, err := nats.Connect(s.nats)
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	count := func() int {
		stream, err := js.Stream(s.t.Context(), names.EventsStream())
		ts.Check(err)
		info, err := stream.Info(s.t.Context(), jetstream.WithSubjectFilter(names.EventNameSubject(messages.EventName(args[0]))))
		ts.Check(err)
		return len(info.State.Subjects)
	}
	if !eventually(func() bool { return count() >= want }) || count() != want {
		ts.Fatalf("%d events %s, want %d", count(), args[0], want)
	}
}

func scriptRefuse(ts *testscript.TestScript, _ bool, args []string) {
	order, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	times, err := strconv.Atoi(args[1])
	ts.Check(err)
	siteOf(ts).sim.Script(digicertsim.Fault{
		Kind: digicertsim.FaultStatus, Op: digicertsim.OpRevokeOrder, OrderID: order, Times: times, Status: 400, Code: "not_today", Message: "Not today.",
	})
}

func scriptRevocations(ts *testscript.TestScript, _ bool, args []string) {
	order, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	if got := strconv.Itoa(siteOf(ts).sim.Effective(order)); got != args[1] {
		ts.Fatalf("order %d was revoked %s times, want %s", order, got, args[1])
	}
}

func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	output := regexp.MustCompile("(?m)" + args[0])
	ok := eventually(func() bool {
		err := ts.Exec(args[1], args[2:]...)
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			ts.Fatalf("%v", err)
		}
		return output.MatchString(ts.ReadFile("stdout"))
	})
	if !ok {
		ts.Fatalf("the output of %s never matched %q", strings.Join(args[1:], " "), args[0])
	}
}

func scriptColumns(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	found := false
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if fields[0] != args[0] {
			continue
		}
		if found = true; len(fields) != want {
			ts.Fatalf("%d fields, want %d: %q", len(fields), want, line)
		}
	}
	if !found {
		ts.Fatalf("no line begins with %s", args[0])
	}
}
