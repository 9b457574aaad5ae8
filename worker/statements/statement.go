package statements

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"
)

// Verb is what a statement does.
type Verb string

// The verbs.
const (
	Pause  Verb = "pause"  // hold back calls of a kind; with Open, let them go again
	Cancel Verb = "cancel" // end commands that were not sent
	Allow  Verb = "allow"  // let more orders begin than their source may; with Ended, no more
	Replay Verb = "replay" // send a dead letter again
	Drop   Verb = "drop"   // remove a dead letter
)

// Verbs lists every verb.
func Verbs() []Verb { return []Verb{Pause, Cancel, Allow, Replay, Drop} }

// Keys selects the keys of all statements in the control bucket.
const Keys = keyPrefix + ">"

const keyPrefix = "op."

// Bounds of what an operator says, in characters.
const (
	maxOperator = 64
	maxReason   = 1000
)

// Words is the value of a statement: what is said beside its key.
type Words struct {
	// At is the operator's own clock: shown, never judged by.
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`

	Open bool `json:"open,omitempty"` // pause: it is over

	Orders int64     `json:"orders,omitempty"` // allow: how many distinct orders
	Until  time.Time `json:"until,omitzero"`   // allow: not after
	Ended  bool      `json:"ended,omitempty"`  // allow: whoever allowed it, it is over

	Incident string `json:"incident,omitempty"` // replay, drop: of the command
	Command  string `json:"command,omitempty"`  // replay, drop: its name; of a replay the new one
}

// Statement is one statement as the server stored it.
type Statement struct {
	Operator string
	Verb     Verb
	What     string // as "revocations", "incident.INC-42", "command.soar.INC-42.c-1", "17"
	Words
	// Stamp is when the server stored it, Revision its place in the bucket.
	Stamp    time.Time
	Revision uint64
	// Gone: the key was deleted by hand; the operator says nothing any more.
	Gone bool
	// Unreadable: the value is not JSON; the key still says what it says.
	Unreadable bool
}

// Key gives the key of the control bucket.
func (s Statement) Key() string {
	return keyPrefix + s.Operator + "." + string(s.Verb) + "." + s.What
}

// ParseKey takes a key apart. It reports false for one that no statement has.
func ParseKey(key string) (operator string, verb Verb, what string, ok bool) {
	rest, ok := strings.CutPrefix(key, keyPrefix)
	if !ok {
		return "", "", "", false
	}
	operator, rest, _ = strings.Cut(rest, ".")
	word, what, _ := strings.Cut(rest, ".")
	verb = Verb(word)
	return operator, verb, what, ValidOperator(operator) == nil && slices.Contains(Verbs(), verb) && what != ""
}

// Of reads an entry of the bucket. It reports false for a key of no statement.
func Of(e jetstream.KeyValueEntry) (Statement, bool) {
	s, ok := parse(e.Key(), e.Value(), e.Operation() != jetstream.KeyValuePut)
	s.Stamp, s.Revision = e.Created(), e.Revision()
	return s, ok
}

func parse(key string, value []byte, gone bool) (Statement, bool) {
	s := Statement{Gone: gone}
	var ok bool
	if s.Operator, s.Verb, s.What, ok = ParseKey(key); !ok {
		return Statement{}, false
	}
	if !gone && json.Unmarshal(value, &s.Words) != nil {
		s.Words, s.Unreadable = Words{Reason: "(written by hand)"}, true
	}
	return s, true
}

// Later orders statements by the server's stamp.
func Later(a, b Statement) int {
	return cmp.Or(a.Stamp.Compare(b.Stamp), cmp.Compare(a.Revision, b.Revision))
}

// ValidOperator says what is wrong with an operator's name; nil is nothing.
func ValidOperator(name string) error {
	switch {
	case name == "":
		return errors.New("the operator's name is missing")
	case len(name) > maxOperator || strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}):
		return fmt.Errorf("%q cannot be an operator's name: want 1 to %d characters of A-Z, a-z, 0-9, _ and -", clip(name), maxOperator)
	}
	return nil
}

// ValidReason says what is wrong with a reason; nil is nothing.
func ValidReason(reason string) error {
	switch {
	case strings.TrimSpace(reason) == "":
		return errors.New("the reason is missing")
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return errors.New("the reason holds control characters or is not UTF-8")
	case utf8.RuneCountInString(reason) > maxReason:
		return fmt.Errorf("the reason is longer than %d characters", maxReason)
	}
	return nil
}

// clip keeps an error one line long.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// Effect is a verb as people read it: what a statement did.
type Effect string

// Effect tells what the statement did: a resume is a pause that is open.
func (s Statement) Effect() Effect {
	switch {
	case s.Gone:
		return Effect(s.Verb) + " (key removed by hand)"
	case s.Verb == Pause && s.Open:
		return "resume"
	case s.Verb == Allow && s.Ended:
		return "allow end"
	}
	return Effect(s.Verb)
}
