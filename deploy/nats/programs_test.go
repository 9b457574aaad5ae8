package nats_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// program is the certrecall binary, run as one of the users of nats.conf.
type program struct {
	path string
	site *site
}

func build(t *testing.T, s *site) program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "certrecall")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "certrecall/cmd/certrecall").CombinedOutput(); err != nil {
		t.Fatalf("building certrecall: %v\n%s", err, out)
	}
	return program{path, s}
}

func (p program) command(t *testing.T, user string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), p.path, args...)
	address := strings.TrimPrefix(p.site.server.ClientURL(), "nats://")
	c.Env = append(os.Environ(), "NATS_URL=nats://"+user+":"+password(user)+"@"+address, "CERTRECALL_OPERATOR=ada")
	return c
}

// run wants the exit code, and no word of a refused subject.
func (p program) run(t *testing.T, want int, user string, args ...string) string {
	t.Helper()
	c := p.command(t, user, args...)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	if got := c.ProcessState.ExitCode(); got != want {
		t.Errorf("%s: certrecall %s: exit code %d, want %d\n%s", user, strings.Join(args, " "), got, want, out)
	}
	if bytes.Contains(bytes.ToLower(out), []byte("violation")) {
		t.Errorf("%s: certrecall %s was refused something:\n%s", user, strings.Join(args, " "), out)
	}
	return string(out)
}

// The worker and every subcommand work with exactly these rights.
func TestProgramsWorkWithTheirRights(t *testing.T) {
	s := newSite(t)
	p := build(t, s)
	digicert := httptest.NewServer(digicertsim.New(digicertsim.Options{
		Keys: []string{"key"}, AutoOrders: true, AutoDecide: 100 * time.Millisecond, AutoDuplicates: 2,
	}))
	t.Cleanup(digicert.Close)
	p.run(t, 0, "setup", "setup")

	worker := p.command(t, "worker", "worker", "--http-addr", "127.0.0.1:0", "--approval-poll", "1s")
	worker.Env = append(worker.Env, "CERTRECALL_PROVISION=false", "DIGICERT_API_KEY=key", "DIGICERT_URL="+digicert.URL+digicertsim.BasePath)
	var log syncBuffer
	worker.Stdout, worker.Stderr = &log, &log
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = worker.Process.Signal(syscall.SIGTERM)
		if err := worker.Wait(); err != nil {
			t.Errorf("worker: %v", err)
		}
		if text := log.String(); strings.Contains(strings.ToLower(text), "violation") {
			t.Errorf("the worker was refused something:\n%s", text)
		} else if t.Failed() {
			t.Logf("worker:\n%s", text)
		}
	}()

	// A person who is no operator sends, an operator watches to the end: decided at once, waiting for approval, a list.
	p.run(t, 0, "cli", "submit", "revoke", "--yes", "--incident", "I-1", "--comments", "replaced", "--order", "100,101", "--skip-approval")
	p.run(t, 0, "cli", "submit", "revoke", "--yes", "--incident", "I-1", "--comments", "replaced", "--order", "102")
	p.run(t, 0, "cli", "submit", "list-duplicates", "--yes", "--incident", "I-1", "--order", "103")
	p.run(t, 0, "ada", "watch", "--incident", "I-1", "--timeout", "1m")
	p.run(t, 0, "ada", "status")
	if csv := p.run(t, 0, "ada", "status", "--incident", "I-1", "--csv"); strings.Count(csv, "\n") != 6 {
		t.Errorf("evidence of four commands, with head and checksum:\n%s", csv)
	}

	// Paused, cancelled, resumed.
	p.run(t, 0, "ada", "pause", "all", "--reason", "test")
	p.run(t, 0, "cli", "submit", "revoke", "--yes", "--incident", "I-2", "--comments", "wrong list", "--order", "200,201")
	p.run(t, 0, "ada", "cancel", "--incident", "I-2", "--reason", "wrong list")
	p.run(t, 0, "ada", "resume", "all")
	p.run(t, 1, "ada", "watch", "--incident", "I-2", "--timeout", "1m")

	// A failure: looked at, replayed, dropped.
	p.run(t, 0, "cli", "submit", "revoke", "--yes", "--incident", "I-3", "--comments", "no such order", "--order", "9999999999")
	p.run(t, 1, "ada", "watch", "--incident", "I-3", "--timeout", "1m")
	p.run(t, 0, "ada", "dlq", "show", letter(t, p))
	p.run(t, 0, "ada", "dlq", "replay", "--all", "--yes")
	p.run(t, 1, "ada", "watch", "--incident", "I-3", "--timeout", "1m")
	p.run(t, 0, "ada", "dlq", "drop", "--yes", letter(t, p))
}

// letter is the number of the one dead letter that is there.
func letter(t *testing.T, p program) string {
	t.Helper()
	out := p.run(t, 0, "ada", "dlq", "ls")
	fields := strings.Split(out, "\t")
	if strings.Count(out, "\n") != 1 || len(fields) < 2 || fields[0] != "letter" {
		t.Fatalf("dead letters:\n%s", out)
	}
	return fields[1]
}

// A worker without the right to make streams says what to do when they are not there.
func TestMissingRightsAreNamed(t *testing.T) {
	s := &site{server: start(t, options(t, "nats.conf"))}
	var err error
	if s.names, err = messages.NewNames("certrecall"); err != nil {
		t.Fatal(err)
	}
	out, err := build(t, s).command(t, "worker", "setup").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "$JS.API.STREAM.CREATE.") {
		t.Errorf("setup as worker: %v, want an error that names the missing right\n%s", err, out)
	}
}

// syncBuffer takes what a process writes while it is read.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
