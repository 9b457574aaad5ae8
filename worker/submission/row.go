package submission

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// Row is one command of the input: a JSON object with the fields of a command
// that the input gives, nothing checked yet.
type Row struct {
	Line   int // 0: given by flags
	object []byte
	// Given are the fields that the row names, with what stands there as text.
	Given map[string]string
}

// Fields makes a row of fields that are given by other means than an input.
func Fields(fields ...Field) Row {
	r := Row{object: []byte("{}"), Given: map[string]string{}}
	members := make([]Field, len(fields))
	copy(members, fields)
	r.object = r.with(members)
	for _, f := range members {
		r.Given[f.name] = f.text
	}
	return r
}

// Field is a field of a command and its value in JSON.
type Field struct {
	name  string
	value []byte
	text  string
}

// Text is a field with a text.
func Text(name, value string) Field { return Field{name, appendJSON(nil, value), value} }

// True is a field that is set.
func True(name string) Field { return Field{name, []byte("true"), "true"} }

// Number is a field with a number.
func Number(name string, n int64) Field {
	text := strconv.FormatInt(n, 10)
	return Field{name, []byte(text), text}
}

// JSON is a field whose value is JSON already.
func JSON(name, value string) Field { return Field{name, []byte(value), value} }

// with returns the row's object with further fields, where the row has none of
// that name.
func (r Row) with(fields []Field) []byte {
	object := bytes.TrimRight(r.object, " \t\r\n")
	object = slices.Clone(object[:len(object)-1])
	empty := len(r.Given) == 0
	for _, f := range fields {
		if _, given := r.Given[f.name]; given {
			continue
		}
		if !empty {
			object = append(object, ',')
		}
		empty = false
		object = append(append(appendJSON(object, f.name), ':'), f.value...)
	}
	return append(object, '}')
}

func appendJSON(dst []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // no string does that
		return append(dst, `""`...)
	}
	return append(dst, text...)
}
