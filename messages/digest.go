package messages

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Digest returns what the command says as one number: the SHA-256, in
// lower-case hexadecimal digits, of its fields with their defaults. Two
// messages with the same id and the same digest are the same command; form,
// white space, order of the fields, headers, source and lane play no part.
//
// The bytes that are hashed are one JSON object without white space and with
// its names sorted by their bytes: "action", the fields that were given, and
// the booleans of the action always. Numbers are integers, times are in UTC.
// Strings have only the escapes that RFC 8259 demands, in their short form
// where there is one. Inside context, too, names are sorted, and numbers stay as
// they were written.
func (c Command) Digest() string {
	revoke := c.Action() != ActionListDuplicates
	o := object{buf: make([]byte, 0, 512)}
	o.alwaysText("action", string(c.Action()))
	o.number("certificate_id", c.CertificateID)
	o.text("comments", c.Comments)
	if len(c.Context) > 0 {
		o.name("context")
		o.buf = appendCanonical(o.buf, c.Context)
	}
	o.time("deadline", c.Deadline)
	if revoke {
		o.alwaysFlag("dry_run", c.DryRun)
	}
	o.text("expected_common_name", c.ExpectedCommonName)
	o.time("expires", c.Expires)
	o.text("id", c.ID)
	o.text("incident", c.Incident)
	o.number("order_id", c.OrderID)
	o.text("requested_by", c.RequestedBy)
	o.text("revocation_reason", string(c.RevocationReason))
	if revoke {
		o.alwaysFlag("skip_approval", c.SkipApproval)
	} else {
		o.alwaysFlag("show_archived", c.ShowArchived)
	}
	sum := sha256.Sum256(o.end())
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], sum[:])
	return string(digits[:])
}

// appendCanonical appends a JSON value with its names sorted and without white
// space. What is no JSON is appended as it is: [DecodeCommand] lets none pass.
func appendCanonical(dst, raw []byte) []byte {
	s := scanner{data: raw}
	out, err := s.canonical(dst)
	if s.peek(); err != nil || s.pos < len(raw) {
		return append(dst, raw...)
	}
	return out
}

func (s *scanner) canonical(dst []byte) ([]byte, error) {
	switch s.peek() {
	case '{':
		return s.canonicalObject(dst)
	case '[':
		return s.canonicalArray(dst)
	case '"':
		t, err := s.text()
		if err != nil {
			return dst, err
		}
		return appendText(dst, s.name(t)), nil
	}
	from := s.pos
	_, err := s.value()
	return append(dst, s.data[from:s.pos]...), err
}

func (s *scanner) canonicalArray(dst []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return dst, err
	}
	dst = append(dst, '[')
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return append(dst, ']'), nil
	}
	for {
		var err error
		if dst, err = s.canonical(dst); err != nil {
			return dst, err
		}
		c := s.peek()
		if c != ',' && c != ']' {
			return dst, s.unexpected("a comma or ]")
		}
		s.pos++
		dst = append(dst, c)
		if c == ']' {
			s.depth--
			return dst, nil
		}
	}
}

// canonicalMember is one written member, "name":value.
type canonicalMember struct {
	name     []byte
	from, to int
}

func (s *scanner) canonicalObject(dst []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	start := len(dst)
	members := make([]canonicalMember, 0, 8)
	for first := true; ; first = false {
		key, more, err := s.member(first)
		if err != nil {
			return dst, err
		}
		if !more {
			break
		}
		if !first {
			dst = append(dst, ',')
		}
		m := canonicalMember{name: s.name(key), from: len(dst)}
		dst = append(appendText(dst, m.name), ':')
		if dst, err = s.canonical(dst); err != nil {
			return dst, err
		}
		m.to = len(dst)
		members = append(members, m)
	}
	byName := func(a, b canonicalMember) int { return bytes.Compare(a.name, b.name) }
	if slices.IsSortedFunc(members, byName) {
		return append(dst, '}'), nil
	}
	slices.SortStableFunc(members, byName)
	written := bytes.Clone(dst[start:])
	dst = dst[:start]
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, written[m.from-start:m.to-start]...)
	}
	return append(dst, '}'), nil
}
