package messages

import "unicode/utf8"

// idValue reads the value of an id.
func (d *commandDecoder) idValue() (idValue, error) {
	if d.peek() == '"' {
		v, ok, err := d.textValue(fieldID)
		return idValue{given: true, usable: ok, text: v}, err
	}
	from := d.pos
	err := d.wrongType(fieldID, "a string")
	return idValue{given: true, text: clip(string(d.data[from:d.pos]))}, err
}

// finishID settles the command's id: the body's, else the CloudEvent's.
func (d *commandDecoder) finishID() {
	id, where := d.id, fieldID.name()
	if !id.given {
		id = d.eventID
		if !d.structured {
			where = ceID
		}
	}
	switch {
	case !id.given:
		if d.read {
			d.found.add(fieldID.name(), missing)
		}
		return
	case !id.usable && (d.id.given || d.structured):
		// Reported where it was read.
	case !id.usable:
		d.found.add(where, "can not be read; send it once, percent-encoded UTF-8")
	default:
		if wrong := d.checkID(id.text); wrong != "" {
			d.found.add(where, wrong)
			break
		}
		d.command.ID = id.text
		return
	}
	d.command.ClaimedID = claimed(id.text)
}

// checkID returns what is wrong with an id.
func (d *commandDecoder) checkID(id string) string {
	_, replay := cutReplay(id)
	of := d.replayOf
	switch {
	case of.count > 1:
		d.found.add(HeaderReplayOf, givenTwice)
	case of.count == 1 && !(replay && ValidID(of.text)):
		d.found.add(HeaderReplayOf, "is for replayed dead letters only; leave it out")
	}
	switch {
	case !ValidID(id):
		return notAnID
	case replay && of.count > 0:
		d.command.ReplayOf = of.text
	case ReservedID(id):
		return reservedID
	}
	return ""
}

// claimed returns what is kept of an id that can not be used.
func claimed(id string) string {
	id = clip(id)
	for len(id) > maxReplayID {
		_, size := utf8.DecodeLastRuneInString(id)
		id = id[:len(id)-size]
	}
	return id
}

// finishRequired reports what is missing from a command that was read whole.
func (d *commandDecoder) finishRequired() {
	if !d.read {
		return
	}
	if !d.seen.has(fieldOrderID) {
		d.found.add(fieldOrderID.name(), missing)
	}
	if d.action == ActionRevoke && !d.seen.has(fieldComments) {
		d.found.add(fieldComments.name(), missing)
	}
}
