package messages

import (
	"errors"
	"fmt"
	"strings"
)

// noIncident is the token of subjects and keys for a command without an
// incident, or whose incident cannot be read. No incident can be named so.
const noIncident = "-"

// CommandName names one command: an id is unique per source and incident.
type CommandName struct {
	Source   string
	Incident string // "" = none
	ID       string
}

// Name returns what the command is called.
func (c Command) Name() CommandName { return CommandName{c.Source, c.Incident, c.ID} }

// Command returns the name of the command that the event stands under, the
// "seq-…" id of a message without one included.
func (e Event) Command() CommandName { return CommandName{e.Source, e.Incident, e.ID} }

// String returns "<source>/<incident>/<id>", and "<source>/<id>" where there is
// no incident.
func (c CommandName) String() string {
	if c.Incident == "" {
		return c.Source + "/" + c.ID
	}
	return c.Source + "/" + c.Incident + "/" + c.ID
}

// Key returns the name as three tokens of a subject or a key:
// "<source>.<incident>.<id>", with "-" where there is no incident. A source that
// breaks the rule is replaced by [InvalidSource].
func (c CommandName) Key() string {
	return answered(c.Source) + "." + incidentToken(c.Incident) + "." + c.ID
}

// ParseCommandName is the inverse of [CommandName.String].
func ParseCommandName(name string) (CommandName, error) {
	c, err := parseCommandName(name)
	if err != nil {
		return CommandName{}, fmt.Errorf("command %q: %w", clip(name), err)
	}
	return c, nil
}

func parseCommandName(name string) (CommandName, error) {
	var c CommandName
	switch parts := strings.Split(name, "/"); len(parts) {
	case 2:
		c = CommandName{Source: parts[0], ID: parts[1]}
	case 3:
		c = CommandName{parts[0], parts[1], parts[2]}
		if !ValidIncident(c.Incident) {
			return c, fmt.Errorf("%q is no incident; want <source>/<incident>/<id>, or <source>/<id> where there is none", c.Incident)
		}
	default:
		return c, errors.New("want <source>/<incident>/<id>, or <source>/<id> where there is no incident")
	}
	return c, c.check()
}

// ParseCommandKey is the inverse of [CommandName.Key].
func ParseCommandKey(key string) (CommandName, error) {
	c, err := parseCommandKey(key)
	if err != nil {
		return CommandName{}, fmt.Errorf("command %q: %w", clip(key), err)
	}
	return c, nil
}

func parseCommandKey(key string) (c CommandName, err error) {
	source, rest, _ := strings.Cut(key, ".")
	incident, id, _ := strings.Cut(rest, ".")
	if incident, err = parseIncidentToken(incident); err != nil {
		return CommandName{}, err
	}
	c = CommandName{source, incident, id}
	return c, c.check()
}

func (c CommandName) check() error {
	switch {
	case !ValidSource(c.Source):
		return fmt.Errorf("%q is no source", c.Source)
	case !ValidID(c.ID):
		return fmt.Errorf("%q is no command id", c.ID)
	}
	return nil
}

// incidentToken returns the token that stands for an incident.
func incidentToken(incident string) string {
	if ValidIncident(incident) {
		return incident
	}
	return noIncident
}

// parseIncidentToken is the inverse of incidentToken.
func parseIncidentToken(token string) (incident string, err error) {
	switch {
	case token == noIncident:
		return "", nil
	case !ValidIncident(token):
		return "", fmt.Errorf("%q is no incident", token)
	}
	return token, nil
}
