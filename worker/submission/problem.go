package submission

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"certrecall/messages"
)

// Problem is something wrong with the input.
type Problem struct {
	Line int // 0: not of one line
	// Field or column; "": the line as a whole.
	Field  string
	Detail string // what is wrong and what to do
	// Value is what stands there, as far as it is fit to be repeated.
	Value string
}

// Problems is the error of an input that is not sent: everything that is wrong
// with it.
type Problems []Problem

// maxValues is how many values of one problem are repeated.
const maxValues = 3

// Error returns all problems, a line each.
func (p Problems) Error() string { return strings.Join(p.Lines(), "\n") }

// Lines returns all problems in the order of the input, those that many lines
// share once, with the lines in ranges and the first values.
func (p Problems) Lines() []string {
	type kind struct{ field, detail string }
	lines, values := map[kind][]int{}, map[kind][]string{}
	var kinds []kind
	for _, one := range p {
		k := kind{one.Field, one.Detail}
		if lines[k] == nil {
			kinds = append(kinds, k)
		}
		lines[k] = append(lines[k], one.Line)
		if v := quote(one.Value); v != "" && !slices.Contains(values[k], v) && len(values[k]) <= maxValues {
			values[k] = append(values[k], v)
		}
	}
	slices.SortStableFunc(kinds, func(a, b kind) int { return cmp.Compare(lines[a][0], lines[b][0]) })
	out := make([]string, 0, len(kinds))
	for _, k := range kinds {
		text := k.detail
		if k.field != "" {
			text = k.field + ": " + text
		}
		if at := lines[k]; at[0] != 0 {
			text = Ranges(at) + ": " + text
		}
		if v := values[k]; len(v) > maxValues {
			text += " (it is " + strings.Join(v[:maxValues], ", ") + ", …)"
		} else if len(v) > 0 {
			text += " (it is " + strings.Join(v, ", ") + ")"
		}
		out = append(out, text)
	}
	return out
}

// longestValue is how many characters of a value are repeated.
const longestValue = 40

func quote(value string) string {
	if value == "" {
		return ""
	}
	if r := []rune(value); len(r) > longestValue {
		value = string(r[:longestValue]) + "…"
	}
	return strconv.Quote(value)
}

// Ranges writes line numbers: "line 7", "lines 3, 7-9".
func Ranges(lines []int) string {
	lines = slices.Compact(slices.Sorted(slices.Values(lines)))
	var parts []string
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && lines[j+1] == lines[j]+1 {
			j++
		}
		if j == i {
			parts = append(parts, strconv.Itoa(lines[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", lines[i], lines[j]))
		}
		i = j + 1
	}
	if len(lines) == 1 {
		return "line " + parts[0]
	}
	return "lines " + strings.Join(parts, ", ")
}

// problemsOf returns what the decoder found wrong with a row.
func problemsOf(r Row, err error) Problems {
	invalid, ok := errors.AsType[*messages.InvalidCommand](err)
	if !ok {
		return Problems{{Line: r.Line, Detail: err.Error()}}
	}
	var out Problems
	for _, p := range invalid.Problems {
		value, given := r.Given[p.Field]
		one := Problem{Line: r.Line, Field: p.Field, Detail: p.Detail, Value: value}
		switch {
		case p.Field == "comments" && !given:
			one.Detail = "missing; give --comments, or a column of that name"
		case p.Field == "order_id" && !given:
			one.Value = ""
		case p.Field == "deadline" || p.Field == "expires":
			one.Detail += timeHint(value)
		}
		out = append(out, one)
	}
	return out
}
