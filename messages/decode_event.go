package messages

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// DecodeEvent decodes an event from its subject, headers and body. It ignores
// what it does not know, so that newer workers can say more, and takes null as
// not given; it refuses what contradicts itself. Context, Request and
// Certificates of the event are parts of body.
func (n Names) DecodeEvent(subject string, header map[string][]string, body []byte) (Event, error) {
	name, command, err := n.ParseEventSubject(subject)
	if err != nil {
		return Event{}, err
	}
	d := eventDecoder{scanner: scanner{data: body}, event: Event{Name: name, ID: command.ID, Source: command.Source}}
	if err := d.read(); err != nil {
		return Event{}, fmt.Errorf("decoding event %s: data: %w", clip(subject), err)
	}
	e := &d.event
	e.Digest = getHeader(header, HeaderDigest)
	e.Origin = getHeader(header, HeaderOrigin)
	e.Traceparent = getHeader(header, HeaderTraceparent)
	e.Tracestate = getHeader(header, HeaderTracestate)
	if e.Source != command.Source {
		return Event{}, fmt.Errorf("decoding event %s: source is %q in the data", clip(subject), clip(e.Source))
	}
	if e.Incident != command.Incident {
		return Event{}, fmt.Errorf("decoding event %s: incident is %q in the data", clip(subject), clip(e.Incident))
	}
	if t := getHeader(header, ceType); t != "" && t != name.cloudEventsType() {
		return Event{}, fmt.Errorf("decoding event %s: %s is %q", clip(subject), ceType, clip(t))
	}
	if v := getHeader(header, ceSpecVersion); v != "" && v != specVersion {
		return Event{}, fmt.Errorf("decoding event %s: %s is %q", clip(subject), ceSpecVersion, clip(v))
	}
	if e.Time.IsZero() {
		e.Time, _ = parseTime(getHeader(header, ceTime))
	}
	return d.event, nil
}

// eventDecoder decodes the data of one event. The first thing that goes wrong
// stays in err; nothing is read after it.
type eventDecoder struct {
	scanner
	event Event
	err   error
}

// read reads the whole body.
func (d *eventDecoder) read() error {
	d.each(d.field)
	if d.err != nil {
		return d.err
	}
	if d.peek(); d.pos < len(d.data) {
		return d.fail("something follows the object")
	}
	return nil
}

// each reads an object and calls read for each member that is not null, with
// pos before its value.
func (d *eventDecoder) each(read func(name []byte)) {
	if !d.begins('{') {
		return
	}
	if d.err = d.enter(); d.err != nil {
		return
	}
	for first := true; ; first = false {
		key, more, err := d.member(first)
		if err != nil {
			d.err = err
		}
		if err != nil || !more {
			return
		}
		name := d.name(key)
		if d.peek() == 'n' {
			d.skip()
		} else {
			read(name)
		}
		if d.err != nil {
			if _, syntax := errors.AsType[*syntaxError](d.err); !syntax {
				d.err = fmt.Errorf("%s: %w", clip(string(name)), d.err)
			}
			return
		}
	}
}

// field reads the value of one member of the data.
func (d *eventDecoder) field(name []byte) {
	e := &d.event
	switch string(name) {
	case "command_id":
		readText(d, &e.CommandID)
	case "source":
		readText(d, &e.Source)
	case "action":
		readText(d, &e.Action)
	case "lane":
		readText(d, &e.Lane)
	case "incident":
		readText(d, &e.Incident)
	case "requested_by":
		readText(d, &e.RequestedBy)
	case "context":
		e.Context = d.raw('{')
	case "deadline":
		d.time(&e.Deadline)
	case "expires":
		d.time(&e.Expires)
	case "comments":
		readText(d, &e.Comments)
	case "skip_approval":
		d.flag(&e.SkipApproval)
	case "revocation_reason":
		readText(d, &e.RevocationReason)
	case "order_id":
		readNumber(d, &e.OrderID)
	case "certificate_id":
		readNumber(d, &e.CertificateID)
	case "request_id":
		readNumber(d, &e.RequestID)
	default:
		d.outcome(name)
	}
}

// outcome reads the members that do not come from the command.
func (d *eventDecoder) outcome(name []byte) {
	e := &d.event
	switch string(name) {
	case "status":
		readText(d, &e.Status)
	case "already":
		d.flag(&e.Already)
	case "attempts":
		readNumber(d, &e.Attempts)
	case "request":
		e.Request = d.raw('{')
	case "certificates":
		e.Certificates = d.raw('[')
	case "count":
		e.Count = new(int)
		readNumber(d, e.Count)
	case "certificates_object":
		e.CertificatesObject = new(ObjectRef)
		d.each(d.objectField)
	case "order_status":
		readText(d, &e.OrderStatus)
	case "approval_needed":
		e.ApprovalNeeded = new(bool)
		d.flag(e.ApprovalNeeded)
	case "product":
		readText(d, &e.Product)
	case "keys":
		d.keys()
	case "cancelled_by":
		readText(d, &e.CancelledBy)
	case "cancel_reason":
		readText(d, &e.CancelReason)
	case "held":
		e.Held = new(Held)
		d.each(d.heldField)
	case "error":
		e.Error = new(Error)
		d.each(d.errorField)
	case "replay_of":
		readText(d, &e.ReplayOf)
	case "received_at":
		d.time(&e.ReceivedAt)
	case "finished_at":
		d.time(&e.Time)
	default:
		d.skip()
	}
}

func (d *eventDecoder) errorField(name []byte) {
	p := d.event.Error
	switch string(name) {
	case "type":
		readText(d, &p.Type)
	case "title":
		readText(d, &p.Title)
	case "detail":
		readText(d, &p.Detail)
	case "status":
		readNumber(d, &p.Status)
	case "code":
		readText(d, &p.Code)
	case "retryable":
		d.flag(&p.Retryable)
	case "conflicts_with":
		readText(d, &p.ConflictsWith)
	default:
		d.skip()
	}
}

func (d *eventDecoder) objectField(name []byte) {
	r := d.event.CertificatesObject
	switch string(name) {
	case "bucket":
		readText(d, &r.Bucket)
	case "name":
		readText(d, &r.Name)
	case "size":
		readNumber(d, &r.Size)
	case "digest":
		readText(d, &r.Digest)
	default:
		d.skip()
	}
}

// skip reads a value that says nothing here.
func (d *eventDecoder) skip() { _, d.err = d.value() }

// begins makes sure that the next value is of a kind.
func (d *eventDecoder) begins(kind byte) bool {
	if d.peek() == kind {
		return true
	}
	found, err := d.value()
	if err == nil {
		err = fmt.Errorf("want %s, found %s", kindName(kind), kindName(found))
	}
	d.err = err
	return false
}

func (d *eventDecoder) raw(kind byte) []byte {
	if !d.begins(kind) {
		return nil
	}
	from := d.pos
	d.skip()
	return d.data[from:d.pos:d.pos]
}

func (d *eventDecoder) flag(v *bool) {
	found, err := d.value()
	if err == nil && found != 't' && found != 'f' {
		err = fmt.Errorf("want a boolean, found %s", kindName(found))
	}
	*v, d.err = found == 't', err
}

func (d *eventDecoder) time(v *time.Time) {
	var text string
	readText(d, &text)
	if d.err != nil {
		return
	}
	t, ok := parseTime(text)
	if !ok {
		d.err = fmt.Errorf("want an RFC 3339 time, found %q", clip(text))
	}
	*v = t
}

func readText[T ~string](d *eventDecoder, v *T) {
	if !d.begins('"') {
		return
	}
	t, err := d.text()
	if err != nil {
		d.err = err
		return
	}
	if t.escaped || !utf8.Valid(d.data[t.from:t.to]) {
		*v = T(unescape(d.data[t.from:t.to]))
		return
	}
	*v = T(d.data[t.from:t.to])
}

func readNumber[T ~int | ~int64](d *eventDecoder, v *T) {
	d.peek()
	from := d.pos
	if d.skip(); d.err != nil {
		return
	}
	n, err := strconv.ParseInt(string(d.data[from:d.pos]), 10, 64)
	if err != nil || int64(T(n)) != n {
		d.err = fmt.Errorf("want an integer, found %s", clip(string(d.data[from:d.pos])))
		return
	}
	*v = T(n)
}
