package client

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"
)

// DigiCert's answers differ in type from page to page and from year to year: ids are numbers or strings, flags
// "0" or 0, lists absent. So an answer is checked once for being JSON, then walked in place, each value taken as
// what it can be read as. A value of an unexpected type is zero; it never fails the answer it stands in. What is
// handed on raw is a slice of the body: the bytes as sent, and not copied.
//
// All functions of this file need text that json.Valid has accepted, or a value cut from such a text.

// members yields the members of an object in order, keys without quotes (as bytes: a switch on string(key) copies
// nothing); nothing if v is not an object.
func members(v []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		i := skipSpace(v, 0)
		if i >= len(v) || v[i] != '{' {
			return
		}
		for i = skipSpace(v, i+1); v[i] != '}'; i = skipSpace(v, i) {
			end := skipString(v, i)
			key := v[i:end]
			i = skipSpace(v, skipSpace(v, end)+1) // past the colon
			end = skipValue(v, i)
			if !yield(unquote(key), v[i:end:end]) {
				return
			}
			if i = skipSpace(v, end); v[i] == ',' {
				i++
			}
		}
	}
}

// elements yields the elements of an array in order; nothing if v is not an array.
func elements(v []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := skipSpace(v, 0)
		if i >= len(v) || v[i] != '[' {
			return
		}
		for i = skipSpace(v, i+1); v[i] != ']'; i = skipSpace(v, i) {
			end := skipValue(v, i)
			if !yield(v[i:end:end]) {
				return
			}
			if i = skipSpace(v, end); v[i] == ',' {
				i++
			}
		}
	}
}

func skipSpace(v []byte, i int) int {
	for i < len(v) && (v[i] == ' ' || v[i] == '\n' || v[i] == '\r' || v[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(v []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(v[i:], '"')
		backslashes := 0
		for v[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i + 1
		}
	}
}

// skipValue returns the index after the value that begins at i.
func skipValue(v []byte, i int) int {
	switch v[i] {
	case '"':
		return skipString(v, i)
	case '{', '[':
		for depth := 0; ; {
			switch v[i] {
			case '"':
				i = skipString(v, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
	default:
		for i < len(v) && strings.IndexByte(",]} \n\r\t", v[i]) < 0 {
			i++
		}
		return i
	}
}

func isObject(v []byte) bool { return starts(v, '{') }
func isArray(v []byte) bool  { return starts(v, '[') }

func starts(v []byte, c byte) bool {
	i := skipSpace(v, 0)
	return i < len(v) && v[i] == c
}

// unquote gives what a string says; what needs no unescaping is not copied.
func unquote(v []byte) []byte {
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return nil
	}
	return []byte(s)
}

// text reads a string, or a number or boolean as its literal.
func text(v []byte) string {
	switch {
	case len(v) == 0:
		return ""
	case v[0] == '"':
		return string(unquote(v))
	case v[0] == '{', v[0] == '[', v[0] == 'n':
		return ""
	default:
		return string(v)
	}
}

// integer reads a whole number, also one in a string or written as 1.0 or 1e3.
func integer(v []byte) int64 {
	s := strings.TrimSpace(text(v))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	const exact = 1 << 53
	if f, err := strconv.ParseFloat(s, 64); err == nil && f == float64(int64(f)) && f > -exact && f < exact {
		return int64(f)
	}
	return 0
}

// boolean reads true, "true", 1 and "1" as true.
func boolean(v []byte) bool {
	s := text(v)
	return s == "1" || strings.EqualFold(s, "true")
}

// moment reads RFC 3339, yyyy-mm-dd with or without a time, and Unix seconds or milliseconds, as UTC.
func moment(v []byte) time.Time {
	s := strings.TrimSpace(text(v))
	if len(s) == len(time.DateOnly) {
		if t, err := time.Parse(time.DateOnly, s); err == nil {
			return t
		}
	}
	if s == "" {
		return time.Time{}
	}
	for _, layout := range [...]string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	const (
		milliseconds = 100_000_000_000    // more seconds than this is after the year 5000
		beyond       = 10_000_000_000_000 // more milliseconds than this is no date of a certificate
	)
	switch n := integer(v); {
	case n > 0 && n < milliseconds:
		return time.Unix(n, 0).UTC()
	case n >= milliseconds && n < beyond:
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

// texts reads an array of strings; a lone string is an array of one.
func texts(v []byte) []string {
	if !isArray(v) {
		if s := text(v); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	for e := range elements(v) {
		out = append(out, text(e))
	}
	return out
}
