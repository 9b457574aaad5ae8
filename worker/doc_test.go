package worker

import (
	"os"
	"strings"
	"testing"
)

// The package documentation says for each step, in order, what a crash after it does.
func TestEveryStepIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "after the step")
	if !found {
		t.Fatal("doc.go has no table of the steps")
	}
	table, _, _ := strings.Cut(rest, "// #")
	rows := strings.Split(table, "\n")[1:]
	for i, s := range steps {
		if i >= len(rows) || !strings.HasPrefix(rows[i], "//\t"+string(s)+"  ") {
			t.Fatalf("row %d of the table is not %q", i+1, s)
		}
	}
	if extra := strings.TrimSpace(strings.TrimPrefix(rows[len(steps)], "//")); extra != "" {
		t.Errorf("a row for no step: %s", extra)
	}
	source, err := os.ReadFile("steps.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), " step = "); n != len(steps) {
		t.Errorf("steps.go declares %d steps, %d are listed", n, len(steps))
	}
}
