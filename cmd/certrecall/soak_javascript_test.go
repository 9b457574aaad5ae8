package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certrecall/client/digicertsim"
)

// TestProofJavaScript: the JavaScript examples, with the clients of NATS from
// npm, publish plain JSON and read the events with their ce-* headers.
func TestProofJavaScript(t *testing.T) {
	longProof(t)
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	dir := t.TempDir()
	examples, err := filepath.Glob(filepath.Join("..", "..", "deploy", "examples", "javascript", "*.*js*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range examples {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, _, log := processPlant(t, 1, digicertsim.Options{AutoDecide: time.Second})
	p.worker()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run := func(name string, args ...string) []byte {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Stderr = dir, t.Output()
		cmd.Env = append(os.Environ(), "NATS_URL="+p.natsURL, "SOURCE=soar")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return out
	}
	run("npm", "ci", "--no-audit", "--no-fund")
	t.Logf("published: %s", run("node", "submit.mjs", "js-1", "1000001", "Published by a JavaScript client"))
	seen := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(run("node", "events.mjs", "--until", "js-1"))); lines.Scan(); {
		var e struct {
			Event  string `json:"event"`
			Type   string `json:"ce-type"`
			Source string `json:"ce-source"`
			ID     string `json:"ce-id"`
			Cause  string `json:"ce-causationid"`
			Spec   string `json:"ce-specversion"`
			Data   struct {
				Command string          `json:"command_id"`
				Request int64           `json:"request_id"`
				Context json.RawMessage `json:"context"`
			} `json:"data"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		t.Logf("read: %s: ce-type %s, ce-source %s, ce-causationid %s, request %d", e.Event, e.Type, e.Source, e.Cause, e.Data.Request)
		if e.Type != "certrecall."+e.Event+".v1" || e.Source != "/certrecall/certrecall" || e.ID == "" || e.Cause != "js-1" || e.Spec != "1.0" {
			t.Errorf("attributes: %+v", e)
		}
		if e.Data.Command != "js-1" || string(e.Data.Context) != `{"ticket":"INC-4711"}` || seen[e.Event] {
			t.Errorf("data: %+v", e.Data)
		}
		seen[e.Event] = true
	}
	for _, event := range []string{"revoke-accepted", "revoke-requested", "revoked"} {
		if !seen[event] {
			t.Errorf("no %s", event)
		}
	}
	// The same id in two incidents: each is followed by its subject alone, and has its own answer.
	for _, incident := range []string{"INC-1", "INC-2"} {
		run("env", "INCIDENT="+incident, "node", "submit.mjs", "same", "1000002", "Published by a JavaScript client")
	}
	for _, incident := range []string{"INC-1", "INC-2"} {
		last := ""
		for line := range strings.Lines(string(run("node", "incident.mjs", incident, "--until", "1"))) {
			if last = strings.TrimSpace(line); !strings.Contains(last, `"command":"soar/`+incident+`/same"`) {
				t.Errorf("following %s: %s", incident, last)
			}
		}
		if !strings.Contains(last, `"event":"revoked"`) {
			t.Errorf("%s ends with %s", incident, last)
		}
	}
	p.drained(log)
}
