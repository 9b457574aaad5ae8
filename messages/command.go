package messages

import (
	"encoding/json"
	"time"
)

// Limits of a command, from the contract.
const (
	MaxCommandBytes = 64 << 10 // the JSON object
	MaxContextBytes = 8 << 10  // the value of context, white space included
	MaxComments     = 1000     // characters
	MaxRequestedBy  = 256      // characters
	MaxCommonName   = 255      // characters
)

// RevocationReason is the reason DigiCert writes into its revocation list, as
// RFC 5280 section 5.3.1 spells it. The empty reason means that none was given:
// no field is sent then.
type RevocationReason string

// The reasons a subscriber may give (CA/Browser Forum TLS Baseline
// Requirements, section 7.2.2). Any other is refused, never replaced.
const (
	ReasonUnspecified          RevocationReason = "unspecified"
	ReasonKeyCompromise        RevocationReason = "keyCompromise"
	ReasonAffiliationChanged   RevocationReason = "affiliationChanged"
	ReasonSuperseded           RevocationReason = "superseded"
	ReasonCessationOfOperation RevocationReason = "cessationOfOperation"
)

// RevocationReasons returns all reasons a command may give.
func RevocationReasons() []RevocationReason {
	return []RevocationReason{
		ReasonUnspecified, ReasonKeyCompromise, ReasonAffiliationChanged, ReasonSuperseded, ReasonCessationOfOperation,
	}
}

// Command is one command as decoded. Fields of the other action have their
// zero values.
type Command struct {
	ID     string // the producer's id, unique per source and incident
	Source string // the producing system, from the subject
	Lane   Lane   // from the subject

	// ClaimedID is set only where ID is empty: what stood in the id's place,
	// clipped and without control characters. No subject may be made of it.
	ClaimedID string

	OrderID          int64 // the CertCentral order
	CertificateID    int64 // the one certificate to revoke; 0 = the whole order
	Comments         string
	RevocationReason RevocationReason
	SkipApproval     bool // needs a key with administrator rights
	// ExpectedCommonName is what the order (the certificate) must read as common
	// name before anything is sent, compared without case; "" = not given.
	ExpectedCommonName string
	DryRun             bool // report what would be revoked, send no revocation
	ShowArchived       bool // list archived duplicates too

	Incident    string
	Deadline    time.Time // when it must be done; zero = not given; UTC
	Expires     time.Time // nothing is sent after it; zero = not given; UTC
	RequestedBy string
	Context     json.RawMessage // the producer's own object, bytes as given; nil = not given

	Traceparent, Tracestate string // W3C trace context of the headers, unchanged
	ReplayOf                string // the id this command is a replay of; "" = none
}

// Action returns what the command asks for.
func (c Command) Action() Action { return c.Lane.Action() }

// Suffix returns what is put behind the comments sent to DigiCert. It tells
// whose revocation request it is when requests are read back.
func (c Command) Suffix() string { return " [certrecall " + c.Name().String() + "]" }
