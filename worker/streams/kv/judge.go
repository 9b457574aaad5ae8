package kv

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrLost says that another changed the key first. Nothing was stored.
	ErrLost = errors.New("another changed it first")
	// ErrBusy says that another write of the key is under way: nothing was
	// stored, and it is open who wins.
	ErrBusy = errors.New("another write of it is under way")
	// ErrNoRoom says that a limit is reached: of messages, bytes, or the size of
	// one, of the stream, the account or the disk. Nothing was stored.
	ErrNoRoom = errors.New("there is no room")
	// ErrUnreadable says that a value is there and cannot be understood. Trying
	// again does not mend it.
	ErrUnreadable = errors.New("it cannot be understood")
)

// Codes of the server that the client library does not name.
const (
	codeAccountLimit jetstream.ErrorCode = 10002 // resource limits exceeded for account
	codeResources    jetstream.ErrorCode = 10023 // insufficient resources
	codeMemory       jetstream.ErrorCode = 10028 // insufficient memory resources
	codeStorage      jetstream.ErrorCode = 10047 // insufficient storage resources
	codeTooLarge     jetstream.ErrorCode = 10054 // message size exceeds maximum allowed
	codeStoreFailed  jetstream.ErrorCode = 10077 // a limit of the stream, one message a subject among them, or the disk
	codeStreamLimit  jetstream.ErrorCode = 10122 // stream max bytes exceeds account limit
	codeIDUnderway   jetstream.ErrorCode = 10158 // another message with this id is under way
)

// Judge adds to the error of a JetStream publish what it says: [ErrLost],
// [ErrBusy] or [ErrNoRoom]. An error that says nothing comes back as it is.
//
// A stream that takes one message a subject, and no more, answers "no room"
// (10077) also where the subject has its message.
func Judge(err error) error {
	switch code(err) {
	case jetstream.JSErrCodeStreamWrongLastSequence:
		return fmt.Errorf("%w: %w", ErrLost, err)
	case jetstream.JSErrCodeStreamWrongLastSequenceConstant, codeIDUnderway:
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case codeAccountLimit, codeResources, codeMemory, codeStorage, codeTooLarge, codeStoreFailed, codeStreamLimit:
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return err
}

// code is the server's error code; 0 if the error is not its.
func code(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[jetstream.JetStreamError](err); ok && api.APIError() != nil {
		return api.APIError().ErrorCode
	}
	return 0
}
