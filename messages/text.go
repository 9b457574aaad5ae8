package messages

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads the string at pos.
func (s *scanner) text() (span, error) {
	s.pos++
	t := span{from: s.pos}
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			t.to = s.pos
			s.pos++
			if s.strict && !s.utf8 && !utf8.Valid(s.data[t.from:t.to]) {
				t.broken = true
			}
			return t, nil
		case c == '\\':
			t.escaped = true
			half, err := s.escape()
			if err != nil {
				return t, err
			}
			t.broken = t.broken || half
		case c < ' ':
			return t, s.fail("no JSON: a control character in a string; write it as an escape")
		default:
			s.pos++
		}
	}
	return t, s.unexpected(`a closing "`)
}

// escape reads the escape at pos, and reports whether it is half a surrogate
// pair without its other half.
func (s *scanner) escape() (half bool, err error) {
	s.pos++
	if s.pos >= len(s.data) {
		return false, s.unexpected("an escape")
	}
	switch s.data[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return false, nil
	case 'u':
		r, ok := hex4(s.data[s.pos+1:])
		if !ok {
			return false, s.unexpected("four hexadecimal digits")
		}
		s.pos += 5
		if !utf16.IsSurrogate(r) {
			return false, nil
		}
		if low, ok := lowSurrogate(s.data[s.pos:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			s.pos += 6
			return false, nil
		}
		return true, nil
	}
	return false, s.unexpected("an escape")
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// lowSurrogate reads a \u escape.
func lowSurrogate(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	return hex4(b[2:])
}

// name returns what a string says, without a copy where it has no escapes.
func (s *scanner) name(t span) []byte {
	if !t.escaped && !t.broken {
		return s.data[t.from:t.to]
	}
	return unescape(s.data[t.from:t.to])
}

// unescape returns what a string says. Whatever is not Unicode text in it
// becomes U+FFFD.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			r, size := utf8.DecodeRune(raw[i:])
			out = utf8.AppendRune(out, r)
			i += size
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := lowSurrogate(raw[i+1:])
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
		i++
	}
	return out
}

// where writes the path of the value that is being read, such as
// "context.hosts[2].name".
func (s *scanner) where() string {
	var b strings.Builder
	for i, at := range s.path {
		switch {
		case b.Len() > maxClip:
			b.WriteString("…")
			return b.String()
		case at.name == nil:
			b.WriteString("[" + strconv.Itoa(at.index) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(clip(string(at.name)))
		}
	}
	return b.String()
}

func (s *scanner) reportBroken() {
	if s.strict {
		s.found.add(s.where(), "is not Unicode text; send UTF-8, and escapes of surrogates only in pairs")
	}
}
