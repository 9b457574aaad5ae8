package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoJetStream says that no server answers for JetStream: it is off, or off
// for this account, or the servers that have it are away.
var ErrNoJetStream = errors.New("JetStream does not answer: set `jetstream` in the server's configuration and enable it for this account")

// ErrNotPermitted says that the server refused a request of ours for want of a right.
var ErrNotPermitted = errors.New("not permitted")

// Refusal says that something in NATS contradicts what the promises rest on.
// Waiting does not mend it; somebody must change it.
type Refusal struct {
	Asset   string // as "stream CERTRECALL_COMMANDS"
	Problem string // what is wrong, and with what consequence
	Remedy  string // what to change
}

func (r *Refusal) Error() string { return r.Asset + ": " + r.Problem + ". " + r.Remedy }

// explain turns an error of the JetStream interface into one that an operator
// can act on. doing is in the gerund; subject is what the request was sent to,
// without the API prefix, as "STREAM.INFO.CERTRECALL_EVENTS".
func explain(js jetstream.JetStream, doing, subject string, err error) error {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%s: %w (%w)", doing, ErrNoJetStream, err)
	case (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)) && denied(js.Conn(), subject):
		return fmt.Errorf("%s: %w: give the NATS user this right: %w", doing, ErrNotPermitted, js.Conn().LastError())
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// denied looks whether the last thing the server complained about was a
// request to subject. Such a request gets no answer but the complaint, which
// comes on the connection.
func denied(nc *nats.Conn, subject string) bool {
	err := nc.LastError()
	return errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), subject)
}

// isCode tells whether the server answered with an error code of JetStream.
func isCode(err error, code jetstream.ErrorCode) bool {
	e, ok := errors.AsType[jetstream.JetStreamError](err)
	return ok && e.APIError() != nil && e.APIError().ErrorCode == code
}

// Codes of the server that the client library does not name.
const (
	codeSubjectsOverlap   jetstream.ErrorCode = 10065
	codeConsumerNotUnique jetstream.ErrorCode = 10100 // another consumer of the work queue takes the same subjects
	codeConsumerOnlyOne   jetstream.ErrorCode = 10099 // a consumer without filter takes them all
)
