package messages

import (
	"encoding/base64"
	"strings"
)

// envelope reads a CloudEvent in JSON format (CloudEvents 1.0 JSON format,
// section 3) and the command inside.
func (d *commandDecoder) envelope() error {
	if d.peek() != '{' {
		kind, err := d.value()
		if err == nil {
			d.found.add("body", "must be a CloudEvent, a JSON object, not "+kindName(kind))
		}
		return err
	}
	if err := d.enter(); err != nil {
		return err
	}
	hasData := false
	names := d.open()
	for first := true; ; first = false {
		key, more, err := d.member(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		name := d.name(key)
		fresh := d.within(&names, name, key.broken)
		isData := string(name) == "data" || string(name) == "data_base64"
		switch {
		case !fresh:
			d.eventID.usable = d.eventID.usable && string(name) != "id"
			_, err = d.value()
		case isData && hasData:
			d.found.add(string(name), "given beside the other form of data; give one")
			_, err = d.value()
		case isData:
			hasData = true
			err = d.envelopeData(string(name))
		default:
			err = d.attribute(string(name))
		}
		if err != nil {
			return err
		}
		d.leave()
	}
	d.close(names)
	if !hasData {
		d.found.add("data", "missing; a CloudEvent holds the command there")
	}
	return d.end()
}

// attribute reads one attribute of a CloudEvent. Those that say nothing here
// are only looked at as far as to be sure that none is a field of the command
// in the wrong place.
func (d *commandDecoder) attribute(name string) error {
	if d.peek() == '"' {
		t, err := d.text()
		if err != nil {
			return err
		}
		if t.broken {
			d.reportBroken()
		}
		d.textAttribute(name, string(d.name(t)), !t.broken)
		return nil
	}
	kind, err := d.value()
	switch {
	case err != nil:
		return err
	case kind == 'n':
		d.checkAttribute(name) // null stands for an attribute that is not set
	case name == "id" || name == "specversion":
		d.found.add(name, "must be a string, not "+kindName(kind))
		d.eventID.given = d.eventID.given || name == "id"
	case kind == '{' || kind == '[':
		d.found.add(clip(name), "an attribute of a CloudEvent can not be "+kindName(kind)+"; fields of the command belong inside data")
	default:
		d.checkAttribute(name)
	}
	return nil
}

// textAttribute takes an attribute whose value is a string.
func (d *commandDecoder) textAttribute(name, value string, ok bool) {
	switch name {
	case "id":
		d.eventID = idValue{given: value != "", usable: ok, text: value}
	case "specversion":
		if value != specVersion {
			d.found.add(name, notVersion1)
		}
	case HeaderTraceparent:
		d.ceTraceparent = value
	case HeaderTracestate:
		d.ceTracestate = value
	default:
		d.checkAttribute(name)
	}
}

// checkAttribute reports a name that can not be an attribute of a CloudEvent
// (section 3.1 of the specification: lower-case letters and digits), or that
// seems to mean a field of the command.
func (d *commandDecoder) checkAttribute(name string) {
	switch f := likeField(name); {
	case f != "":
		d.found.add(clip(name), "is no attribute of a CloudEvent; put "+f+" inside data")
	case name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "":
		d.found.add(clip(name), "is no attribute of a CloudEvent; fields of the command belong inside data")
	}
}

// envelopeData reads the command inside a CloudEvent.
func (d *commandDecoder) envelopeData(name string) error {
	outer := d.path
	d.path = nil // a field is named as in the other forms
	defer func() { d.path = outer }()
	if name == "data_base64" {
		return d.encodedData(name)
	}
	d.peek()
	from := d.pos
	if err := d.commandObject(name); err != nil {
		return err
	}
	if d.pos-from > MaxCommandBytes {
		d.found.add(name, tooLarge)
	}
	return nil
}

// encodedData reads the command from Base64 (RFC 4648, section 4).
func (d *commandDecoder) encodedData(name string) error {
	if d.peek() != '"' {
		kind, err := d.value()
		if err == nil {
			d.found.add(name, "must be a string, not "+kindName(kind))
		}
		return err
	}
	t, err := d.text()
	if err != nil {
		return err
	}
	decoded, ok := decodeBase64(string(d.name(t)))
	if !ok {
		d.found.add(name, "is not Base64; send the command as data instead")
		return nil
	}
	inner := commandDecoder{action: d.action, command: d.command}
	inner.strict, inner.found = true, d.found
	inner.begin(decoded)
	err = inner.commandObject(name)
	if err == nil {
		err = inner.end()
	}
	if err != nil {
		inner.found.add(name, err.Error()+oneObject)
	}
	d.command, d.found, d.id, d.seen, d.read = inner.command, inner.found, inner.id, inner.seen, inner.read
	return nil
}

func decodeBase64(text string) (decoded []byte, ok bool) {
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	return decoded, err == nil
}
