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
	Held      State = "held"      // the policy keeps it from being sent until operators allow it
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
	return []State{Queued, Accepted, Held, Waiting, Revoked, Planned, Listed, Rejected, Failed, Cancelled, Invalid, Retried}
}

// Final reports whether nothing more will happen.
func (s State) Final() bool {
	return s != Queued && s != Accepted && s != Held && s != Waiting && s != ""
}

// Open reports whether DigiCert has not been asked yet, or not for good, and
// nothing but time and the workers is needed.
func (s State) Open() bool { return s == Queued || s == Accepted }

// rank orders the states that are not final: none goes back to a lower one.
func (s State) rank() int {
	switch s {
	case Queued:
		return 1
	case Accepted:
		return 2
	case Held:
		return 3
	case Waiting:
		return 4
	default:
		return 0
	}
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
	case messages.EventRevokeHeld:
		return Held
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
	Product        string `json:"product,omitempty"` // DigiCert's name of it
	// CommonName and Serial are of the certificate that was named, else of the
	// order's, as far as an event of the command or of a plan or list for the
	// same order in the view said so. Account is DigiCert's, where it is said.
	CommonName string `json:"common_name,omitempty"`
	Serial     string `json:"serial_number,omitempty"`
	Account    string `json:"account,omitempty"`
	// DeadLetter is its sequence in the dead-letter stream; 0 is none.
	DeadLetter uint64 `json:"dead_letter,omitempty"`

	Comments     string                    `json:"comments,omitempty"`
	Reason       messages.RevocationReason `json:"revocation_reason,omitempty"`
	SkipApproval bool                      `json:"skip_approval,omitempty"`
	RequestedBy  string                    `json:"requested_by,omitempty"`
	ReplayOf     string                    `json:"replay_of,omitempty"`
	// ExpectedCommonName is known while the command is queued.
	ExpectedCommonName string `json:"expected_common_name,omitempty"`

	CancelledBy  string `json:"cancelled_by,omitempty"`
	CancelReason string `json:"cancel_reason,omitempty"`
	// HeldBy is the limit of the policy that holds or held it, as "50/10m", and
	// HeldCount how many orders were counted before it.
	HeldBy    string `json:"held_by,omitempty"`
	HeldCount int    `json:"held_count,omitempty"`

	Received  time.Time `json:"received_at,omitzero"`  // the stream stored the command
	Accepted  time.Time `json:"accepted_at,omitzero"`  // a worker took it
	Requested time.Time `json:"requested_at,omitzero"` // DigiCert made the request
	Finished  time.Time `json:"finished_at,omitzero"`  // its final event

	// Digest of the command's content; "" if not known, or not asked for.
	Digest string `json:"-"`
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

// Name is the command's name.
func (r Row) Name() messages.CommandName {
	return messages.CommandName{Source: r.Source, Incident: r.Incident, ID: r.ID}
}

// Key names the command: "<source>/<incident>/<id>", or "<source>/<id>" where
// there is no incident.
func (r Row) Key() string { return r.Name().String() }
