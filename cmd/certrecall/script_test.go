package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"certrecall/client/digicertsim"
	"certrecall/worker/natstest"
)

// scriptKey is the key that the simulated DigiCert of the scripts takes.
const scriptKey = "made-up-key-of-an-administrator"

// scriptPatience bounds every wait for something to become true.
const scriptPatience = 20 * time.Second

// TestScripts runs testdata/script against real processes. Beside the commands
// of testscript there are:
//
//	exits CODE PROGRAM ARG…    run it, and want this exit code
//	nats start|stop            a JetStream server; NATS_URL is set by the first start
//	digicert                   a simulated DigiCert; sets DIGICERT_URL, and KEY to a key that it takes
//	freeport VAR               set VAR to a port that nobody uses
//	http URL STATUS REGEXP     get the URL until status and body are so
//	lines N                    the last output has N lines, on standard error
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Values[natsKey{}] = &scriptNATS{t: env.T().(testing.TB)}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": scriptExits, "nats": scriptNATSCommand, "digicert": scriptDigiCert,
			"freeport": scriptFreePort, "http": scriptHTTP, "lines": scriptLines,
		},
	})
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

type natsKey struct{}

// scriptNATS is the server of one script.
type scriptNATS struct {
	t      testing.TB
	server *natstest.Server // nil before the first start
}

func scriptNATSCommand(ts *testscript.TestScript, _ bool, args []string) {
	n := ts.Value(natsKey{}).(*scriptNATS)
	switch {
	case args[0] == "start" && n.server == nil:
		n.server = natstest.Start(n.t)
		ts.Setenv("NATS_URL", n.server.URL())
	case args[0] == "start":
		n.server.Restart()
	case args[0] == "stop":
		n.server.Stop()
	default:
		ts.Fatalf("usage: nats start|stop")
	}
}

func scriptDigiCert(ts *testscript.TestScript, _ bool, _ []string) {
	server := httptest.NewServer(digicertsim.New(digicertsim.Options{Keys: []string{scriptKey}, AutoOrders: true}))
	ts.Defer(server.Close)
	ts.Setenv("DIGICERT_URL", server.URL+digicertsim.BasePath)
	ts.Setenv("KEY", scriptKey)
}

func scriptFreePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

func scriptHTTP(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	body := regexp.MustCompile(args[2])
	var last string
	ok := eventually(func() bool {
		status, text := get(args[0])
		last = fmt.Sprint(status, " ", text)
		return status == want && body.MatchString(text)
	})
	if !ok {
		ts.Fatalf("%s never answered %d %q; last: %s", args[0], want, args[2], last)
	}
}

func scriptLines(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := len(regexp.MustCompile(`(?m)^.+$`).FindAllString(ts.ReadFile("stderr"), -1)); got != want {
		ts.Fatalf("%d lines on standard error, want %d", got, want)
	}
}

// get gives status and body, or 0 and the error.
func get(url string) (int, string) {
	client := http.Client{Timeout: 5 * time.Second}
	r, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return 0, err.Error()
	}
	return r.StatusCode, string(b)
}

// eventually asks until the condition holds or scriptPatience is over.
func eventually(condition func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(scriptPatience); time.Now().Before(deadline); <-tick.C {
		if condition() {
			return true
		}
	}
	return condition()
}
