package main

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"certrecall/worker/budget"
)

// TestBenchShort: every part runs, with real processes, and says something that
// benchstat can read. What it measures here means nothing.
func TestBenchShort(t *testing.T) {
	t.Parallel()
	c := exec.CommandContext(t.Context(), "certrecall-dev", "bench", "--short", "--format", "benchstat",
		"--parts", "start,throughput,scale,latency,fleet,memory,store", "--dir", t.TempDir())
	c.Env = append(os.Environ(), "DIGICERT_API_KEY=a-real-key", "DIGICERT_URL=http://127.0.0.1:1")
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	seen := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		part, _, ok := strings.Cut(fields[0], "/")
		if !ok || !strings.HasPrefix(part, "Benchmark") || len(fields) != 4 && len(fields) != 6 {
			t.Fatalf("not a line of a benchmark: %s", lines.Text())
		}
		for i := 2; i < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%q is no figure: %s", fields[i], lines.Text())
			}
		}
		if strings.Contains(fields[0], "calls_over_a_limit") && fields[2] != "0" {
			t.Errorf("%s", lines.Text())
		}
		seen[strings.ToLower(strings.TrimPrefix(part, "Benchmark"))]++
	}
	for _, p := range benchParts() {
		if seen[p.name] == 0 {
			t.Errorf("nothing of part %s:\n%s", p.name, out)
		}
	}
}

// TestBenchIdeal holds the ideal of the fleet to what DigiCert's windows allow.
func TestBenchIdeal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limits string
		n      int
		want   float64
	}{
		{"200/20s,100/5s", 470, 40},
		{"100/5s", 100, 0},
		{"1000/5m,100/5s", 1001, 300},
		{"1000/5m,100/5s", 12_000, 11*300 + 45},
	} {
		limits, err := budget.ParseLimits(c.limits)
		if err != nil {
			t.Fatal(err)
		}
		if got := idealSeconds(c.n, limits); math.Abs(got-c.want) > 0.001 {
			t.Errorf("%d calls under %s: %v s, want %v s", c.n, c.limits, got, c.want)
		}
	}
}

// TestBenchRate: neither the start nor the wait for the last command counts.
func TestBenchRate(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var all []drained
	for i, left := range []int{1000, 1000, 900, 800, 700, 50, 1, 0} {
		all = append(all, drained{began.Add(time.Duration(i) * time.Second), left})
	}
	if got, want := rate(all, 1000), 850.0/3; math.Abs(got-want) > 0.001 {
		t.Errorf("rate %v, want %v", got, want)
	}
}

// TestBenchTarget: a figure that shrinks meets "at most", also below nothing.
func TestBenchTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row     benchRow
		text    string
		verdict string
	}{
		{benchRow{samples: []float64{-0.58}, target: atMost(1)}, "≤ 1", "yes"},
		{benchRow{samples: []float64{1.01}, target: atMost(1)}, "≤ 1", "NO"},
		{benchRow{samples: []float64{0}, target: atMost(0)}, "≤ 0", "yes"},
		{benchRow{samples: []float64{45}, of: 50, ofWhat: "bare loop", target: atLeast(0.9)}, "≥ 0.90", "yes"},
		{benchRow{samples: []float64{44}, of: 50, ofWhat: "bare loop", target: atLeast(0.9)}, "≥ 0.90", "NO"},
		{benchRow{samples: []float64{44}}, "", ""},
	} {
		if text, verdict := c.row.target.String(), c.row.met(); text != c.text || verdict != c.verdict {
			t.Errorf("%v: %q %q, want %q %q", c.row.samples, text, verdict, c.text, c.verdict)
		}
	}
}
