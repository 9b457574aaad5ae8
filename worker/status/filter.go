package status

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
)

// Filter says which commands a view is about. The zero Filter is all of them;
// fields that are given must all match.
type Filter struct {
	Incident string
	// WithoutIncident are the commands that have none; not with Incident.
	WithoutIncident bool
	Source          string
	ID              string // with Source, and with Incident where the command has one
	OrderID         int64

	// Digests keeps what is needed to compare commands by their content.
	Digests bool
}

// CommandFilter is the filter for one command.
func CommandFilter(c messages.CommandName) Filter {
	return Filter{Source: c.Source, Incident: c.Incident, ID: c.ID}
}

// All reports whether the filter takes every command.
func (f Filter) All() bool {
	f.Digests = false
	return f == Filter{}
}

// one is the command that the filter is about, if it is about one.
func (f Filter) one() (messages.CommandName, bool) {
	return messages.CommandName{Source: f.Source, Incident: f.Incident, ID: f.ID}, f.Source != "" && f.ID != ""
}

func (f Filter) matches(c messages.CommandName, order int64) bool {
	if one, ok := f.one(); ok {
		return one == c && (f.OrderID == 0 || f.OrderID == order)
	}
	return (f.Source == "" || f.Source == c.Source) && (f.Incident == "" || f.Incident == c.Incident) &&
		(!f.WithoutIncident || c.Incident == "") && (f.OrderID == 0 || f.OrderID == order)
}

// tokens are the filter as tokens of subjects and keys: source, incident, id.
func (f Filter) tokens() [3]string {
	t := [3]string{"*", "*", "*"}
	if f.Source != "" {
		t[0] = f.Source
	}
	switch {
	case f.Incident != "":
		t[1] = f.Incident
	case f.WithoutIncident || f.ID != "":
		t[1] = "-"
	}
	if f.ID != "" {
		t[2] = f.ID
	}
	return t
}

// events is the subject of the events that can belong to the filter. NATS is
// the index: nothing else is read. An order is no part of a subject.
func (f Filter) events(n messages.Names) string { return f.eventsNamed(n, "*") }

// eventsNamed is the subject of those of one name.
func (f Filter) eventsNamed(n messages.Names, e messages.EventName) string {
	t := f.tokens()
	return strings.TrimSuffix(n.EventSubjects(), ">") + string(e) + "." + strings.Join(t[:], ".")
}

// waiting is the subject of the waiting keys that can belong to the filter.
func (f Filter) waiting(n messages.Names) string {
	order := "*"
	if f.OrderID != 0 {
		order = strconv.FormatInt(f.OrderID, 10)
	}
	t := f.tokens()
	return "$KV." + n.OrdersBucket() + ".waiting." + order + "." + strings.Join(t[:], ".")
}

// letters is the subject of the dead letters that can belong to the filter.
func (f Filter) letters(n messages.Names) string {
	t := f.tokens()
	return strings.TrimSuffix(n.DeadLetterSubjects(), ">") + "*." + t[0] + "." + t[1]
}

// mayMatch looks at the headers of an event, so that the bodies of other orders
// need not be decoded. Headers that are not there tell nothing.
func (f Filter) mayMatch(h nats.Header) bool {
	if s := first(h, "ce-subject"); f.OrderID != 0 && s != "" {
		order := "order/" + strconv.FormatInt(f.OrderID, 10)
		return s == order || strings.HasPrefix(s, order+"/")
	}
	return true
}

func first(h nats.Header, name string) string {
	v := h[name]
	if len(v) == 0 {
		v = h[http.CanonicalHeaderKey(name)]
	}
	if len(v) == 0 {
		return ""
	}
	return v[0]
}
