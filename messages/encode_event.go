package messages

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// EncodeEvent returns an event as a CloudEvents 1.0 message in binary mode:
// its subject, its headers, and the data as body. Context, Request and
// Certificates stand in the body byte for byte.
//
// The error says, all at once, what the event lacks or has too much for the
// contract; it is a mistake of the caller, never of somebody's data.
func (n Names) EncodeEvent(e Event) (subject string, header map[string][]string, body []byte, err error) {
	if err := e.check(); err != nil {
		return "", nil, nil, fmt.Errorf("encoding event %s: %w", e.Name, err)
	}
	subject = n.EventSubject(e.Name, e.Command())
	return subject, n.eventHeader(e, subject), e.data(), nil
}

// eventHeader returns the headers of an event.
func (n Names) eventHeader(e Event, subject string) map[string][]string {
	const most = 13
	header := make(map[string][]string, most)
	values := make([]string, 0, most)
	set := func(name, value string) {
		if value != "" {
			values = append(values, value)
			header[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	command := e.CommandID
	if command == "" {
		command = e.ID
	}
	correlation := e.Incident
	if correlation == "" {
		correlation = command
	}
	set(ceSpecVersion, specVersion)
	set(ceID, subject[len(n.event):])
	set(ceSource, n.origin)
	set(ceType, e.Name.cloudEventsType())
	set(ceTime, e.Time.UTC().Format(time.RFC3339Nano))
	set(ceDataContentType, "application/json")
	set(ceSubject, e.target())
	set(ceCorrelationID, encodeAttribute(correlation))
	set(ceCausationID, encodeAttribute(command))
	set(HeaderDigest, e.Digest)
	set(HeaderOrigin, e.Origin)
	set(HeaderTraceparent, e.Traceparent)
	set(HeaderTracestate, e.Tracestate)
	return header
}

// target returns what the event is about, or "" if it is not known.
func (e *Event) target() string {
	if e.OrderID == 0 {
		return ""
	}
	b := strconv.AppendInt(append(make([]byte, 0, 64), "order/"...), e.OrderID, 10)
	if e.CertificateID != 0 {
		b = strconv.AppendInt(append(b, "/certificate/"...), e.CertificateID, 10)
	}
	return string(b)
}

// data returns the body of the event.
func (e *Event) data() []byte {
	o := object{buf: make([]byte, 0, 768+len(e.Context)+len(e.Request)+len(e.Certificates)+len(e.Comments))}
	revocation := e.Name.ofRevocation()
	o.alwaysText("command_id", e.CommandID)
	o.alwaysText("source", e.Source)
	o.alwaysText("action", string(e.Action))
	o.alwaysText("lane", string(e.Lane))
	o.alwaysFlag("final", e.Name.Final())
	o.number("order_id", e.OrderID)
	o.number("certificate_id", e.CertificateID)
	o.text("incident", e.Incident)
	o.text("requested_by", e.RequestedBy)
	o.time("deadline", e.Deadline)
	o.time("expires", e.Expires)
	o.text("comments", e.Comments)
	if revocation {
		o.alwaysFlag("skip_approval", e.SkipApproval)
	} else {
		o.flag("skip_approval", e.SkipApproval)
	}
	o.text("revocation_reason", string(e.RevocationReason))
	o.number("request_id", e.RequestID)
	o.text("status", e.Status)
	if revocation {
		o.alwaysFlag("already", e.Already)
	}
	o.alwaysNumber("attempts", int64(e.Attempts))
	o.text("order_status", e.OrderStatus)
	if e.ApprovalNeeded != nil {
		o.alwaysFlag("approval_needed", *e.ApprovalNeeded)
	}
	o.text("product", e.Product)
	o.keys(e.Keys)
	if e.Name.ofCancellation() {
		o.alwaysText("cancelled_by", e.CancelledBy)
		o.alwaysText("cancel_reason", e.CancelReason)
	}
	if e.Held != nil {
		o.name("held")
		o.buf = e.Held.append(o.buf)
	}
	if e.Error != nil {
		o.name("error")
		o.buf = e.Error.append(o.buf)
	}
	o.text("replay_of", e.ReplayOf)
	o.time("received_at", e.ReceivedAt)
	o.time("finished_at", e.Time)
	o.raw("context", e.Context)
	o.raw("request", e.Request)
	if e.Count != nil {
		o.alwaysNumber("count", int64(*e.Count))
	}
	if e.CertificatesObject != nil {
		o.name("certificates_object")
		o.buf = e.CertificatesObject.append(o.buf)
	}
	o.raw("certificates", e.Certificates)
	return o.end()
}

// append appends the error as a JSON object.
func (p *Error) append(dst []byte) []byte {
	o := object{}
	o.alwaysText("type", string(p.Type))
	o.alwaysText("title", p.Title)
	o.alwaysText("detail", p.Detail)
	o.number("status", int64(p.Status))
	o.text("code", p.Code)
	o.alwaysFlag("retryable", p.Retryable)
	o.text("conflicts_with", p.ConflictsWith)
	return append(dst, o.end()...)
}

// append appends the reference as a JSON object.
func (r *ObjectRef) append(dst []byte) []byte {
	o := object{}
	o.alwaysText("bucket", r.Bucket)
	o.alwaysText("name", r.Name)
	o.alwaysNumber("size", r.Size)
	o.alwaysText("digest", r.Digest)
	return append(dst, o.end()...)
}

// check says what keeps the event from being one of the contract.
func (e *Event) check() error {
	var wrong []error
	refuse := func(is bool, what string) {
		if is {
			wrong = append(wrong, errors.New(what))
		}
	}
	refuse(!e.Name.known(), "name: there is no such event")
	refuse(!ValidSource(e.Source), "source: breaks the rule")
	refuse(e.Incident != "" && !ValidIncident(e.Incident), "incident: breaks the rule")
	refuse(!ValidID(e.ID), "id: breaks the rule")
	refuse(e.CommandID != e.ID && e.Name != EventCommandRejected, "command_id: differs from the id")
	refuse(e.Action == "" || e.Action != e.Lane.Action(), "action: is not that of the lane")
	refuse(e.Name.ofListing() && e.Action != ActionListDuplicates, "action: the event belongs to a listing")
	refuse(e.Name.ofRevocation() && e.Action != ActionRevoke, "action: the event belongs to a revocation")
	refuse(e.Name.ofRevocation() && e.Comments == "", "comments: missing; the events are the record of them")
	refuse(e.Time.IsZero(), "time: missing")
	refuse(e.ReceivedAt.IsZero(), "received_at: missing")
	for _, t := range [...]time.Time{e.Time, e.ReceivedAt, e.Deadline, e.Expires} {
		refuse(!writable(t), "times: the year can not be written as RFC 3339")
	}
	refuse(e.OrderID < 0 || e.CertificateID < 0 || e.RequestID < 0 || e.Attempts < 0, "ids and attempts: below 0")
	refuse(e.OrderID == 0 && e.Name != EventCommandRejected, "order_id: missing")
	for _, text := range [...]string{e.Digest, e.Origin, e.Traceparent, e.Tracestate} {
		refuse(!headerSafe(text), "headers: a value can not stand in a header")
	}
	refuse((e.Error != nil) != e.Name.bearsError(), "error: must be there exactly in failed and rejected")
	if e.Error != nil {
		refuse(e.Error.Type.Title() == "" || e.Error.Title == "" || e.Error.Detail == "", "error: type, title or detail missing")
	}
	e.checkPolicy(refuse)
	listed := e.Certificates != nil
	refuse(listed && e.CertificatesObject != nil, "certificates: given in both ways")
	listed = listed || e.CertificatesObject != nil
	refuse(listed != e.Name.bearsCertificates(), "certificates: must be there exactly in duplicates-listed and revoke-planned")
	refuse(listed != (e.Count != nil), "count: must be there exactly with certificates")
	for _, raw := range [...]struct {
		name string
		json []byte
		kind byte
	}{{"context", e.Context, '{'}, {"request", e.Request, '{'}, {"certificates", e.Certificates, '['}} {
		if raw.json == nil {
			continue
		}
		if err := checkRaw(raw.json, raw.kind); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", raw.name, err))
		}
	}
	return errors.Join(wrong...)
}
