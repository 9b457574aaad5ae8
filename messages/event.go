package messages

import (
	"encoding/json"
	"time"
)

// EventName says what an event reports. It is a token of the subject.
type EventName string

// The events of version 1.
const (
	EventRevokeAccepted          EventName = "revoke-accepted"           // a worker has taken the command; nothing is sent yet
	EventRevokeRequested         EventName = "revoke-requested"          // DigiCert made a request that waits for an administrator
	EventRevokeHeld              EventName = "revoke-held"               // the policy keeps it from being sent until operators allow it
	EventRevokeOverdue           EventName = "revoke-overdue"            // the deadline passed without a final event
	EventRevoked                 EventName = "revoked"                   // final: the order or certificate is revoked
	EventRevokeRejected          EventName = "revoke-rejected"           // final: an administrator rejected the request
	EventRevokeFailed            EventName = "revoke-failed"             // final: refused, protected, expired or given up
	EventRevokeCancelled         EventName = "revoke-cancelled"          // final: cancelled before anything was sent
	EventRevokePlanned           EventName = "revoke-planned"            // final: the answer to dry_run
	EventDuplicatesListed        EventName = "duplicates-listed"         // final: the list
	EventListDuplicatesFailed    EventName = "list-duplicates-failed"    // final: refused, expired or given up
	EventListDuplicatesCancelled EventName = "list-duplicates-cancelled" // final: cancelled before anything was asked
	EventCommandRejected         EventName = "command-rejected"          // final for its message: not a command, or in conflict with one
)

// EventNames returns all events, in the order of the contract.
func EventNames() []EventName {
	return []EventName{
		EventRevokeAccepted, EventRevokeRequested, EventRevokeHeld, EventRevokeOverdue, EventRevoked,
		EventRevokeRejected, EventRevokeFailed, EventRevokeCancelled, EventRevokePlanned, EventDuplicatesListed,
		EventListDuplicatesFailed, EventListDuplicatesCancelled, EventCommandRejected,
	}
}

// Final reports whether nothing follows the event. After command-rejected a
// corrected command may still go on under the same id.
func (e EventName) Final() bool {
	return e.known() && e != EventRevokeAccepted && e != EventRevokeRequested && e != EventRevokeHeld && e != EventRevokeOverdue
}

// known reports whether the event exists.
func (e EventName) known() bool { return e.cloudEventsType() != "" }

// cloudEventsType returns the ce-type of the event, or "" for an event that
// does not exist.
func (e EventName) cloudEventsType() string {
	switch e {
	case EventRevokeAccepted:
		return "certrecall.revoke-accepted.v1"
	case EventRevokeRequested:
		return "certrecall.revoke-requested.v1"
	case EventRevokeHeld:
		return "certrecall.revoke-held.v1"
	case EventRevokeOverdue:
		return "certrecall.revoke-overdue.v1"
	case EventRevoked:
		return "certrecall.revoked.v1"
	case EventRevokeRejected:
		return "certrecall.revoke-rejected.v1"
	case EventRevokeFailed:
		return "certrecall.revoke-failed.v1"
	case EventRevokeCancelled:
		return "certrecall.revoke-cancelled.v1"
	case EventRevokePlanned:
		return "certrecall.revoke-planned.v1"
	case EventDuplicatesListed:
		return "certrecall.duplicates-listed.v1"
	case EventListDuplicatesFailed:
		return "certrecall.list-duplicates-failed.v1"
	case EventListDuplicatesCancelled:
		return "certrecall.list-duplicates-cancelled.v1"
	case EventCommandRejected:
		return "certrecall.command-rejected.v1"
	}
	return ""
}

// ofRevocation reports whether the event belongs to a revocation alone.
func (e EventName) ofRevocation() bool {
	return e.known() && e != EventCommandRejected && !e.ofListing()
}

// ofListing reports whether the event belongs to a listing alone.
func (e EventName) ofListing() bool {
	return e == EventDuplicatesListed || e == EventListDuplicatesFailed || e == EventListDuplicatesCancelled
}

// bearsError reports whether the event says what went wrong.
func (e EventName) bearsError() bool {
	return e == EventRevokeFailed || e == EventRevokeRejected || e == EventListDuplicatesFailed || e == EventCommandRejected
}

// ofCancellation reports whether the event says that an operator cancelled.
func (e EventName) ofCancellation() bool {
	return e == EventRevokeCancelled || e == EventListDuplicatesCancelled
}

// bearsCertificates reports whether the event holds a list of certificates.
func (e EventName) bearsCertificates() bool {
	return e == EventDuplicatesListed || e == EventRevokePlanned
}

// Event is one event: what its subject, headers and data say together.
type Event struct {
	Name EventName
	// ID is the id token of the subject: the command's id, or "seq-…" for a
	// message that cannot be answered under its own.
	ID   string
	Time time.Time // of this event: ce-time and finished_at; UTC

	Digest                  string // SHA-256 of the decoded command, hex; "" = no header
	Traceparent, Tracestate string // of the command, unchanged
	// Origin names the message the event answers: "<creation time of the
	// commands stream, unix seconds>-<stream sequence>"; "" = no header.
	Origin string

	CommandID    string // as in the command; for command-rejected the id it claims
	Source       string
	Action       Action
	Lane         Lane
	Incident     string
	RequestedBy  string
	Context      json.RawMessage // the producer's own object, unchanged
	Deadline     time.Time
	Expires      time.Time
	Comments     string
	SkipApproval bool
	// RevocationReason is the reason sent with the call that took effect;
	// before that, the command's; "" where another's call took effect with a
	// reason that is not known.
	RevocationReason RevocationReason

	OrderID       int64  // 0 = not known
	CertificateID int64  // 0 = the whole order
	RequestID     int64  // DigiCert's request; 0 = none was made
	Status        string // DigiCert's own word
	Already       bool   // somebody else had caused it before
	Attempts      int    // calls of the revoking (listing) endpoint begun for this command

	Request            json.RawMessage // DigiCert's request object, unchanged
	Certificates       json.RawMessage // DigiCert's certificate objects, a JSON array, unchanged
	Count              *int            // how many certificates
	CertificatesObject *ObjectRef      // where the array is, if too large for a message
	OrderStatus        string
	ApprovalNeeded     *bool
	Product            string    // DigiCert's product.name_id
	Keys               []KeyHash // of the certificates whose CSR could be read; nil = not read

	CancelledBy  string // the operator
	CancelReason string
	Held         *Held // whose limit holds the command

	Error      *Error
	ReplayOf   string
	ReceivedAt time.Time // when the stream stored the command; UTC
}

// ObjectRef says where in the object store a result is.
type ObjectRef struct {
	Bucket string
	Name   string // "<source>.<incident>.<command-id>.<sha256>"
	Size   int64  // bytes
	Digest string // "SHA-256=<base64url>"
}

// NewEvent returns an event about a command, with all that comes from the
// command filled in. at is the time of the event, receivedAt when the stream
// stored the command.
//
// A command-rejected event gets no digest, since the message may not have been
// readable as a command: a caller that knows it was (command-conflict) sets it.
func NewEvent(c Command, name EventName, at, receivedAt time.Time) Event {
	e := Event{
		Name: name, ID: c.ID, Time: at.UTC().Round(0), ReceivedAt: receivedAt.UTC().Round(0),
		Traceparent: c.Traceparent, Tracestate: c.Tracestate,
		CommandID: c.ID, Source: answered(c.Source), Action: c.Action(), Lane: c.Lane,
		Incident: c.Incident, RequestedBy: c.RequestedBy, Context: c.Context,
		Deadline: c.Deadline, Expires: c.Expires,
		Comments: c.Comments, SkipApproval: c.SkipApproval, RevocationReason: c.RevocationReason,
		OrderID: c.OrderID, CertificateID: c.CertificateID, ReplayOf: c.ReplayOf,
	}
	if c.ID == "" {
		e.CommandID = c.ClaimedID
	}
	if name != EventCommandRejected {
		e.Digest = c.Digest()
	}
	return e
}
