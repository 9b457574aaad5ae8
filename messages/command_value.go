package messages

import (
	"bytes"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What is said about a field, where it is said more than once.
const (
	givenTwice    = "given twice; give it once"
	missing       = "missing; it is required"
	oneObject     = "; send one JSON object"
	tooLarge      = "larger than 64 KiB; send less"
	notVersion1   = "must be 1.0; send CloudEvents 1.0"
	notAnID       = "must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -"
	reservedID    = "is reserved: it begins with seq- or ends in -replay-<digits>; choose another"
	notPositive   = "must be an integer from 1 to 9223372036854775807, or a string of its digits"
	notATime      = "must be an RFC 3339 time such as 2026-03-01T17:00:00Z"
	notInRange    = "must lie in the years 1 to 9999, and not be the zero time; leave the field out if there is none"
	badComments   = "must be 1 to 1000 characters; shorten it"
	badControl    = "has a control character; write it in one line of plain text"
	badRequester  = "must be at most 256 characters; shorten it"
	badCommonName = "must be 1 to 255 characters; leave the field out if it does not matter"
	badIncident   = "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and not - alone"
	badReason     = "must be one of unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation"
	contextLarge  = "larger than 8 KiB; send less"
	ofRevocations = "belongs to revoke commands; leave it out, or send to another lane"
	ofListings    = "belongs to list-duplicates commands; leave it out, or send to another lane"
)

// commandObject reads the object that is the command; what names it in reports.
func (d *commandDecoder) commandObject(what string) error {
	if d.peek() != '{' {
		kind, err := d.value()
		if err == nil {
			d.found.add(what, "must be a JSON object, not "+kindName(kind))
		}
		return err
	}
	if err := d.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		key, more, err := d.member(first)
		if err != nil {
			return err
		}
		if !more {
			d.read = true
			return nil
		}
		name := d.name(key)
		d.step(step{name: name})
		if key.broken {
			d.reportBroken()
		}
		if err := d.fieldValue(fieldOf(name), name); err != nil {
			return err
		}
		d.leave()
	}
}

// fieldValue reads the value of one member of the command.
func (d *commandDecoder) fieldValue(f field, name []byte) (err error) {
	switch {
	case f == fieldUnknown:
		d.found.add(clip(string(name)), unknown(name))
		_, err = d.value()
		return err
	case d.seen.has(f):
		d.found.add(f.name(), givenTwice)
		switch f {
		case fieldID:
			d.id.usable = false
		case fieldIncident:
			d.command.Incident = "" // which of the two is meant cannot be read
		default:
		}
		_, err = d.value()
		return err
	}
	d.seen.add(f)
	if !f.of(d.action) {
		detail := ofRevocations
		if d.action == ActionRevoke {
			detail = ofListings
		}
		d.found.add(f.name(), detail)
		_, err = d.value()
		return err
	}
	c := &d.command
	switch f {
	case fieldID:
		d.id, err = d.idValue()
	case fieldOrderID:
		c.OrderID, err = d.positive(f)
	case fieldCertificateID:
		c.CertificateID, err = d.positive(f)
	case fieldComments:
		c.Comments, err = d.checked(f, checkComments)
	case fieldRevocationReason:
		var reason string
		reason, err = d.checked(f, checkReason)
		c.RevocationReason = RevocationReason(reason)
	case fieldSkipApproval:
		c.SkipApproval, err = d.flag(f)
	case fieldExpectedCommonName:
		c.ExpectedCommonName, err = d.checked(f, checkCommonName)
	case fieldDryRun:
		c.DryRun, err = d.flag(f)
	case fieldShowArchived:
		c.ShowArchived, err = d.flag(f)
	case fieldIncident:
		c.Incident, err = d.checked(f, checkIncident)
	case fieldDeadline:
		c.Deadline, err = d.time(f)
	case fieldExpires:
		c.Expires, err = d.time(f)
	case fieldRequestedBy:
		c.RequestedBy, err = d.checked(f, checkRequester)
	case fieldContext:
		c.Context, err = d.context(f)
	case fieldUnknown:
	}
	return err
}

// wrongType reads a value of a wrong type and reports it.
func (d *commandDecoder) wrongType(f field, want string) error {
	kind, err := d.value()
	if err == nil {
		d.found.add(f.name(), "must be "+want+", not "+kindName(kind))
	}
	return err
}

// textValue reads a string. ok is false where it is none or not Unicode text,
// which is reported then.
func (d *commandDecoder) textValue(f field) (v string, ok bool, err error) {
	if d.peek() != '"' {
		return "", false, d.wrongType(f, "a string")
	}
	t, err := d.text()
	switch {
	case err != nil:
		return "", false, err
	case t.broken:
		d.reportBroken()
		return "", false, nil
	case t.escaped:
		return string(unescape(d.data[t.from:t.to])), true, nil
	}
	return d.slice(t.from, t.to), true, nil
}

// slice returns a part of data as a string.
func (d *commandDecoder) slice(from, to int) string {
	if d.whole == "" {
		d.whole = string(d.data)
	}
	return d.whole[from:to]
}

// checked reads a string that has to pass a check. The check returns what is
// wrong with it.
func (d *commandDecoder) checked(f field, check func(string) string) (string, error) {
	v, ok, err := d.textValue(f)
	if !ok {
		return "", err
	}
	if wrong := check(v); wrong != "" {
		d.found.add(f.name(), wrong)
		return "", nil
	}
	return v, nil
}

func checkComments(v string) string {
	if n := utf8.RuneCountInString(v); n < 1 || n > MaxComments {
		return badComments
	}
	if strings.IndexFunc(v, unicode.IsControl) >= 0 {
		return badControl
	}
	return ""
}

func checkReason(v string) string {
	switch RevocationReason(v) {
	case ReasonUnspecified, ReasonKeyCompromise, ReasonAffiliationChanged, ReasonSuperseded, ReasonCessationOfOperation:
		return ""
	}
	return badReason
}

func checkIncident(v string) string {
	if !ValidIncident(v) {
		return badIncident
	}
	return ""
}

func checkCommonName(v string) string {
	if n := utf8.RuneCountInString(v); n < 1 || n > MaxCommonName {
		return badCommonName
	}
	return ""
}

func checkRequester(v string) string {
	if utf8.RuneCountInString(v) > MaxRequestedBy {
		return badRequester
	}
	return ""
}

// positive reads an integer above 0, or a string of its digits.
func (d *commandDecoder) positive(f field) (int64, error) {
	var digits []byte
	switch c := d.peek(); {
	case c == '"':
		t, err := d.text()
		if err != nil {
			return 0, err
		}
		digits = d.name(t)
	case c == '-' || c-'0' <= 9:
		from := d.pos
		if err := d.number(); err != nil {
			return 0, err
		}
		digits = d.data[from:d.pos]
	default:
		return 0, d.wrongType(f, "an integer or a string of digits")
	}
	n := parsePositive(digits)
	if n == 0 {
		d.found.add(f.name(), notPositive)
	}
	return n, nil
}

// parsePositive returns the number that digits write, or 0 if it is none, or
// not from 1 to 2^63-1.
func parsePositive(digits []byte) int64 {
	var n int64
	for _, c := range digits {
		v := int64(c - '0')
		if c < '0' || c > '9' || n > (math.MaxInt64-v)/10 {
			return 0
		}
		n = 10*n + v
	}
	return n
}

func (d *commandDecoder) flag(f field) (bool, error) {
	switch d.peek() {
	case 't':
		return true, d.literal("true")
	case 'f':
		return false, d.literal("false")
	}
	return false, d.wrongType(f, "true or false")
}

func (d *commandDecoder) time(f field) (time.Time, error) {
	v, ok, err := d.textValue(f)
	if !ok {
		return time.Time{}, err
	}
	t, ok := parseTime(v)
	switch {
	case !ok:
		d.found.add(f.name(), notATime)
		return time.Time{}, nil
	case t.IsZero() || !writable(t):
		d.found.add(f.name(), notInRange)
		return time.Time{}, nil
	}
	return t, nil
}

func (d *commandDecoder) context(f field) ([]byte, error) {
	if d.peek() != '{' {
		return nil, d.wrongType(f, "an object")
	}
	from, before := d.pos, d.found.count()
	if err := d.object(); err != nil {
		return nil, err
	}
	if d.pos-from > MaxContextBytes {
		d.found.add(f.name(), contextLarge)
	}
	if d.found.count() > before {
		return nil, nil
	}
	return bytes.Clone(d.data[from:d.pos]), nil
}
