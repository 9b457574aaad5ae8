package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptPatience bounds every wait for something to become true.
const scriptPatience = 20 * time.Second

// TestScripts runs testdata/script against real processes. Beside the commands
// of testscript there are:
//
//	exits CODE PROGRAM ARG…                 run it, and want this exit code
//	freeport VAR                            set VAR to a port that nobody uses
//	http METHOD URL KEY BODY STATUS REGEXP  call until status and body are so
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": scriptExits, "freeport": scriptFreePort, "http": scriptHTTP,
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

func scriptFreePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

func scriptHTTP(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[4])
	ts.Check(err)
	body := regexp.MustCompile(args[5])
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(scriptPatience); ; <-tick.C {
		status, text := call(args[0], args[1], args[2], args[3])
		if status == want && body.MatchString(text) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s %s never answered %d %q; last: %d %s", args[0], args[1], want, args[5], status, text)
		}
	}
}

// call gives status and body, or 0 and the error.
func call(method, url, key, body string) (int, string) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("X-DC-DEVKEY", key)
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return 0, fmt.Sprint(err)
	}
	return answer.StatusCode, string(b)
}
