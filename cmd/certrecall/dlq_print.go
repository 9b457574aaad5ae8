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

func (l letter) document(whole bool) letterDocument {
	d := letterDocument{
		Number: l.number, Stored: l.stored, Lane: l.lane, Source: l.source, CommandID: l.id(), Incident: l.incident,
		OrderID: l.command.OrderID, ErrorType: l.about.ErrorType, Detail: l.about.Detail, EventSubject: l.about.EventSubject,
		ReceivedAt: l.about.ReceivedAt, Deliveries: l.about.Deliveries, Sequence: l.about.Sequence,
	}
	_, err := l.replay(time.Now())
	d.Replayable = err == nil
	if whole {
		d.Header = l.header
		if utf8.Valid(l.body) {
			d.Body = string(l.body)
		} else {
			d.BodyBase64 = l.body
		}
	}
	return d
}

// sections show a dead letter whole: what went wrong, the headers, the body.
func (l letter) sections() []section {
	about := section{tag: "letter", title: "DEAD LETTER " + strconv.FormatUint(l.number, 10), header: []string{"", ""}, wrap: 2}
	about.add("stored", stamp(l.stored))
	about.add("error", string(l.about.ErrorType)+": "+l.about.ErrorType.Title())
	about.add("detail", l.about.Detail)
	about.add("lane", string(l.lane))
	about.add("source", l.source)
	about.add("command", orDash(l.id()))
	about.add("order", number(l.command.OrderID))
	about.add("incident", orDash(l.incident))
	about.add("received", stamp(l.about.ReceivedAt))
	about.add("deliveries", strconv.FormatUint(l.about.Deliveries, 10))
	about.add("sequence", strconv.FormatUint(l.about.Sequence, 10))
	about.add("event", l.about.EventSubject)
	if m, err := l.replay(time.Now()); err != nil {
		about.add("replay", "no: "+err.Error())
	} else {
		about.add("replay", "as command "+m.ID)
	}
	headers := section{tag: "header", title: "HEADERS", header: []string{"", ""}, wrap: 2}
	for _, name := range slices.Sorted(maps.Keys(l.header)) {
		ours := strings.HasPrefix(name, "certrecall-") && name != messages.HeaderReplayOf
		if !ours && !strings.HasPrefix(name, "Nats-") {
			headers.add(name, strings.Join(l.header[name], ", "))
		}
	}
	body := section{tag: "body", title: "BODY", header: []string{""}, wrap: 1}
	body.add(string(l.body))
	if pretty, err := indented(l.body); err == nil {
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
