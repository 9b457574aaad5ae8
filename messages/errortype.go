package messages

// ErrorType is the kind of an error: the type of an RFC 9457 problem, a
// relative reference that never changes its meaning. Programs branch on it.
type ErrorType string

// The error types of version 1.
const (
	ErrorInvalidCommand        ErrorType = "invalid-command"
	ErrorCommandConflict       ErrorType = "command-conflict"
	ErrorOrderNotFound         ErrorType = "order-not-found"
	ErrorCertificateNotInOrder ErrorType = "certificate-not-in-order"
	ErrorOrderNotRevocable     ErrorType = "order-not-revocable"
	ErrorRefused               ErrorType = "refused"
	ErrorApprovalRejected      ErrorType = "approval-rejected"
	ErrorGaveUp                ErrorType = "gave-up"
	ErrorOutcomeUnknown        ErrorType = "outcome-unknown"
	ErrorProtectedOrder        ErrorType = "protected-order"
	ErrorExpired               ErrorType = "expired"
	ErrorPoison                ErrorType = "poison"
	ErrorNotAllowed            ErrorType = "not-allowed"  // the policy does not let this source use that field or lane
	ErrorNotExpected           ErrorType = "not-expected" // the order is not the one that was meant
)

// ErrorTypes returns all error types, in the order of the contract.
func ErrorTypes() []ErrorType {
	return []ErrorType{
		ErrorInvalidCommand, ErrorCommandConflict, ErrorOrderNotFound, ErrorCertificateNotInOrder,
		ErrorOrderNotRevocable, ErrorRefused, ErrorApprovalRejected, ErrorGaveUp, ErrorOutcomeUnknown,
		ErrorProtectedOrder, ErrorExpired, ErrorPoison, ErrorNotAllowed, ErrorNotExpected,
	}
}

// Title returns a short summary for people, the same for every error of the
// type, or "" for a type that does not exist.
func (t ErrorType) Title() string {
	switch t {
	case ErrorInvalidCommand:
		return "The message is not a valid command"
	case ErrorCommandConflict:
		return "The id already stands for another command"
	case ErrorOrderNotFound:
		return "DigiCert does not know the order"
	case ErrorCertificateNotInOrder:
		return "The certificate does not belong to the order"
	case ErrorOrderNotRevocable:
		return "The order can not be revoked in its present state"
	case ErrorRefused:
		return "DigiCert refused the call"
	case ErrorApprovalRejected:
		return "An administrator rejected the revocation request"
	case ErrorGaveUp:
		return "The time to keep trying is over and nothing was done"
	case ErrorOutcomeUnknown:
		return "It could not be found out whether the call took effect"
	case ErrorProtectedOrder:
		return "The order is on the list of protected orders"
	case ErrorExpired:
		return "The command expired before it was carried out"
	case ErrorPoison:
		return "The command repeatedly ended the worker that handled it"
	case ErrorNotAllowed:
		return "The policy does not allow this to the source"
	case ErrorNotExpected:
		return "The order is not the one that was meant"
	}
	return ""
}

// Error says what went wrong, as an RFC 9457 problem with three members of our
// own: code, retryable and conflicts_with.
type Error struct {
	Type          ErrorType
	Title         string // see [ErrorType.Title]
	Detail        string // for people: what happened here, and what to do
	Status        int    // HTTP status of DigiCert's answer; 0 = none
	Code          string // DigiCert's own error code
	Retryable     bool   // a new command with the same content may succeed
	ConflictsWith string // what the command is in conflict with
}

// NewError returns an error of a type, with the title of that type.
func NewError(t ErrorType, detail string) *Error {
	return &Error{Type: t, Title: t.Title(), Detail: detail}
}
