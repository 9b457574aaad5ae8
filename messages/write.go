package messages

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendText appends s as a JSON string with the fewest escapes that RFC 8259
// allows. Whatever is not UTF-8 in it becomes U+FFFD.
func appendText[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[from:i]...)
				dst = utf8.AppendRune(dst, utf8.RuneError)
				from = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = appendEscape(dst, c)
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}

// object writes the members of one JSON object, in the order of the calls.
// Each method but always leaves a zero value out.
type object struct{ buf []byte }

// name begins a member.
func (o *object) name(name string) {
	if len(o.buf) == 0 {
		o.buf = append(o.buf, '{')
	} else {
		o.buf = append(o.buf, ',')
	}
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, name...)
	o.buf = append(o.buf, '"', ':')
}

func (o *object) end() []byte {
	if len(o.buf) == 0 {
		return []byte("{}")
	}
	return append(o.buf, '}')
}

func (o *object) alwaysText(name, v string) {
	o.name(name)
	o.buf = appendText(o.buf, v)
}

func (o *object) text(name, v string) {
	if v != "" {
		o.alwaysText(name, v)
	}
}

func (o *object) alwaysNumber(name string, v int64) {
	o.name(name)
	o.buf = strconv.AppendInt(o.buf, v, 10)
}

func (o *object) number(name string, v int64) {
	if v != 0 {
		o.alwaysNumber(name, v)
	}
}

func (o *object) alwaysFlag(name string, v bool) {
	o.name(name)
	o.buf = strconv.AppendBool(o.buf, v)
}

func (o *object) flag(name string, v bool) {
	if v {
		o.alwaysFlag(name, v)
	}
}

func (o *object) time(name string, v time.Time) {
	if !v.IsZero() {
		o.name(name)
		o.buf = append(o.buf, '"')
		o.buf = v.UTC().AppendFormat(o.buf, time.RFC3339Nano)
		o.buf = append(o.buf, '"')
	}
}

// raw writes somebody else's JSON byte for byte. It must have passed
// [checkRaw]: anything else would become part of the object around it.
func (o *object) raw(name string, v []byte) {
	if len(v) > 0 {
		o.name(name)
		o.buf = append(o.buf, v...)
	}
}

// checkRaw says whether raw is one JSON value of a kind ('{' or '[') with
// nothing before and behind it.
func checkRaw(raw []byte, kind byte) error {
	if len(raw) == 0 || raw[0] != kind {
		return fmt.Errorf("want %s", kindName(kind))
	}
	s := scanner{data: raw}
	if _, err := s.value(); err != nil {
		return err
	}
	if s.pos < len(raw) {
		return s.fail("something follows the value")
	}
	return nil
}
