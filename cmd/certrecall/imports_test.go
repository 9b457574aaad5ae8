package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "certrecall/"

// listed is what go list tells of a package.
type listed struct {
	ImportPath string
	Name       string
	Standard   bool
	Imports    []string
	Deps       []string // imports of imports too
}

// list gives the packages of the patterns, and with deps all that they link.
func list(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Name,Standard,Imports,Deps"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v %s", err, stderrOf(err))
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func stderrOf(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(exit.Stderr)
	}
	return ""
}

// within reports whether a package is one of the roots or below one.
func within(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}

// TestImportDirections holds the rooms of the repository to their order:
// messages and client stand alone, worker builds on both, cmd on all.
func TestImportDirections(t *testing.T) {
	t.Parallel()
	const messages, client, worker, cmd = module + "messages", module + "client", module + "worker", module + "cmd"
	rules := []struct {
		of        string
		mayImport []string // packages of this module
		never     []string // linked, by whatever way
	}{
		{messages, nil, []string{"github.com/nats-io", "go.uber.org/zap", "github.com/prometheus"}},
		{client, []string{client}, []string{"github.com/nats-io", "go.uber.org/zap", "github.com/prometheus"}},
		{worker, []string{messages, client, worker}, []string{"github.com/alecthomas/kong", client + "/digicertsim", cmd}},
		{cmd, []string{messages, client, worker}, nil},
	}
	seen := 0
	for _, p := range list(t, "./...") {
		for _, rule := range rules {
			if !within(p.ImportPath, rule.of) {
				continue
			}
			seen++
			for _, imported := range p.Imports {
				if strings.HasPrefix(imported, module) && !within(imported, rule.mayImport...) {
					t.Errorf("%s imports %s", p.ImportPath, imported)
				}
			}
			for _, linked := range p.Deps {
				if within(linked, rule.never...) {
					t.Errorf("%s links %s", p.ImportPath, linked)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("looked at %d packages only: the rules no longer name what is there", seen)
	}
}

// TestLeavesDoNotLog holds the parts of the worker to returning errors and
// values. Programs are the worker, the gateway and the console: they log and count,
// what lies below them does not.
func TestLeavesDoNotLog(t *testing.T) {
	t.Parallel()
	programs := []string{module + "worker", module + "worker/gateway", module + "worker/console"}
	loud := map[string]bool{}
	for _, p := range list(t, "./worker/...") {
		for _, imported := range p.Imports {
			if !within(imported, "go.uber.org/zap", "github.com/prometheus") {
				continue
			}
			loud[p.ImportPath] = true
			if !slices.Contains(programs, p.ImportPath) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
	for _, program := range programs {
		if !loud[program] {
			t.Errorf("%s neither logs nor counts: it no longer needs its exception", program)
		}
	}
}

// TestProductLinks: what goes to production has no server, no simulator and
// nothing of a test.
func TestProductLinks(t *testing.T) {
	t.Parallel()
	linked := map[string]bool{}
	for _, p := range list(t, "-deps", "./cmd/certrecall") {
		linked[p.ImportPath] = true
		if within(p.ImportPath, "github.com/nats-io/nats-server", module+"client/digicertsim", module+"worker/natstest", "testing",
			"github.com/google/go-cmp", "github.com/rogpeppe", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/stretchr") {
			t.Errorf("certrecall links %s", p.ImportPath)
		}
	}
	for _, must := range []string{module + "worker", "github.com/nats-io/nats.go"} {
		if !linked[must] {
			t.Errorf("go list does not show that certrecall links %s: the test looks in the wrong place", must)
		}
	}
}
