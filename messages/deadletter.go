package messages

import "time"

// DeadLetter is what the headers of a dead letter say about it. The body and
// the other headers are those of the command.
type DeadLetter struct {
	ErrorType    ErrorType
	Detail       string    // the detail of the error
	EventSubject string    // the subject of the event that answered the command
	ReceivedAt   time.Time // when the stream stored the command; UTC
	Deliveries   uint64    // how often the command was delivered
	Sequence     uint64    // of the command in the commands stream
}
