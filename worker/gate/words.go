package gate

import (
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/statements"
)

// pauseOf gives the pause that a statement means. One on a thing that this
// version does not know pauses both kinds.
func pauseOf(s statements.Statement) PauseInfo {
	p := PauseInfo{Kind: Both, By: s.Operator, Reason: s.Reason, At: s.Stamp}
	if k := Kind(s.What); k == Revocations || k == Listings {
		p.Kind = k
	}
	return p
}

// words is what operators have said, and what follows from it.
type words struct {
	book    *statements.Book
	pauses  map[string]PauseInfo // those in force, by what is paused
	cancels map[Selector]Cancellation
}

func newWords() words {
	return words{statements.NewBook(), make(map[string]PauseInfo), make(map[Selector]Cancellation)}
}

// apply takes a statement in.
func (w words) apply(s statements.Statement) {
	w.book.Add(s)
	latest, stands := w.book.Latest(s.Verb, s.What)
	switch s.Verb {
	case statements.Pause:
		delete(w.pauses, s.What)
		if stands && !latest.Open {
			w.pauses[s.What] = pauseOf(latest)
		}
	case statements.Cancel:
		selector, ok := parseSelector(s.What)
		if !ok {
			return
		}
		delete(w.cancels, selector)
		if stands {
			w.cancels[selector] = cancellationOf(selector, latest)
		}
	case statements.Allow, statements.Replay, statements.Drop:
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
		{Source: c.Source, Incident: c.Incident, Command: c.ID}, {Order: c.OrderID}, {Incident: c.Incident}, {Source: c.Source},
	} {
		if found, ok := g.operator.cancels[s]; ok && !receivedAt.After(found.At) {
			return found, true
		}
	}
	return Cancellation{}, false
}

// Selector says which commands a cancellation is for: exactly one of Incident,
// Source, Order, or a command's whole name, which is Source, Incident and
// Command together.
type Selector struct {
	Incident string // with Command: of that command, "" where it has none
	Source   string
	Command  string // the command id
	Order    int64
}

// what gives what the statement is about.
func (s Selector) what() string {
	switch {
	case s.Command != "":
		return "command." + s.name().Key()
	case s.Incident != "":
		return "incident." + s.Incident
	case s.Source != "":
		return "source." + s.Source
	}
	return "order." + strconv.FormatInt(s.Order, 10)
}

// name is that of the one command.
func (s Selector) name() messages.CommandName {
	return messages.CommandName{Source: s.Source, Incident: s.Incident, ID: s.Command}
}

// String reads like "incident INC-1" or "command soar/INC-1/c-1".
func (s Selector) String() string {
	if s.Command != "" {
		return "command " + s.name().String()
	}
	kind, rest, _ := strings.Cut(s.what(), ".")
	return kind + " " + rest
}

// parseSelector is the inverse of what, for selectors that could have been given.
func parseSelector(what string) (Selector, bool) {
	kind, rest, _ := strings.Cut(what, ".")
	var s Selector
	switch kind {
	case "incident":
		s.Incident = rest
	case "source":
		s.Source = rest
	case "command":
		c, err := messages.ParseCommandKey(rest)
		if err != nil {
			return Selector{}, false
		}
		s = Selector{Incident: c.Incident, Source: c.Source, Command: c.ID}
	case "order":
		s.Order, _ = strconv.ParseInt(rest, 10, 64)
	}
	return s, s.validate() == nil && s.what() == what
}

func cancellationOf(s Selector, said statements.Statement) Cancellation {
	return Cancellation{Selector: s, By: said.Operator, Reason: said.Reason, At: said.Stamp}
}
