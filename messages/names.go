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

// EventSubject returns the subject of one event of a command. A source that
// breaks the rule is replaced by [InvalidSource].
func (n Names) EventSubject(e EventName, c CommandName) string {
	return n.event + string(e) + "." + c.Key()
}

// ChainSubject returns the filter for all events of one command.
func (n Names) ChainSubject(c CommandName) string { return n.event + "*." + c.Key() }

// IncidentSubject returns the filter for all events of one incident, whoever
// sent its commands; "" stands for all commands without an incident.
func (n Names) IncidentSubject(incident string) string {
	return n.event + "*.*." + incidentToken(incident) + ".*"
}

// SourceSubject returns the filter for all events of one source.
func (n Names) SourceSubject(source string) string { return n.event + "*." + answered(source) + ".>" }

// EventNameSubject returns the filter for all events of one name.
func (n Names) EventNameSubject(e EventName) string { return n.event + string(e) + ".>" }

// EventSubjects returns the filter for all events.
func (n Names) EventSubjects() string { return n.event + ">" }

// ParseEventSubject takes the subject of an event apart: its name and the
// command's, whose id is "seq-…" for a message that is not answered under an id
// of its own.
func (n Names) ParseEventSubject(subject string) (EventName, CommandName, error) {
	event, command, err := n.parseEvent(subject)
	if err != nil {
		return "", CommandName{}, fmt.Errorf("event subject %q: %w", clip(subject), err)
	}
	return event, command, nil
}

func (n Names) parseEvent(subject string) (EventName, CommandName, error) {
	rest, ok := strings.CutPrefix(subject, n.event)
	if !ok || n.prefix == "" {
		return "", CommandName{}, fmt.Errorf("it does not begin with %q", n.event)
	}
	name, key, _ := strings.Cut(rest, ".")
	if !EventName(name).known() {
		return "", CommandName{}, fmt.Errorf("there is no event %q", name)
	}
	command, err := parseCommandKey(key)
	return EventName(name), command, err
}

// DeadLetterSubject returns the subject of the dead letters of one lane, source
// and incident; "" stands for none, or one that cannot be read. A source that
// breaks the rule is replaced by [InvalidSource].
func (n Names) DeadLetterSubject(l Lane, source, incident string) string {
	return n.dead + string(l) + "." + answered(source) + "." + incidentToken(incident)
}

// DeadLetterIncidentSubject returns the filter for the dead letters of one
// incident, whoever sent its commands.
func (n Names) DeadLetterIncidentSubject(incident string) string {
	return n.dead + "*.*." + incidentToken(incident)
}

// DeadLetterSourceSubject returns the filter for the dead letters of one source.
func (n Names) DeadLetterSourceSubject(source string) string {
	return n.dead + "*." + answered(source) + ".*"
}

// DeadLetterSubjects returns the filter for all dead letters.
func (n Names) DeadLetterSubjects() string { return n.dead + ">" }

// ParseDeadLetterSubject takes the subject of a dead letter apart: lane, source
// and incident.
func (n Names) ParseDeadLetterSubject(subject string) (l Lane, source, incident string, err error) {
	l, source, incident, err = n.parseDead(subject)
	if err != nil {
		return "", "", "", fmt.Errorf("dead-letter subject %q: %w", clip(subject), err)
	}
	return l, source, incident, nil
}

func (n Names) parseDead(subject string) (l Lane, source, incident string, err error) {
	last := strings.LastIndexByte(subject, '.')
	if last < len(n.dead) {
		return "", "", "", fmt.Errorf("want %q, a lane, a source and an incident", n.dead)
	}
	if l, source, err = n.parseLane(n.dead, subject[:last]); err != nil {
		return "", "", "", err
	}
	if !ValidSource(source) {
		return "", "", "", fmt.Errorf("%q is no source", source)
	}
	incident, err = parseIncidentToken(subject[last+1:])
	return l, source, incident, err
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

// BudgetBucket returns the name of the key-value bucket that holds the call
// budget, turns and start marks: what workers tell one another.
func (n Names) BudgetBucket() string { return n.upper + "_BUDGET" }

// ControlBucket returns the name of the key-value bucket that holds the
// statements of operators, and nothing else.
func (n Names) ControlBucket() string { return n.upper + "_CONTROL" }

// AuditStream returns the name of the stream that keeps every statement of
// operators.
func (n Names) AuditStream() string { return n.upper + "_AUDIT" }

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
