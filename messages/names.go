package messages

import (
	"fmt"
	"strings"
)

// Names gives every name that follows from the prefix: subjects, streams,
// buckets. Make one with [NewNames]; the zero value has no prefix and its
// subjects match nothing.
//
// Stream and bucket names take the prefix in upper case, so two prefixes that
// differ only in case cannot live in one account.
type Names struct {
	prefix  string
	command string // "<prefix>.cmd.v1."
	event   string // "<prefix>.evt.v1."
	dead    string // "<prefix>.dlq.v1."
	upper   string // the prefix in upper case
	origin  string // ce-source of the events
}

// NewNames returns the names under a prefix: one token of [A-Za-z0-9_-], 1 to
// 32 long.
func NewNames(prefix string) (Names, error) {
	if !validToken(prefix, maxPrefix) {
		return Names{}, fmt.Errorf("prefix %q: want 1 to %d characters of A-Z, a-z, 0-9, _ and -", clip(prefix), maxPrefix)
	}
	return Names{
		prefix:  prefix,
		command: prefix + ".cmd.v1.",
		event:   prefix + ".evt.v1.",
		dead:    prefix + ".dlq.v1.",
		upper:   strings.ToUpper(prefix),
		origin:  "/certrecall/" + prefix,
	}, nil
}

// Prefix returns the prefix.
func (n Names) Prefix() string { return n.prefix }

// CommandSubject returns the subject a producer sends its commands to.
func (n Names) CommandSubject(l Lane, source string) string {
	return n.command + string(l) + "." + source
}

// LaneSubject returns the filter for the commands of one lane, whoever sent
// them.
func (n Names) LaneSubject(l Lane) string { return n.command + string(l) + ".*" }

// ParseCommandSubject takes the subject of a command apart. The source is
// returned as it stands and may break the rule of [ValidSource]: anybody with
// the right to publish can send to such a subject, and gets an answer.
func (n Names) ParseCommandSubject(subject string) (Lane, string, error) {
	lane, source, err := n.parseLane(n.command, subject)
	if err != nil {
		return "", "", fmt.Errorf("command subject %q: %w", clip(subject), err)
	}
	return lane, source, nil
}

// EventSubject returns the subject of one event. A source that breaks the rule
// is replaced by [InvalidSource].
func (n Names) EventSubject(e EventName, source, id string) string {
	return n.event + string(e) + "." + answered(source) + "." + id
}

// ChainSubject returns the filter for all events of one command.
func (n Names) ChainSubject(source, id string) string {
	return n.event + "*." + answered(source) + "." + id
}

// EventSubjects returns the filter for all events.
func (n Names) EventSubjects() string { return n.event + ">" }

// ParseEventSubject takes the subject of an event apart: its name, the source
// and the command id (or the "seq-…" id of a message without one).
func (n Names) ParseEventSubject(subject string) (EventName, string, string, error) {
	event, source, id, err := n.parseEvent(subject)
	if err != nil {
		return "", "", "", fmt.Errorf("event subject %q: %w", clip(subject), err)
	}
	return event, source, id, nil
}

func (n Names) parseEvent(subject string) (EventName, string, string, error) {
	rest, ok := strings.CutPrefix(subject, n.event)
	if !ok || n.prefix == "" {
		return "", "", "", fmt.Errorf("it does not begin with %q", n.event)
	}
	name, rest, _ := strings.Cut(rest, ".")
	source, id, _ := strings.Cut(rest, ".")
	switch {
	case !EventName(name).known():
		return "", "", "", fmt.Errorf("there is no event %q", name)
	case !ValidSource(source):
		return "", "", "", fmt.Errorf("%q is no source", source)
	case !ValidID(id):
		return "", "", "", fmt.Errorf("%q is no command id", id)
	}
	return EventName(name), source, id, nil
}

// DeadLetterSubject returns the subject of the dead letters of one lane and
// source. A source that breaks the rule is replaced by [InvalidSource].
func (n Names) DeadLetterSubject(l Lane, source string) string {
	return n.dead + string(l) + "." + answered(source)
}

// DeadLetterSubjects returns the filter for all dead letters.
func (n Names) DeadLetterSubjects() string { return n.dead + ">" }

// ParseDeadLetterSubject takes the subject of a dead letter apart.
func (n Names) ParseDeadLetterSubject(subject string) (Lane, string, error) {
	lane, source, err := n.parseLane(n.dead, subject)
	if err == nil && !ValidSource(source) {
		err = fmt.Errorf("%q is no source", source)
	}
	if err != nil {
		return "", "", fmt.Errorf("dead-letter subject %q: %w", clip(subject), err)
	}
	return lane, source, nil
}

// parseLane takes "<root><lane>.<source>" apart.
func (n Names) parseLane(root, subject string) (Lane, string, error) {
	rest, ok := strings.CutPrefix(subject, root)
	if !ok || n.prefix == "" {
		return "", "", fmt.Errorf("it does not begin with %q", root)
	}
	lane, source, _ := strings.Cut(rest, ".")
	switch {
	case Lane(lane).Action() == "":
		return "", "", fmt.Errorf("there is no lane %q", lane)
	case source == "" || strings.Contains(source, "."):
		return "", "", fmt.Errorf("want one token behind the lane, the source")
	}
	return Lane(lane), source, nil
}

// CommandsStream returns the name of the work queue that holds the commands.
func (n Names) CommandsStream() string { return n.upper + "_COMMANDS" }

// EventsStream returns the name of the stream that holds the events.
func (n Names) EventsStream() string { return n.upper + "_EVENTS" }

// DeadLettersStream returns the name of the stream that holds the dead letters.
func (n Names) DeadLettersStream() string { return n.upper + "_DLQ" }

// OrdersBucket returns the name of the key-value bucket that holds what is
// known of each order and which commands wait.
func (n Names) OrdersBucket() string { return n.upper + "_ORDERS" }

// ControlBucket returns the name of the key-value bucket that holds budget,
// pauses and cancellations.
func (n Names) ControlBucket() string { return n.upper + "_CONTROL" }

// ResultsBucket returns the name of the object bucket that holds results too
// large for a message.
func (n Names) ResultsBucket() string { return n.upper + "_RESULTS" }

// answered returns the source under which messages of a source are answered.
func answered(source string) string {
	if ValidSource(source) {
		return source
	}
	return InvalidSource
}
