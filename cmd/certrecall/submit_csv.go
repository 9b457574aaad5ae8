package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"certrecall/messages"
)

// readCSV reads a table whose first row names fields of a command. Cells are
// taken without the white space around them; an empty one is not given. The
// separator is the one that the header uses: a comma, a semicolon (as
// spreadsheets of many countries write) or a tab.
func readCSV(r *bufio.Reader, action messages.Action) (rows []row, problems []problem, err error) {
	table := csv.NewReader(r)
	table.Comma = separator(r)
	table.FieldsPerRecord = -1
	table.ReuseRecord = true
	table.TrimLeadingSpace = true
	header, err := readHeader(table)
	if errors.Is(err, io.EOF) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if problems = checkHeader(header, action); len(problems) > 0 {
		return nil, problems, nil
	}
	for {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			return rows, problems, nil
		}
		if err != nil {
			// What follows an open quote cannot be told apart into rows.
			return rows, append(problems, csvProblem(err)), nil
		}
		line, _ := table.FieldPos(0)
		switch {
		case blank(cells): // as spreadsheets leave at the end
		case len(cells) > len(header) && !blank(cells[len(header):]):
			problems = append(problems, problem{line, "", fmt.Sprintf("has %d cells, the header names %d: quote cells that hold the separator", len(cells), len(header))})
		default:
			rows = append(rows, csvRow(line, header, cells))
		}
	}
}

func readHeader(table *csv.Reader) ([]string, error) {
	cells, err := table.Read()
	if err != nil {
		return nil, err
	}
	header := make([]string, len(cells))
	for i, c := range cells {
		header[i] = strings.TrimSpace(c)
	}
	for len(header) > 0 && header[len(header)-1] == "" {
		header = header[:len(header)-1]
	}
	return header, nil
}

func separator(r *bufio.Reader) rune {
	head, _ := r.Peek(4096)
	line, _, _ := bytes.Cut(head, []byte("\n"))
	for _, c := range ",;\t" {
		if bytes.ContainsRune(line, c) {
			return c
		}
	}
	return ','
}

func csvProblem(err error) problem {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return problem{e.StartLine, "", fmt.Sprintf("%v; what follows it was not read", e.Err)}
	}
	return problem{0, "", err.Error()}
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

// checkHeader finds names that are no field of a command, and says which one
// was probably meant, as the workers would.
func checkHeader(header []string, action messages.Action) []problem {
	lane := messages.LaneRevoke
	if action == messages.ActionListDuplicates {
		lane = messages.LaneListDuplicates
	}
	var problems []problem
	seen := map[string]bool{}
	for i, name := range header {
		switch {
		case name == "":
			problems = append(problems, problem{1, fmt.Sprintf("column %d", i+1), "has no name; name it after a field of a command"})
		case seen[name]:
			problems = append(problems, problem{1, name, "names two columns; remove one"})
		case name == "order_id" || name == "id":
		default:
			// With a value of no field's type, the complaint that is not about
			// the type is about the name.
			object := append(append(appendJSON([]byte("{"), name), ':'), "null}"...)
			_, err := messages.DecodeCommand(lane, messages.InvalidSource, nil, object)
			if invalid, ok := errors.AsType[*messages.InvalidCommand](err); ok {
				for _, p := range invalid.Problems {
					if p.Field == name && !strings.HasPrefix(p.Detail, "must be") && !strings.HasPrefix(p.Detail, "missing") {
						problems = append(problems, problem{1, name, p.Detail})
					}
				}
			}
		}
		seen[name] = true
	}
	if len(problems) == 0 && !seen["order_id"] {
		problems = append(problems, problem{1, "order_id", "is missing: the first row must name the columns, order_id among them"})
	}
	return problems
}

// csvRow makes an object of the cells, each as the JSON that its field takes.
// What a cell holds wrong is for the decoder to find.
func csvRow(line int, header, cells []string) row {
	r := row{line: line, object: []byte("{"), given: map[string]bool{}}
	for i, name := range header {
		if i >= len(cells) {
			break
		}
		cell := strings.TrimSpace(cells[i])
		if cell == "" {
			continue
		}
		if len(r.given) > 0 {
			r.object = append(r.object, ',')
		}
		r.given[name] = true
		r.object = append(appendJSON(r.object, name), ':')
		r.object = appendCell(r.object, name, cell)
	}
	r.object = append(r.object, '}')
	return r
}

func appendCell(dst []byte, name, cell string) []byte {
	switch name {
	case "skip_approval", "dry_run", "show_archived":
		switch lower := strings.ToLower(cell); lower { // a spreadsheet writes TRUE
		case "true", "false":
			return append(dst, lower...)
		}
	case "context":
		if strings.HasPrefix(cell, "{") && json.Valid([]byte(cell)) {
			return append(dst, cell...)
		}
	}
	return appendJSON(dst, cell)
}
