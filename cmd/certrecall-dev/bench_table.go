package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// benchRow is one figure.
type benchRow struct {
	part, what string
	samples    []float64
	unit       string
	// of is what the median is a share of, and what that is; "" is nothing.
	of      float64
	ofWhat  string
	target  target
	details string
}

// target is what the ratio, or the figure if there is none, has to be; the zero value is nothing.
type target struct {
	least, most float64
	set         bool
}

func atLeast(v float64) target { return target{least: v, most: math.Inf(1), set: true} }
func atMost(v float64) target  { return target{least: math.Inf(-1), most: v, set: true} }

func (t target) String() string {
	switch {
	case !t.set:
		return ""
	case !math.IsInf(t.most, 1):
		return "≤ " + figure(t.most)
	}
	return "≥ " + figure(t.least)
}

func (r benchRow) median() float64 { return median(r.samples) }

// judged is what the target is about.
func (r benchRow) judged() float64 {
	if r.ofWhat != "" {
		return r.median() / r.of
	}
	return r.median()
}

func (r benchRow) met() string {
	switch v := r.judged(); {
	case !r.target.set:
		return ""
	case v >= r.target.least && v <= r.target.most:
		return "yes"
	}
	return "NO"
}

func median(samples []float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// quantile of samples, q from 0 to 1.
func quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// figure is a number with as many digits as it deserves.
func figure(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// add keeps a figure and says it, since a whole run takes minutes.
func (b *bench) add(r benchRow) {
	b.rows = append(b.rows, r)
	line := fmt.Sprintf("  %s: %s %s", r.what, figure(r.median()), r.unit)
	if r.ofWhat != "" {
		line += fmt.Sprintf(", %s of %s", figure(r.judged()), r.ofWhat)
	}
	fmt.Fprintln(b.p.stderr, line)
}

func (b *bench) print() {
	if b.Format == "benchstat" {
		b.printLines()
		return
	}
	t := table.NewWriter()
	t.SetOutputMirror(b.p.stdout)
	style := table.StyleLight
	style.Options = table.OptionsNoBorders
	t.SetStyle(style)
	t.AppendHeader(table.Row{"part", "what", "measured", "ratio", "of", "target", "met", "with"})
	for i, r := range b.rows {
		ratio := ""
		if r.ofWhat != "" {
			ratio = figure(r.judged())
		}
		part, details := r.part, r.details
		if i > 0 {
			before := b.rows[i-1]
			if before.details == details {
				details = ""
			}
			if before.part == part {
				part = ""
			} else {
				t.AppendSeparator()
			}
		}
		t.AppendRow(table.Row{part, r.what, figure(r.median()) + " " + r.unit, ratio, r.ofWhat, r.target.String(), r.met(), details})
	}
	t.Render()
}

// printLines prints every sample as a Go benchmark does, for benchstat. It
// takes the unit for a name, so that has no spaces.
func (b *bench) printLines() {
	for _, r := range b.rows {
		name := strings.NewReplacer(" ", "_", ",", "", "/", "-").Replace(r.part + "/" + r.what)
		unit := strings.ReplaceAll(r.unit, " ", "-")
		for _, v := range r.samples {
			fmt.Fprintf(b.p.stdout, "Benchmark%s%s 1 %g %s", strings.ToUpper(name[:1]), strings.Replace(name[1:], "-", "/", 1), v, unit)
			if r.ofWhat != "" {
				fmt.Fprintf(b.p.stdout, " %.4f of-%s", v/r.of, strings.ReplaceAll(r.ofWhat, " ", "-"))
			}
			fmt.Fprintln(b.p.stdout)
		}
	}
}

func parseCounts(s string) ([]int, error) {
	var counts []int
	for text := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number from 1 on", text)
		}
		counts = append(counts, n)
	}
	return counts, nil
}
