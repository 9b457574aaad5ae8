package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPipeGetsOneLineARow(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &process{stdout: &out}
	s := section{tag: "thing", title: "THINGS", header: []string{"a", "b"}}
	s.add("1", "two\nlines\tand a tab")
	s.add("2", "\x1b[31mred\u202e")
	s.note("for people")
	p.show(s, section{tag: "empty", notes: []string{"none"}})
	want := "thing\t1\ttwo lines and a tab\nthing\t2\t\ufffd[31mred\ufffd\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTerminalGetsColumns(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := section{tag: "thing", title: "THINGS", header: []string{"order", "detail"}, right: []int{0}}
	s.add("7", "short")
	s.add("1234567", "a longer text \x1b[2J")
	s.note("and %d more", 3)
	s.draw(&out)
	want := `THINGS
   order  detail
       7  short
 1234567  a longer text ` + "\ufffd" + `[2J
 and 3 more
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLongColumnIsBrokenWhereTheTerminalIsNarrow(t *testing.T) {
	t.Parallel()
	s := section{header: []string{"order", "detail"}, wrap: 2, rows: [][]string{{"1234567", "a text of some length that does not fit"}}}
	for terminal, want := range map[int]int{0: 0, 80: 80 - 4 - 7, 20: 24} {
		if got := s.wrapWidth(terminal); got != want {
			t.Errorf("%d columns: %d, want %d", terminal, got, want)
		}
	}
}

func TestSpanHasTwoUnits(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", -time.Second: "0s", 400 * time.Millisecond: "0s", 12 * time.Second: "12s", 200 * time.Second: "3m20s",
		2 * time.Hour: "2h", 2*time.Hour + 5*time.Minute + 9*time.Second: "2h5m", 76 * time.Hour: "3d4h", 24*time.Hour + time.Minute: "1d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestColoursAreForTerminalsWhosePersonWantsThem(t *testing.T) {
	s := section{title: "THINGS"}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if got := s.titled(true); got != "\x1b[1mTHINGS\x1b[0m" {
		t.Errorf("on a terminal %q", got)
	}
	if got := s.titled(false); got != "THINGS" {
		t.Errorf("in a pipe %q", got)
	}
	for name, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb"} {
		t.Setenv(name, value)
		if got := s.titled(true); got != "THINGS" {
			t.Errorf("%s=%s: %q", name, value, got)
		}
		t.Setenv(name, "")
	}
}
