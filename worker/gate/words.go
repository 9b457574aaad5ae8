package gate

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Keys of the control bucket that belong to operators.
const (
	pausePrefix  = "pause."
	cancelPrefix = "cancel."
)

// word is the value under such a key: who said so, and why.
type word struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// readWord reads a value. One that was written by other means, and cannot be
// read, still says what its key says.
func readWord(value []byte) word {
	var w word
	if json.Unmarshal(value, &w) != nil {
		return word{By: "somebody", Reason: "(written by hand)"}
	}
	return w
}

// pauseOf gives the pause under a key. A key that this version does not know
// pauses both kinds.
func pauseOf(e jetstream.KeyValueEntry) PauseInfo {
	p := PauseInfo{Kind: Both, At: e.Created()}
	if k := Kind(strings.TrimPrefix(e.Key(), pausePrefix)); k == Revocations || k == Listings {
		p.Kind = k
	}
	w := readWord(e.Value())
	p.By, p.Reason = w.By, w.Reason
	return p
}

// words is what operators have said, by key of the bucket.
type words struct {
	pauses  map[string]PauseInfo
	cancels map[Selector]Cancellation
}

func newWords() words {
	return words{pauses: make(map[string]PauseInfo), cancels: make(map[Selector]Cancellation)}
}

// apply takes the newest entry of a key.
func (w words) apply(e jetstream.KeyValueEntry) {
	gone := e.Operation() != jetstream.KeyValuePut
	switch {
	case strings.HasPrefix(e.Key(), pausePrefix):
		delete(w.pauses, e.Key())
		if !gone {
			w.pauses[e.Key()] = pauseOf(e)
		}
	case strings.HasPrefix(e.Key(), cancelPrefix):
		s, ok := parseSelector(e.Key())
		if !ok {
			return
		}
		delete(w.cancels, s)
		if !gone {
			w.cancels[s] = cancellationOf(s, e)
		}
	}
}

// pause gives the oldest pause of a kind.
func (w words) pause(k Kind) (PauseInfo, bool) {
	var oldest PauseInfo
	for _, p := range w.pauses {
		if (p.Kind == Both || p.Kind == k) && (oldest.At.IsZero() || p.At.Before(oldest.At)) {
			oldest = p
		}
	}
	return oldest, !oldest.At.IsZero()
}

// Cancelled tells whether an operator cancelled the command: all of its
// incident, of its source, of its order, or this one, at or after receivedAt,
// when the stream stored it (server time, as in the message's metadata). A
// cancellation is known here within about a second; what began before goes on.
func (g *Gates) Cancelled(c messages.Command, receivedAt time.Time) (Cancellation, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range []Selector{
		{Source: c.Source, Command: c.ID}, {Order: c.OrderID}, {Incident: c.Incident}, {Source: c.Source},
	} {
		if found, ok := g.operator.cancels[s]; ok && !receivedAt.After(found.At) {
			return found, true
		}
	}
	return Cancellation{}, false
}

// Selector says which commands a cancellation is for: exactly one of Incident,
// Source, Order, or Source and Command together.
type Selector struct {
	Incident string
	Source   string
	Command  string // the command id; with Source
	Order    int64
}

// key gives the key of the bucket.
func (s Selector) key() string {
	switch {
	case s.Incident != "":
		return cancelPrefix + "incident." + s.Incident
	case s.Command != "":
		return cancelPrefix + "command." + s.Source + "." + s.Command
	case s.Source != "":
		return cancelPrefix + "source." + s.Source
	}
	return cancelPrefix + "order." + strconv.FormatInt(s.Order, 10)
}

// String reads like "incident INC-1".
func (s Selector) String() string {
	return strings.ReplaceAll(strings.TrimPrefix(s.key(), cancelPrefix), ".", " ")
}

// parseSelector is the inverse of key, for selectors that could have been given.
func parseSelector(key string) (Selector, bool) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(key, cancelPrefix), ".")
	var s Selector
	switch kind {
	case "incident":
		s.Incident = rest
	case "source":
		s.Source = rest
	case "command":
		s.Source, s.Command, _ = strings.Cut(rest, ".")
	case "order":
		s.Order, _ = strconv.ParseInt(rest, 10, 64)
	}
	return s, s.validate() == nil && s.key() == key
}

func cancellationOf(s Selector, e jetstream.KeyValueEntry) Cancellation {
	w := readWord(e.Value())
	return Cancellation{Selector: s, By: w.By, Reason: w.Reason, At: e.Created()}
}
