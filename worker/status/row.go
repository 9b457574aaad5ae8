package status

import (
	"time"

	"certrecall/messages"
)

// State is where a command stands.
type State string

// The states, in the order in which a command passes through them.
const (
	Queued    State = "queued"    // stored in the commands stream; no worker has said anything of it
	Accepted  State = "accepted"  // a worker has taken it; nothing is decided
	Waiting   State = "waiting"   // DigiCert made a request, which an administrator has to decide
	Revoked   State = "revoked"   // final: revoked
	Planned   State = "planned"   // final: the answer to a dry run
	Listed    State = "listed"    // final: the list
	Rejected  State = "rejected"  // final: an administrator said no
	Failed    State = "failed"    // final: see the error
	Cancelled State = "cancelled" // final: an operator cancelled it before anything was sent
	Invalid   State = "invalid"   // final for the message: it is no command, or conflicts with one
	Retried   State = "retried"   // one of the four above, and a later command stands in its place
)

// States returns all states, in the order in which a command passes through them.
func States() []State {
	return []State{Queued, Accepted, Waiting, Revoked, Planned, Listed, Rejected, Failed, Cancelled, Invalid, Retried}
}

// Final reports whether nothing more will happen.
func (s State) Final() bool {
	return s != Queued && s != Accepted && s != Waiting && s != ""
}

// Well reports whether what was asked for was done.
func (s State) Well() bool { return s == Revoked || s == Planned || s == Listed }

// Failed reports whether somebody should look: it ended, and not as asked,
// though nobody cancelled it.
func (s State) Failed() bool { return s == Rejected || s == Failed || s == Invalid }

// stateOf is the state that an event brings, or "" if it brings none.
func stateOf(e messages.EventName) State {
	switch e {
	case messages.EventRevokeAccepted:
		return Accepted
	case messages.EventRevokeRequested:
		return Waiting
	case messages.EventRevoked:
		return Revoked
	case messages.EventRevokePlanned:
		return Planned
	case messages.EventDuplicatesListed:
		return Listed
	case messages.EventRevokeRejected:
		return Rejected
	case messages.EventRevokeFailed, messages.EventListDuplicatesFailed:
		return Failed
	case messages.EventRevokeCancelled, messages.EventListDuplicatesCancelled:
		return Cancelled
	case messages.EventCommandRejected:
		return Invalid
	case messages.EventRevokeOverdue:
	}
	return ""
}

// Row is one command, and all that is known of it. Times are in UTC; a zero
// time is one that has not come.
type Row struct {
	Source string `json:"source"`
	// ID is the command's id, or the "seq-…" id of a message that has none.
	ID string `json:"id"`
	// ClaimedID is what such a message gave as its id.
	ClaimedID     string          `json:"claimed_id,omitempty"`
	Lane          messages.Lane   `json:"lane"`
	Action        messages.Action `json:"action"`
	OrderID       int64           `json:"order_id,omitempty"`
	CertificateID int64           `json:"certificate_id,omitempty"`
	Incident      string          `json:"incident,omitempty"`
	// DryRun is known while the command is queued and once it is planned.
	DryRun bool `json:"dry_run,omitempty"`

	State State     `json:"state"`
	Since time.Time `json:"since"` // when it came into its state
	// RetriedAs is the later command of the same source and incident for the same
	// order (certificate), a replay for example: what became of that one counts.
	RetriedAs string `json:"retried_as,omitempty"`
	// Overdue: its deadline passed before it had a final event.
	Overdue  bool      `json:"overdue"`
	Deadline time.Time `json:"deadline,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`

	RequestID int64    `json:"request_id,omitempty"` // DigiCert's request
	Status    string   `json:"status,omitempty"`     // DigiCert's own word
	Decision  Decision `json:"decision,omitzero"`
	Already   bool     `json:"already,omitempty"`
	Attempts  int      `json:"attempts"`
	Error     *Problem `json:"error,omitempty"`
	// Certificates counts those that were listed, or that would be revoked.
	Certificates   *int   `json:"certificates,omitempty"`
	OrderStatus    string `json:"order_status,omitempty"`
	ApprovalNeeded *bool  `json:"approval_needed,omitempty"`
	// DeadLetter is its sequence in the dead-letter stream; 0 is none.
	DeadLetter uint64 `json:"dead_letter,omitempty"`

	Comments     string                    `json:"comments,omitempty"`
	Reason       messages.RevocationReason `json:"revocation_reason,omitempty"`
	SkipApproval bool                      `json:"skip_approval,omitempty"`
	RequestedBy  string                    `json:"requested_by,omitempty"`
	ReplayOf     string                    `json:"replay_of,omitempty"`

	Received  time.Time `json:"received_at,omitzero"`  // the stream stored the command
	Accepted  time.Time `json:"accepted_at,omitzero"`  // a worker took it
	Requested time.Time `json:"requested_at,omitzero"` // DigiCert made the request
	Finished  time.Time `json:"finished_at,omitzero"`  // its final event

	// Digest of the command's content; "" if not known.
	Digest string `json:"-"`
	// sequence of the message in the commands stream, while it was seen there.
	sequence uint64
}

// Problem is an error of a command.
type Problem struct {
	Type          messages.ErrorType `json:"type"`
	Detail        string             `json:"detail"`
	Status        int                `json:"status,omitempty"`
	Code          string             `json:"code,omitempty"`
	Retryable     bool               `json:"retryable"`
	ConflictsWith string             `json:"conflicts_with,omitempty"`
}

// Decision is who decided DigiCert's request, as DigiCert tells it.
type Decision struct {
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Comment string    `json:"comment,omitempty"`
}

// Name is the command's.
func (r Row) Name() messages.CommandName {
	return messages.CommandName{Source: r.Source, Incident: r.Incident, ID: r.ID}
}

// Key names the command: see [messages.CommandName.String].
func (r Row) Key() string { return r.Name().String() }

// Filter says which commands a view is about. The zero Filter is all of them;
// fields that are given must all match.
type Filter struct {
	Incident string
	Source   string
	ID       string // with Source, and Incident where the command has one
	OrderID  int64
}

func (f Filter) matches(c messages.CommandName, order int64) bool {
	if f.OrderID != 0 && f.OrderID != order {
		return false
	}
	if f.ID != "" {
		return f.command() == c
	}
	return (f.Source == "" || f.Source == c.Source) && (f.Incident == "" || f.Incident == c.Incident)
}

// command is the one that the filter names by ID.
func (f Filter) command() messages.CommandName {
	return messages.CommandName{Source: f.Source, Incident: f.Incident, ID: f.ID}
}
