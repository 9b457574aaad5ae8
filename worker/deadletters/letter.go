package deadletters

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
)

// Letter is one dead letter.
type Letter struct {
	Number   uint64 // its sequence in the dead-letter stream, by which people name it
	Stored   time.Time
	Lane     messages.Lane
	Source   string
	Incident string // "" is none, or none that could be read
	About    messages.DeadLetter
	Header   nats.Header
	Body     []byte
	Command  messages.Command
	// Invalid says why the body is no command; nil if it is one.
	Invalid error
	// Unreadable says what is wrong with the dead letter itself.
	Unreadable error
}

// ID is the command's id, as far as there is one.
func (l Letter) ID() string { return cmp.Or(l.Command.ID, l.Command.ClaimedID) }

// Name is the name of the command, as far as there is one.
func (l Letter) Name() messages.CommandName {
	return messages.CommandName{Source: l.Source, Incident: l.Incident, ID: l.ID()}
}

// Why says why a dead letter cannot be replayed as it is.
type Why string

// The reasons.
const (
	Broken     Why = "broken"     // the dead letter itself cannot be read
	Nobody     Why = "nobody"     // no source is known that it could be sent for
	NoCommand  Why = "no-command" // the body is no command
	PastExpiry Why = "expired"    // it was not to be carried out any more by now
)

// NotReplayable is the error of a dead letter that has to be submitted anew.
type NotReplayable struct {
	Why Why
	Err error
}

// Error says why, and what to do.
func (n *NotReplayable) Error() string { return n.Err.Error() }

// Unwrap returns the reason.
func (n *NotReplayable) Unwrap() error { return n.Err }

// Replay makes the new command of a dead letter. The error is a
// [*NotReplayable].
func (l Letter) Replay(now time.Time) (messages.Command, error) {
	no := func(w Why, err error) (messages.Command, error) { return messages.Command{}, &NotReplayable{w, err} }
	switch {
	case l.Unreadable != nil:
		return no(Broken, l.Unreadable)
	case l.Source == messages.InvalidSource:
		return no(Nobody, errors.New("source: it broke the rule, so nobody is known who could speak for it: submit it anew"))
	case l.Invalid != nil:
		return no(NoCommand, fmt.Errorf("%w: mend it and submit it anew", l.Invalid))
	case !l.Command.Expires.IsZero() && !now.Before(l.Command.Expires):
		return no(PastExpiry, fmt.Errorf("expires: it was not to be carried out after %s: submit it anew", l.Command.Expires.UTC().Format(time.RFC3339)))
	}
	c := l.Command
	c.ReplayOf = c.ID
	c.ID = messages.ReplayID(c.ID, l.About.Sequence)
	if _, err := messages.EncodeCommand(c); err != nil {
		return no(NoCommand, err)
	}
	return c, nil
}
