package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"certrecall/messages"
)

// row is one command of the input: a JSON object with the fields of a command
// that the input gives, nothing checked yet.
type row struct {
	line   int // 0: given by flags
	object []byte
	given  map[string]bool
}

// problem is something wrong with the input.
type problem struct {
	line          int    // 0: not of one line
	field, detail string // field "": the line as a whole
}

// maxLine bounds one line of JSON, well above the 64 KiB of a command.
const maxLine = 256 << 10

// readInput reads all rows of a file ("-" is standard input), and everything
// that keeps a line from being a row. The error is of the file as a whole.
func (p *process) readInput(file, format string, action messages.Action) ([]row, []problem, error) {
	var in io.Reader = p.stdin
	name := "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		in, name = f, file
	}
	r := bufio.NewReaderSize(in, 64<<10)
	head, _ := r.Peek(3)
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")): // as spreadsheets write UTF-8
		_, _ = r.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, nil, fmt.Errorf("%s is UTF-16: save it as UTF-8 (a spreadsheet calls it \"CSV UTF-8\")", name)
	}
	if format == "auto" {
		format = detectFormat(file, r)
	}
	var rows []row
	var problems []problem
	var err error
	if format == "jsonl" {
		rows, problems, err = readJSONLines(r)
	} else {
		rows, problems, err = readCSV(r, action)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(rows) == 0 && len(problems) == 0 {
		return nil, nil, fmt.Errorf("%s holds no orders", name)
	}
	return rows, problems, nil
}

// detectFormat goes by the name of the file, else by its first character.
func detectFormat(file string, r *bufio.Reader) string {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".jsonl", ".ndjson", ".json":
		return "jsonl"
	case ".csv", ".tsv":
		return "csv"
	}
	head, _ := r.Peek(1024)
	if bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) {
		return "jsonl"
	}
	return "csv"
}

// readJSONLines reads one JSON object a line; empty lines are passed over.
func readJSONLines(r io.Reader) (rows []row, problems []problem, err error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	line := 0
	for scanner.Scan() {
		line++
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(text, &fields); err != nil || text[0] != '{' {
			problems = append(problems, problem{line, "", "is not one JSON object"})
			continue
		}
		given := make(map[string]bool, len(fields))
		for name := range fields {
			given[name] = true
		}
		rows = append(rows, row{line, bytes.Clone(text), given})
	}
	if err := scanner.Err(); err != nil {
		return nil, nil, fmt.Errorf("line %d: %w", line+1, err)
	}
	return rows, problems, nil
}

// with gives the row's object with further members, where the row has none of
// that name.
func (r row) with(members []member) []byte {
	object := bytes.TrimRight(r.object, " \t\r\n")
	object = slices.Clone(object[:len(object)-1])
	empty := len(r.given) == 0
	for _, m := range members {
		if r.given[m.name] {
			continue
		}
		if !empty {
			object = append(object, ',')
		}
		empty = false
		object = append(append(appendJSON(object, m.name), ':'), m.value...)
	}
	return append(object, '}')
}

// member is a field of a command and its value in JSON.
type member struct {
	name  string
	value []byte
}

func textMember(name, value string) member { return member{name, appendJSON(nil, value)} }

func appendJSON(dst []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // no string does that
		return append(dst, `""`...)
	}
	return append(dst, text...)
}

// describe lists all problems, those that many lines share once: by line, with
// the lines in ranges.
func describe(problems []problem) usageError {
	type kind struct{ field, detail string }
	lines := map[kind][]int{}
	var kinds []kind
	for _, p := range problems {
		k := kind{p.field, p.detail}
		if lines[k] == nil {
			kinds = append(kinds, k)
		}
		lines[k] = append(lines[k], p.line)
	}
	slices.SortStableFunc(kinds, func(a, b kind) int { return cmp.Compare(lines[a][0], lines[b][0]) })
	var out usageError
	for _, k := range kinds {
		text := k.detail
		if k.field != "" {
			text = k.field + ": " + text
		}
		if at := lines[k]; at[0] != 0 {
			text = ranges(at) + ": " + text
		}
		out = append(out, clean([]string{text})[0])
	}
	return out
}

// ranges writes line numbers: "line 7", "lines 3, 7-9".
func ranges(lines []int) string {
	lines = slices.Compact(slices.Sorted(slices.Values(lines)))
	var parts []string
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && lines[j+1] == lines[j]+1 {
			j++
		}
		switch {
		case j == i:
			parts = append(parts, fmt.Sprint(lines[i]))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", lines[i], lines[j]))
		}
		i = j + 1
	}
	if len(lines) == 1 {
		return "line " + parts[0]
	}
	return "lines " + strings.Join(parts, ", ")
}
