package messages

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBody is how much of a message is read at all, in bytes: what the commands
// stream takes. A command above [MaxCommandBytes] is invalid, but its id and
// fields are still read, so that it is answered under its id.
const maxBody = 80 << 10

// DecodeCommand decodes a command from the lane and source of its subject, its
// headers and its body, in any of the three forms: plain JSON, CloudEvents 1.0
// binary (ce-* headers), CloudEvents 1.0 structured (Content-Type
// application/cloudevents, with or without +json). Of a CloudEvent only the id
// is used, and only where the command has none of its own.
//
// The error is an [*InvalidCommand] with every problem of the message. The
// command then holds what could be read all the same: each field is either
// valid or zero, ID is empty if it is missing, invalid or reserved, and Source
// is [InvalidSource] if it breaks the rule.
//
// The command keeps no reference to body.
func DecodeCommand(lane Lane, source string, header map[string][]string, body []byte) (Command, error) {
	d := commandDecoder{action: lane.Action()}
	d.path = make([]step, 0, 4)
	d.command.Lane = lane
	d.command.Source = answered(source)
	d.strict = true
	if d.action == "" {
		d.found.add("lane", "there is no lane "+clip(string(lane))+"; send to revoke-urgent, revoke or list-duplicates")
	}
	if d.command.Source != source {
		d.found.add("source", "the last token of the subject breaks the rule; use 1 to 64 characters of A-Z, a-z, 0-9, _ and -")
	}
	d.readHeader(header)
	d.begin(body)
	var err error
	switch {
	case len(body) == 0:
		d.found.add("body", "is empty; send one JSON object")
	case len(body) > maxBody:
		d.found.add("body", tooLarge)
	case bytes.HasPrefix(body, []byte("\ufeff")):
		d.found.add("body", "begins with a byte order mark; send UTF-8 without one")
	case d.structured:
		err = d.envelope()
	default:
		err = d.plain(body)
	}
	if err != nil {
		d.found.add("body", err.Error()+oneObject)
	}
	d.finishID()
	d.finishRequired()
	d.finishTrace()
	if err := d.found.err(); err != nil {
		return d.command, err
	}
	return d.command, nil
}

// commandDecoder decodes one command. What goes wrong is collected in found;
// the methods return an error only where the JSON ends.
type commandDecoder struct {
	scanner
	command Command
	action  Action
	whole   string // data as a string, the one copy that all string fields share
	seen    fieldSet
	read    bool // the command's object was read to its end

	structured    bool
	id            idValue // of the body
	eventID       idValue // of the CloudEvent
	replayOf      headerValue
	traceparent   headerValue
	tracestate    string
	ceTraceparent string
	ceTracestate  string
}

// idValue is what stands in the place of an id.
type idValue struct {
	given  bool
	usable bool // it is a string, given once
	text   string
}

// begin points the decoder at a JSON text.
func (d *commandDecoder) begin(data []byte) {
	d.data, d.pos, d.depth = data, 0, 0
	d.utf8 = utf8.Valid(data)
	d.whole = ""
}

// plain decodes a body that is the command itself.
func (d *commandDecoder) plain(body []byte) error {
	if len(body) > MaxCommandBytes {
		d.found.add("body", tooLarge)
	}
	if err := d.commandObject("body"); err != nil {
		return err
	}
	return d.end()
}

// end makes sure that nothing follows the value just read.
func (d *commandDecoder) end() error {
	if d.peek(); d.pos < len(d.data) {
		return d.fail("something follows the JSON object")
	}
	return nil
}

// readHeader takes what is needed from the headers of the message.
func (d *commandDecoder) readHeader(header map[string][]string) {
	var contentType, id, version headerValue
	for name, values := range header {
		attribute, isAttribute := cutFold(name, "ce-")
		switch {
		case !isAttribute:
			switch {
			case strings.EqualFold(name, HeaderContentType):
				contentType.take(values)
			case strings.EqualFold(name, HeaderTraceparent):
				d.traceparent.take(values)
			case strings.EqualFold(name, HeaderTracestate):
				d.tracestate = strings.Join(values, ",")
			case strings.EqualFold(name, HeaderReplayOf):
				d.replayOf.take(values)
			}
		case strings.EqualFold(attribute, "id"):
			id.take(values)
		case strings.EqualFold(attribute, "specversion"):
			version.take(values)
		case strings.EqualFold(attribute, HeaderTraceparent):
			d.ceTraceparent = firstAttribute(values)
		case strings.EqualFold(attribute, HeaderTracestate):
			d.ceTracestate = firstAttribute(values)
		default:
			if f := likeField(attribute); f != "" {
				d.found.add(clip(name), "is no header; put "+f+" into the JSON object")
			}
		}
	}
	slices.SortFunc(d.found.list, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	if d.structured = d.isStructured(contentType); d.structured {
		return
	}
	d.checkVersion(version)
	d.readEventID(id)
}

// firstAttribute decodes the value of a CloudEvents attribute that is carried
// on if it can be read, and dropped if not.
func firstAttribute(values []string) string {
	if len(values) != 1 {
		return ""
	}
	v, _ := decodeAttribute(values[0])
	return v
}

func (d *commandDecoder) checkVersion(version headerValue) {
	switch v, err := decodeAttribute(version.text); {
	case version.count == 0:
	case version.count > 1:
		d.found.add(ceSpecVersion, givenTwice)
	case err != nil || v != specVersion:
		d.found.add(ceSpecVersion, notVersion1)
	}
}

// readEventID reads ce-id. Whether it is a good id matters only where the body
// has none.
func (d *commandDecoder) readEventID(id headerValue) {
	if id.count == 0 {
		return
	}
	v, err := decodeAttribute(id.text)
	d.eventID = idValue{given: true, usable: id.count == 1 && err == nil, text: v}
	if err != nil {
		d.eventID.text = id.text
	}
}

// isStructured reports whether the body is a whole CloudEvent.
func (d *commandDecoder) isStructured(contentType headerValue) bool {
	media, _, _ := strings.Cut(contentType.text, ";")
	media = strings.Trim(media, " \t")
	rest, ok := cutFold(media, "application/cloudevents")
	switch {
	case !ok:
		return false
	case contentType.count > 1:
		d.found.add(HeaderContentType, givenTwice)
	case rest != "" && !strings.EqualFold(rest, "+json"):
		d.found.add(HeaderContentType, clip(media)+" is not taken; send application/cloudevents+json or plain JSON")
	}
	return true
}

// cutFold is strings.CutPrefix for ASCII in any case.
func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// finishTrace settles the trace context. A tracing mishap never costs a
// command: what can not stand in a header is dropped.
func (d *commandDecoder) finishTrace() {
	parent, state := d.ceTraceparent, d.ceTracestate
	if d.traceparent.count > 0 {
		parent, state = d.traceparent.text, d.tracestate
	}
	if d.traceparent.count > 1 || len(parent) > maxTraceparent || !headerSafe(parent) {
		parent = ""
	}
	if parent == "" || len(state) > maxTracestate || !headerSafe(state) {
		state = ""
	}
	d.command.Traceparent, d.command.Tracestate = parent, state
}
