package main

import (
	"bufio"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"certrecall/client/digicertsim"
)

// devProcess is a running certrecall-dev whose output is read line by line.
type devProcess struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // closed at the end of the output
	seen  strings.Builder
}

func startDev(t *testing.T, args ...string) *devProcess {
	t.Helper()
	p := &devProcess{t: t, lines: make(chan string, 1000)}
	p.cmd = exec.CommandContext(t.Context(), "certrecall-dev", append([]string{
		"--nats-port", "0", "--http-port", "0", "--simulator-port", "0", "--approval-poll", "1s", "--latency", "10ms",
	}, args...)...)
	p.cmd.Env = append(os.Environ(), "DIGICERT_API_KEY=a-real-key", "DIGICERT_URL=http://127.0.0.1:1")
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// until reads lines until every pattern has matched one.
func (p *devProcess) until(patterns ...string) {
	p.t.Helper()
	missing := map[string]*regexp.Regexp{}
	for _, pattern := range patterns {
		missing[pattern] = regexp.MustCompile(pattern)
	}
	late := time.After(scriptPatience)
	for len(missing) > 0 {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("it ended without %v; its output:\n%s", missing, p.seen.String())
			}
			p.seen.WriteString(line + "\n")
			for pattern, re := range missing {
				if re.MatchString(line) {
					delete(missing, pattern)
				}
			}
		case <-late:
			p.t.Fatalf("no line like %v; its output:\n%s", missing, p.seen.String())
		}
	}
}

// interrupt sends ctrl-C and wants a clean end.
func (p *devProcess) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	for line := range p.lines {
		p.seen.WriteString(line + "\n")
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("it ended with %v; its output:\n%s", err, p.seen.String())
	}
}

const clock = `^\d\d:\d\d:\d\d\.\d{3}  `

// TestDevSamples: everything that can become of a command is seen, and what a
// first start left waiting ends in the second.
func TestDevSamples(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	first := startDev(t, "--samples", "--store-dir", dir, "--auto-decide", "4s")
	first.until(
		`^NATS +nats://127\.0\.0\.1:\d+ +JetStream in `,
		`^DigiCert +http://127\.0\.0\.1:\d+/_sim/requests +simulated; requests are approved after 4s`,
		`^worker +http://127\.0\.0\.1:\d+/readyz`,
		`^  nats --server nats://127\.0\.0\.1:\d+ req certrecall\.cmd\.v1\.revoke\.cli '\{`,
		`^  certrecall submit revoke --nats-url nats://127\.0\.0\.1:\d+ `,
		clock+`revoke-accepted +dev/\d{8}-\d{6}-waits +order \d+$`,
		clock+`revoke-requested +dev/\d{8}-\d{6}-waits +order \d+ +request 1000001 +pending$`,
		clock+`revoked +dev/\d{8}-\d{6}-at-once +order \d+ +revoked$`,
		clock+`duplicates-listed +dev/\d{8}-\d{6}-duplicates +order 112233 +3 certificates$`,
		clock+`command-rejected +dev/\d{8}-\d{6}-mistake +order \d+ +invalid-command: .*coments.*comments`,
	)
	first.interrupt()

	second := startDev(t, "--store-dir", dir)
	second.until(clock + `revoked +dev/\d{8}-\d{6}-waits +order \d+ +request 1000001 +approved$`)
	if again := regexp.MustCompile(`-(at-once|duplicates|mistake) `).FindString(second.seen.String()); again != "" {
		t.Errorf("the second start answered %s again:\n%s", again, second.seen.String())
	}

	locked := exec.CommandContext(t.Context(), "certrecall-dev", "--store-dir", dir)
	if out, err := locked.CombinedOutput(); err == nil || !strings.Contains(string(out), "another certrecall-dev works in") {
		t.Errorf("a second process in the same store: %v, %s", err, out)
	}
	second.interrupt()
}

// TestDevReal: with --real-digicert and a key file, and only then, calls go out.
func TestDevReal(t *testing.T) {
	t.Parallel()
	const key = "made-up-key"
	sim := digicertsim.New(digicertsim.Options{Keys: []string{key}, AutoOrders: true})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startDev(t, "--real-digicert", "--digicert-api-key-file", keyFile, "--digicert-url", server.URL+digicertsim.BasePath, "--store-dir", dir)
	p.until(`^DigiCert +` + regexp.QuoteMeta(server.URL+digicertsim.BasePath) + ` +REAL: what you submit is revoked for good$`)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(scriptPatience); sim.CallCount() == 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("nobody called the API")
		}
	}
	p.interrupt()
	if strings.Contains(p.seen.String(), key) {
		t.Error("the key is shown")
	}
}
