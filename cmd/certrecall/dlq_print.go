package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"certrecall/messages"
	"certrecall/worker/deadletters"
)

// letterDocument is a dead letter as --json prints it.
type letterDocument struct {
	Number       uint64             `json:"number"`
	Stored       time.Time          `json:"stored_at"`
	Lane         messages.Lane      `json:"lane"`
	Source       string             `json:"source"`
	CommandID    string             `json:"command_id,omitempty"`
	Incident     string             `json:"incident,omitempty"`
	OrderID      int64              `json:"order_id,omitempty"`
	ErrorType    messages.ErrorType `json:"error_type"`
	Detail       string             `json:"error_detail"`
	EventSubject string             `json:"event_subject"`
	ReceivedAt   time.Time          `json:"received_at"`
	Deliveries   uint64             `json:"deliveries"`
	Sequence     uint64             `json:"sequence"` // of the command
	// Replayable tells whether it can be sent again as it is.
	Replayable bool                `json:"replayable"`
	Header     map[string][]string `json:"header,omitempty"`
	// Body is the command as it was sent: as text, or in Base64 where it is none.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
}

func document(l deadletters.Letter, whole bool) letterDocument {
	d := letterDocument{
		Number: l.Number, Stored: l.Stored, Lane: l.Lane, Source: l.Source, CommandID: l.ID(), Incident: l.Incident,
		OrderID: l.Command.OrderID, ErrorType: l.About.ErrorType, Detail: l.About.Detail, EventSubject: l.About.EventSubject,
		ReceivedAt: l.About.ReceivedAt, Deliveries: l.About.Deliveries, Sequence: l.About.Sequence,
	}
	_, err := l.Replay(time.Now())
	d.Replayable = err == nil
	if whole {
		d.Header = l.Header
		if utf8.Valid(l.Body) {
			d.Body = string(l.Body)
		} else {
			d.BodyBase64 = l.Body
		}
	}
	return d
}

// sections show a dead letter whole: what went wrong, the headers, the body.
func letterSections(l deadletters.Letter) []section {
	about := section{tag: "letter", title: "DEAD LETTER " + strconv.FormatUint(l.Number, 10), header: []string{"", ""}, wrap: 2}
	about.add("stored", stamp(l.Stored))
	about.add("error", string(l.About.ErrorType)+": "+l.About.ErrorType.Title())
	about.add("detail", l.About.Detail)
	about.add("lane", string(l.Lane))
	about.add("source", l.Source)
	about.add("command", orDash(l.ID()))
	about.add("order", number(l.Command.OrderID))
	about.add("incident", orDash(l.Incident))
	about.add("received", stamp(l.About.ReceivedAt))
	about.add("deliveries", strconv.FormatUint(l.About.Deliveries, 10))
	about.add("sequence", strconv.FormatUint(l.About.Sequence, 10))
	about.add("event", l.About.EventSubject)
	if m, err := l.Replay(time.Now()); err != nil {
		about.add("replay", "no: "+err.Error())
	} else {
		about.add("replay", "as command "+m.ID)
	}
	headers := section{tag: "header", title: "HEADERS", header: []string{"", ""}, wrap: 2}
	for _, name := range slices.Sorted(maps.Keys(l.Header)) {
		ours := strings.HasPrefix(name, "certrecall-") && name != messages.HeaderReplayOf
		if !ours && !strings.HasPrefix(name, "Nats-") {
			headers.add(name, strings.Join(l.Header[name], ", "))
		}
	}
	body := section{tag: "body", title: "BODY", header: []string{""}, wrap: 1}
	body.add(string(l.Body))
	if pretty, err := indented(l.Body); err == nil {
		body.rows = nil
		for line := range strings.Lines(pretty) {
			body.add(strings.TrimRight(line, "\n"))
		}
	}
	return []section{about, headers, body}
}

// indented writes JSON for people.
func indented(body []byte) (string, error) {
	var out strings.Builder
	var v json.RawMessage
	if err := json.Unmarshal(body, &v); err != nil {
		return "", err
	}
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return out.String(), err
}
