package submission

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"certrecall/messages"
)

// orderField is the column that there must be.
const orderField = "order_id"

// readCSV reads a table whose first row names fields of a command. Cells are
// taken without the white space around them; an empty one is not given. The
// separator is the one that the header uses: a comma, a semicolon (as
// spreadsheets of many countries write) or a tab.
func (i Input) readCSV(r *bufio.Reader, action messages.Action, take func(Row)) (problems Problems, err error) {
	table := csv.NewReader(r)
	table.Comma = separator(r)
	table.FieldsPerRecord = -1
	table.ReuseRecord = true
	table.TrimLeadingSpace = true
	header, err := readHeader(table)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if header, problems = i.columns(header, action); len(problems) > 0 {
		return problems, nil
	}
	for {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			return problems, nil
		}
		if err != nil {
			// What follows an open quote cannot be told apart into rows.
			return append(problems, csvProblem(err)), nil
		}
		line, _ := table.FieldPos(0)
		switch {
		case blank(cells): // as spreadsheets leave at the end
		case len(cells) > len(header) && !blank(cells[len(header):]):
			problems = append(problems, Problem{Line: line, Detail: fmt.Sprintf(
				"has %d cells, the header names %d: quote cells that hold the separator", len(cells), len(header))})
		default:
			r, wrong := csvRow(line, header, cells)
			problems = append(problems, wrong...)
			if len(wrong) == 0 {
				take(r)
			}
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

func csvProblem(err error) Problem {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return Problem{Line: e.StartLine, Detail: fmt.Sprintf("%v; what follows it was not read", e.Err)}
	}
	return Problem{Detail: err.Error()}
}

func blank(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

// columns returns the fields that the columns hold, "" for one that is passed
// over, and finds names that are no field of a command.
func (i Input) columns(header []string, action messages.Action) ([]string, Problems) {
	if len(header) > 0 && numeric(header[0]) {
		return nil, Problems{{Line: 1, Value: header[0], Detail: "the first row must name the columns, order_id among them; this one holds an order"}}
	}
	var problems Problems
	fields := make([]string, len(header))
	seen := map[string]bool{}
	for at, name := range header {
		if i.OrderColumn != "" && strings.EqualFold(name, i.OrderColumn) {
			name = orderField
		}
		wrong := messages.FieldProblem(action, name)
		switch {
		case i.IgnoreColumns && (wrong != "" || i.OrderColumn != "" && name == orderField && !strings.EqualFold(header[at], i.OrderColumn)):
			continue
		case name == "":
			problems = append(problems, Problem{Line: 1, Field: "column " + strconv.Itoa(at+1), Detail: "has no name; name it after a field of a command"})
		case seen[name]:
			problems = append(problems, Problem{Line: 1, Field: name, Detail: "names two columns; remove one"})
		case wrong != "":
			problems = append(problems, Problem{Line: 1, Field: name, Detail: wrong})
		}
		seen[name], fields[at] = true, name
	}
	if len(problems) > 0 || seen[orderField] {
		return fields, problems
	}
	if i.OrderColumn != "" {
		return nil, Problems{{Line: 1, Field: "--order-column", Value: i.OrderColumn, Detail: "names no column; there are: " + strings.Join(header, ", ")}}
	}
	return nil, Problems{{
		Line: 1, Field: orderField,
		Detail: "is missing: the first row must name the columns, order_id among them (or name the one with --order-column, as \"Order #\")",
	}}
}

// numeric reports whether a cell of the header is none, but the first order.
func numeric(cell string) bool {
	_, err := strconv.ParseUint(cell, 10, 64)
	return err == nil
}

// csvRow makes an object of the cells, each as the JSON that its field takes.
// What a cell holds wrong is for the decoder to find.
func csvRow(line int, fields, cells []string) (Row, Problems) {
	r := Row{Line: line, object: []byte("{"), Given: map[string]string{}}
	for i, name := range fields {
		if i >= len(cells) {
			break
		}
		cell := strings.TrimSpace(cells[i])
		if cell == "" || name == "" {
			if name == "comments" && cells[i] != "" {
				return Row{}, Problems{{Line: line, Field: name, Detail: "is blank: say why, or leave the cell empty"}}
			}
			continue
		}
		if len(r.Given) > 0 {
			r.object = append(r.object, ',')
		}
		r.Given[name] = strings.Clone(cell)
		r.object = append(appendJSON(r.object, name), ':')
		r.object = appendCell(r.object, name, cell)
	}
	r.object = append(r.object, '}')
	return r, nil
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
