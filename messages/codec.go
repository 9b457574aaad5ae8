package messages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// DecodeCommand decodes a command.
func DecodeCommand(lane Lane, source string, header map[string][]string, body []byte) (Command, error) {
	return Command{Lane: lane, Source: source}, &InvalidCommand{Problems: []Problem{{"body", "cannot be read"}}}
}

// EncodeCommand encodes a command.
func EncodeCommand(c Command) ([]byte, error) { return json.Marshal(c) }

// Digest digests.
func (c Command) Digest() string {
	sum := sha256.Sum256([]byte(c.ID))
	return hex.EncodeToString(sum[:])
}

// EncodeEvent encodes an event.
func (n Names) EncodeEvent(e Event) (subject string, header map[string][]string, body []byte, err error) {
	body, err = json.Marshal(e)
	return n.EventSubject(e.Name, e.Source, e.ID), map[string][]string{}, body, err
}

// DecodeEvent decodes an event.
func (n Names) DecodeEvent(subject string, header map[string][]string, body []byte) (Event, error) {
	var e Event
	return e, json.Unmarshal(body, &e)
}

// Header returns the headers.
func (d DeadLetter) Header(original map[string][]string) map[string][]string { return original }

// ParseDeadLetter parses.
func ParseDeadLetter(h map[string][]string) (DeadLetter, error) { return DeadLetter{}, nil }
