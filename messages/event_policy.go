package messages

import (
	"crypto/sha256"
	"strings"
)

// Held says which limit of the policy holds a command.
type Held struct {
	Source string // whose limit it is
	Limit  string // as the policy writes it, such as "50/10m"
	Count  int    // the orders counted before this one
}

// KeyHash says which key a certificate has.
type KeyHash struct {
	CertificateID int64
	SPKISHA256    string // of the DER SubjectPublicKeyInfo, 64 lower-case hexadecimal digits
}

// append appends the limit as a JSON object.
func (h *Held) append(dst []byte) []byte {
	o := object{}
	o.alwaysText("source", h.Source)
	o.alwaysText("limit", h.Limit)
	o.alwaysNumber("count", int64(h.Count))
	return append(dst, o.end()...)
}

// keys appends the array of the keys of certificates; nil is left out.
func (o *object) keys(keys []KeyHash) {
	if keys == nil {
		return
	}
	o.name("keys")
	o.buf = append(o.buf, '[')
	for i, k := range keys {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		one := object{}
		one.alwaysNumber("certificate_id", k.CertificateID)
		one.alwaysText("spki_sha256", k.SPKISHA256)
		o.buf = append(o.buf, one.end()...)
	}
	o.buf = append(o.buf, ']')
}

func (d *eventDecoder) heldField(name []byte) {
	h := d.event.Held
	switch string(name) {
	case "source":
		readText(d, &h.Source)
	case "limit":
		readText(d, &h.Limit)
	case "count":
		readNumber(d, &h.Count)
	default:
		d.skip()
	}
}

// keys reads the array of the keys of certificates.
func (d *eventDecoder) keys() {
	keys := []KeyHash{}
	d.event.Keys = keys
	if !d.begins('[') {
		return
	}
	if d.err = d.enter(); d.err != nil {
		return
	}
	for d.peek() != ']' {
		if len(keys) > 0 {
			if !d.at(',') {
				d.err = d.unexpected("a comma or ]")
				return
			}
			d.pos++
		}
		keys = append(keys, KeyHash{})
		d.each(keys[len(keys)-1].field(d))
		if d.err != nil {
			return
		}
	}
	d.pos++
	d.depth--
	d.event.Keys = keys
}

// field returns what reads one member of the object.
func (k *KeyHash) field(d *eventDecoder) func(name []byte) {
	return func(name []byte) {
		switch string(name) {
		case "certificate_id":
			readNumber(d, &k.CertificateID)
		case "spki_sha256":
			readText(d, &k.SPKISHA256)
		default:
			d.skip()
		}
	}
}

// validSPKI reports whether s is a SHA-256 in lower-case hexadecimal digits.
func validSPKI(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// checkPolicy says what of the policy's fields stands where it does not belong,
// or is incomplete.
func (e *Event) checkPolicy(refuse func(is bool, what string)) {
	refuse((e.Held != nil) != (e.Name == EventRevokeHeld), "held: must be there exactly in revoke-held")
	if h := e.Held; h != nil {
		refuse(!ValidSource(h.Source) || h.Limit == "" || h.Count < 0, "held: source or limit breaks the rule, or count is below 0")
	}
	refuse((e.CancelledBy != "" || e.CancelReason != "") && !e.Name.ofCancellation(), "cancelled_by, cancel_reason: belong to cancelled events")
	refuse((e.Product != "" || e.Keys != nil) && e.Name != EventRevokePlanned, "product, keys: belong to revoke-planned")
	for _, k := range e.Keys {
		refuse(k.CertificateID <= 0 || !validSPKI(k.SPKISHA256), "keys: want a certificate's id and the SHA-256 of its key")
	}
}
