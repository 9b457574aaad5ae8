package submission

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"certrecall/messages"
)

// Input says how a list of orders is to be read.
type Input struct {
	// Name of the file; "" is standard input.
	Name string
	// Format is "csv", "jsonl", or "auto": by the name, else by how it begins.
	Format string
	// OrderColumn is the column that holds the order, where it is not order_id.
	OrderColumn string
	// IgnoreColumns passes over columns that are no field of a command.
	IgnoreColumns bool
}

// Formats are the values of Input.Format.
func Formats() []string { return []string{"auto", "csv", "jsonl"} }

// maxLine bounds one line of JSON, well above the 64 KiB of a command.
const maxLine = 256 << 10

// Unreadable is the error of an input that is none as a whole.
type Unreadable struct {
	Name string // as a person calls it
	Err  error
}

// Error says what is wrong with which input.
func (u *Unreadable) Error() string { return u.Name + " " + u.Err.Error() }

// Unwrap returns what is wrong with it.
func (u *Unreadable) Unwrap() error { return u.Err }

// read gives each row of the input to take, and returns everything that keeps a
// line from being a row. The error is of the input as a whole.
func (i Input) read(in io.Reader, action messages.Action, take func(Row)) (Problems, error) {
	name := i.Name
	if name == "" {
		name = "standard input"
	}
	fail := func(err error) (Problems, error) { return nil, &Unreadable{name, err} }
	r := bufio.NewReaderSize(in, 64<<10)
	head, _ := r.Peek(3)
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")): // as spreadsheets write UTF-8
		_, _ = r.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return fail(errors.New(`is UTF-16: save it as UTF-8 (a spreadsheet calls it "CSV UTF-8")`))
	}
	format := i.Format
	if format == "auto" || format == "" {
		format = detectFormat(i.Name, r)
	}
	rows := 0
	count := func(row Row) {
		rows++
		take(row)
	}
	text := &utf8Reader{in: r, line: 1}
	var problems Problems
	var err error
	if format == "jsonl" {
		problems, err = readJSONLines(text, count)
	} else {
		problems, err = i.readCSV(bufio.NewReader(text), action, count)
	}
	switch {
	case text.bad != 0:
		return fail(fmt.Errorf(`is not UTF-8 in line %d, but Windows-1252 or another old code: save it as UTF-8 (a spreadsheet calls it "CSV UTF-8"); `+
			"else the record of the revocation would hold replacement characters", text.bad))
	case err != nil:
		return fail(fmt.Errorf("cannot be read: %w", err))
	case rows == 0 && len(problems) == 0:
		return fail(errors.New("holds no orders"))
	}
	return problems, nil
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

// utf8Reader notes the first line that is not UTF-8.
type utf8Reader struct {
	in        io.Reader
	line, bad int
	rest      []byte // the beginning of a character that the next read goes on with
}

// Read implements io.Reader.
func (u *utf8Reader) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if u.bad != 0 {
		return n, err
	}
	text := append(u.rest, p[:n]...)
	u.rest = nil
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size <= 1 && err == nil && !utf8.FullRune(text):
			u.rest = bytes.Clone(text)
			return n, nil
		case r == utf8.RuneError && size <= 1:
			u.bad = u.line
			return n, err
		case r == '\n':
			u.line++
		}
		text = text[size:]
	}
	return n, err
}

// readJSONLines reads one JSON object a line; empty lines are passed over.
func readJSONLines(r io.Reader, take func(Row)) (problems Problems, err error) {
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
			problems = append(problems, Problem{Line: line, Detail: "is not one JSON object"})
			continue
		}
		given := make(map[string]string, len(fields))
		for name, value := range fields {
			given[name] = textOf(value)
		}
		take(Row{line, bytes.Clone(text), given})
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line+1, err)
	}
	return problems, nil
}

// textOf returns a JSON text without its quotes, and other values as they are.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
