package messages

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds the nesting that is followed, as in encoding/json.
const maxDepth = 10000

// scanner reads one JSON text (RFC 8259) from left to right without building
// a tree. Positions are byte offsets into data.
//
// A strict scanner also reports, without stopping, names given twice in one
// object and strings that are not Unicode text. A lenient one reads only the
// grammar: what DigiCert once sent must stay readable.
type scanner struct {
	data   []byte
	pos    int
	depth  int
	strict bool
	utf8   bool     // data is known to be UTF-8, so that strings need no look
	keys   [][]byte // names of the objects that are open, outermost first
	path   []step   // where the scanner is, for reports
	found  problems
}

// step is one step from the outermost value inwards: a name, or an index.
type step struct {
	name  []byte // nil for an index
	index int
}

// span is a string's place between its quotes.
type span struct {
	from, to int
	escaped  bool // holds escapes
	broken   bool // is not Unicode text: invalid UTF-8 or half a surrogate pair
}

// syntaxError says where a text stops being JSON.
type syntaxError struct {
	offset int
	detail string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.detail, e.offset) }

func (s *scanner) fail(detail string) error {
	return &syntaxError{s.pos, detail}
}

// unexpected is the error for the byte at pos.
func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.data) {
		return s.fail("the JSON ends early: want " + want)
	}
	if c := s.data[s.pos]; c > ' ' && c < utf8.RuneSelf {
		return s.fail(fmt.Sprintf("no JSON: want %s, found %q", want, c))
	}
	return s.fail(fmt.Sprintf("no JSON: want %s, found byte 0x%02x", want, s.data[s.pos]))
}

// peek skips white space and returns the byte at pos, or 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// value reads one value, whatever it is, and returns its first byte, with '0'
// for every number. pos is behind it then.
func (s *scanner) value() (kind byte, err error) {
	switch c := s.peek(); c {
	case '"':
		text, err := s.text()
		if text.broken {
			s.reportBroken()
		}
		return '"', err
	case '{':
		return '{', s.object()
	case '[':
		return '[', s.array()
	case 't':
		return 't', s.literal("true")
	case 'f':
		return 'f', s.literal("false")
	case 'n':
		return 'n', s.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return '0', s.number()
	}
	return 0, s.unexpected("a value")
}

// kindName names a value by what [scanner.value] returned for it.
func kindName(kind byte) string {
	switch kind {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.unexpected(word)
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) number() error {
	if s.data[s.pos] == '-' {
		s.pos++
	}
	first := s.pos
	if !s.digits() {
		return s.unexpected("a digit")
	}
	if s.data[first] == '0' && s.pos > first+1 {
		s.pos = first + 1
		return s.fail("no JSON: a number begins with 0")
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return s.unexpected("a digit")
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			return s.unexpected("a digit")
		}
	}
	return nil
}

// at reports whether the byte at pos is c.
func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

// digits reads digits and reports whether there were any.
func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > from
}

// enter reads the opening bracket of an object or array.
func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested too deep")
	}
	s.pos++
	return nil
}

// array reads an array. pos is at its opening bracket.
func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for i := 0; ; i++ {
		s.step(step{index: i})
		if _, err := s.value(); err != nil {
			return err
		}
		s.leave()
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.depth--
			return nil
		default:
			return s.unexpected("a comma or ]")
		}
	}
}

// object reads an object. pos is at its opening bracket.
func (s *scanner) object() error {
	if err := s.enter(); err != nil {
		return err
	}
	names := s.open()
	for first := true; ; first = false {
		key, more, err := s.member(first)
		if err != nil {
			return err
		}
		if !more {
			s.close(names)
			return nil
		}
		if s.strict {
			s.within(&names, s.name(key), key.broken)
		}
		if _, err := s.value(); err != nil {
			return err
		}
		s.leave()
	}
}

// member reads what stands between two values of an object: the comma, the
// name and the colon, or the closing bracket (more is false then).
func (s *scanner) member(first bool) (key span, more bool, err error) {
	switch c := s.peek(); {
	case c == '}':
		s.pos++
		s.depth--
		return span{}, false, nil
	case first:
	case c == ',':
		s.pos++
		s.peek()
	default:
		return span{}, false, s.unexpected("a comma or }")
	}
	if !s.at('"') {
		return span{}, false, s.unexpected("a name in quotes")
	}
	if key, err = s.text(); err != nil {
		return span{}, false, err
	}
	if s.peek() != ':' {
		return span{}, false, s.unexpected("a colon")
	}
	s.pos++
	return key, true, nil
}
