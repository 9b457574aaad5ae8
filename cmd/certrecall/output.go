package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/vbauerster/mpb/v8/cwriter"

	"certrecall/worker/status"
)

// section is a table of what a subcommand prints. On a terminal it has a title
// and columns; elsewhere it is one tab-separated line a row, whose first field
// is the tag: what the row is about.
type section struct {
	tag    string
	title  string   // "" is none
	header []string // as many as columns; empty ones where they need no names
	rows   [][]string
	// right are the columns of numbers, from 0.
	right []int
	// wrap is the column that a narrow terminal breaks into lines, from 1; 0 is none.
	wrap int
	// alarm is a section that somebody should look at.
	alarm bool
	// notes follow the table on a terminal, and nowhere else.
	notes []string
}

func (s *section) add(cells ...string) { s.rows = append(s.rows, cells) }

func (s *section) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// print writes sections to standard output, in the form that suits its reader.
func (p *process) show(sections ...section) {
	if !isTerminal(p.stdout) {
		out := bufio.NewWriter(p.stdout)
		defer func() { _ = out.Flush() }() // a reader that has gone is told by the exit of this process
		for _, s := range sections {
			for _, row := range s.rows {
				fmt.Fprintln(out, s.tag+"\t"+strings.Join(clean(row), "\t"))
			}
		}
		return
	}
	first := true
	for _, s := range sections {
		if len(s.rows) == 0 && len(s.notes) == 0 {
			continue
		}
		if !first {
			fmt.Fprintln(p.stdout)
		}
		first = false
		s.draw(p.stdout)
	}
}

// draw writes one section for a terminal.
func (s section) draw(w io.Writer) {
	if s.title != "" {
		fmt.Fprintln(w, s.titled(isTerminal(w)))
	}
	if len(s.rows) > 0 {
		t := table.NewWriter()
		style := table.StyleLight
		style.Options = table.OptionsNoBordersAndSeparators
		style.Box.PaddingLeft, style.Box.PaddingRight = " ", " "
		style.Format.Header = text.FormatDefault
		t.SetStyle(style)
		t.SuppressTrailingSpaces()
		var columns []table.ColumnConfig
		for _, n := range s.right {
			columns = append(columns, table.ColumnConfig{Number: n + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
		if width := s.wrapWidth(terminalWidth(w)); width > 0 {
			columns = append(columns, table.ColumnConfig{Number: s.wrap, WidthMax: width, WidthMaxEnforcer: text.WrapSoft})
		}
		t.SetColumnConfigs(columns)
		if strings.Join(s.header, "") != "" {
			t.AppendHeader(tableRow(s.header))
		}
		for _, row := range s.rows {
			t.AppendRow(tableRow(clean(row)))
		}
		fmt.Fprintln(w, t.Render())
	}
	for _, note := range s.notes {
		fmt.Fprintln(w, " "+clean([]string{note})[0])
	}
}

// titled is the title in bold, red where somebody should look; plain where the
// person wants no colours (NO_COLOR, no-color.org) or the terminal has none.
func (s section) titled(colours bool) string {
	if !colours || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return s.title
	}
	const bold, boldRed, plain = "\x1b[1m", "\x1b[1;31m", "\x1b[0m"
	if s.alarm {
		return boldRed + s.title + plain
	}
	return bold + s.title + plain
}

// wrapWidth is how much a terminal leaves to the column that may be broken; 0
// is as much as it needs.
func (s section) wrapWidth(terminal int) int {
	if s.wrap == 0 || terminal == 0 {
		return 0
	}
	const padding, least = 2, 24
	left := terminal
	for n := range s.header {
		widest := 0
		for _, row := range append(s.rows, s.header) {
			if n < len(row) {
				widest = max(widest, text.StringWidthWithoutEscSequences(row[n]))
			}
		}
		if left -= padding; n+1 != s.wrap {
			left -= widest
		}
	}
	return max(left, least)
}

func tableRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	return row
}

// clean makes texts of others fit for a line: without control characters, which
// could end the line or speak to the terminal, and without marks that turn the
// direction of what follows.
func clean(cells []string) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = strings.Map(func(r rune) rune {
			switch {
			case r == '\n' || r == '\r' || r == '\t':
				return ' '
			case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
				return unicode.ReplacementChar
			}
			return r
		}, c)
	}
	return out
}

// lines writes a tab-separated line for each row, as a pipe gets them.
func (p *process) lines(tag string, rows iter.Seq[status.Row], cells func(status.Row) []string) {
	out := bufio.NewWriter(p.stdout)
	defer func() { _ = out.Flush() }()
	for r := range rows {
		fmt.Fprintln(out, tag+"\t"+strings.Join(clean(cells(r)), "\t"))
	}
}

// printJSON writes one document, for programs.
func (p *process) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printJSONWith writes one document with a list as its last member, of which
// one element is held at a time.
func (p *process) printJSONWith(v any, name string, list iter.Seq[status.Row]) error {
	head, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	_, _ = out.Write(bytes.TrimSuffix(bytes.TrimSuffix(head, []byte("}")), []byte("\n")))
	fmt.Fprintf(out, ",\n  %q: [", name)
	first := true
	for r := range list {
		var row bytes.Buffer
		e := json.NewEncoder(&row)
		e.SetEscapeHTML(false)
		e.SetIndent("    ", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
		if !first {
			_ = out.WriteByte(',')
		}
		first = false
		fmt.Fprintf(out, "\n    %s", bytes.TrimRight(row.Bytes(), "\n"))
	}
	if !first {
		_, _ = out.WriteString("\n  ")
	}
	_, _ = out.WriteString("]\n}\n")
	return out.Flush()
}

// say writes one line for the person at the terminal, beside the output.
func (p *process) say(format string, args ...any) {
	fmt.Fprintln(p.stderr, clean([]string{fmt.Sprintf(format, args...)})[0])
}

// terminalWidth is how many columns there are; 0 where w is no terminal.
func terminalWidth(w any) int {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0
	}
	width, _, err := cwriter.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// stamp writes a moment for a table; "-" is none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// span writes a length of time in two units: 3d4h, 2h5m, 3m20s, 12s.
func span(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if n := d / u.of; n > 0 {
			out := strconv.Itoa(int(n)) + u.name
			if i+1 < len(units) {
				if rest := d % u.of / units[i+1].of; rest > 0 {
					out += strconv.Itoa(int(rest)) + units[i+1].name
				}
			}
			return out
		}
	}
	return "0s"
}

// since writes how long ago something was; "-" is never.
func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(now.Sub(t))
}

// number writes an id or a count; "-" is none.
func number[T ~int | ~int64 | ~uint64](n T) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// orDash writes a text; "-" is none.
func orDash[T ~string](s T) string {
	if s == "" {
		return "-"
	}
	return string(s)
}

// counted writes a number with its noun: "1 order", "2 orders".
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}
