package client

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Operation names one operation of DigiCert's API, as in errors and metric labels.
type Operation string

// The operations, each one endpoint. OpProbe is the neutral read that asks whether DigiCert and the key work.
const (
	OpRevokeOrder       Operation = "revoke-order"
	OpRevokeCertificate Operation = "revoke-certificate"
	OpOrder             Operation = "order"
	OpDuplicates        Operation = "list-duplicates"
	OpReissues          Operation = "list-reissues"
	OpRequest           Operation = "request"
	OpRequests          Operation = "list-requests"
	OpStatusChanges     Operation = "status-changes"
	OpProbe             Operation = "probe"
)

// Operations returns every operation, the mutating ones first.
func Operations() []Operation {
	return []Operation{OpRevokeOrder, OpRevokeCertificate, OpOrder, OpDuplicates, OpReissues, OpRequest, OpRequests, OpStatusChanges, OpProbe}
}

// Class says what a failure means for the caller. The set is closed: it is made for a switch and for a metric label.
type Class string

const (
	// ClassThrottled: answered 429. The whole key is blocked for a while. The call did nothing.
	ClassThrottled Class = "throttled"
	// ClassUnavailable: a read that was answered 5xx, 408 or 3xx, or by something in front of the API (Error.Foreign), could
	// not be understood, or not finished. It may be repeated.
	ClassUnavailable Class = "unavailable"
	// ClassKeyRefused: answered 401, or 403 with the code access_denied|access_denied_invalid_key. The call did nothing.
	ClassKeyRefused Class = "key-refused"
	// ClassForbidden: any other 403 of the API. The call did nothing.
	ClassForbidden Class = "forbidden"
	// ClassNotFound: answered 404.
	ClassNotFound Class = "not-found"
	// ClassRefused: any other 4xx of the API, or a read whose answer is larger than its limit.
	ClassRefused Class = "refused"
	// ClassOutcomeUnknown: a PUT that may or may not have taken effect: time-out or reset after a connection was
	// gained, 5xx, 408, a 2xx that cannot be read, a redirect (never followed), or a no of something in front of the API.
	// Read back before anything else is sent.
	ClassOutcomeUnknown Class = "outcome-unknown"
	// ClassNeverSent: nothing of the call was written: no key, no connection for a PUT, or Admit or the guard said no.
	ClassNeverSent Class = "never-sent"
)

// Classes returns every class.
func Classes() []Class {
	return []Class{ClassThrottled, ClassUnavailable, ClassKeyRefused, ClassForbidden, ClassNotFound, ClassRefused, ClassOutcomeUnknown, ClassNeverSent}
}

type classError Class

func (c classError) Error() string { return "digicert: " + string(c) }

// One sentinel a class: errors.Is(err, ErrThrottled) holds for every *Error of ClassThrottled.
var (
	ErrThrottled      error = classError(ClassThrottled)
	ErrUnavailable    error = classError(ClassUnavailable)
	ErrKeyRefused     error = classError(ClassKeyRefused)
	ErrForbidden      error = classError(ClassForbidden)
	ErrNotFound       error = classError(ClassNotFound)
	ErrRefused        error = classError(ClassRefused)
	ErrOutcomeUnknown error = classError(ClassOutcomeUnknown)
	ErrNeverSent      error = classError(ClassNeverSent)
)

// Error is every failure of a call. It never holds the API key.
type Error struct {
	Op    Operation
	Class Class
	// OrderID, CertificateID and RequestID say what the call was about; 0 = not given by the caller.
	OrderID, CertificateID, RequestID int64
	// Status is the HTTP status; 0 = no answer.
	Status int
	// Code and Message are DigiCert's, of the first error of the body that has a code. The message may be in any
	// language: nothing may depend on it. Both are clipped and free of control characters.
	Code, Message string
	// RetryAfter is the header's delay, 0 to one hour; 0 = none given.
	RetryAfter time.Duration
	// Foreign: the answer is not the API's own; something in front of it answered. NotJSON: its body is not even JSON.
	Foreign, NotJSON bool
	// Canceled: the caller's context ended first, so the failure says nothing about DigiCert.
	Canceled bool
	// Err is the cause where there was no answer, or none that could be read.
	Err error
}

// Error is a sentence for people: "revoke-order 4711: DigiCert answered 404 not_found|order: …".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Op))
	for _, id := range [...]int64{e.OrderID, e.CertificateID, e.RequestID} {
		if id != 0 {
			b.WriteByte(' ')
			b.WriteString(strconv.FormatInt(id, 10))
		}
	}
	switch e.Class {
	case ClassNeverSent:
		b.WriteString(": never sent")
	case ClassOutcomeUnknown:
		b.WriteString(": outcome unknown")
	case ClassThrottled, ClassUnavailable, ClassKeyRefused, ClassForbidden, ClassNotFound, ClassRefused:
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ": DigiCert answered %d", e.Status)
		if e.Code != "" {
			b.WriteByte(' ')
			b.WriteString(e.Code)
		}
		switch {
		case e.NotJSON:
			b.WriteString(" with a body that is not JSON")
		case e.Foreign:
			b.WriteString(" with a body that is not the API's")
		}
	}
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (retry after %s)", e.RetryAfter)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of the error's class.
func (e *Error) Is(target error) bool {
	c, ok := target.(classError)
	return ok && Class(c) == e.Class
}

// HasCode reports whether DigiCert's code is code, or code with a qualifier: not_found has not_found|order, and
// required_param has required_param:comments.
func (e *Error) HasCode(code string) bool {
	rest, ok := strings.CutPrefix(e.Code, code)
	return ok && code != "" && (rest == "" || rest[0] == '|' || rest[0] == ':')
}
