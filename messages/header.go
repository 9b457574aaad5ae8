package messages

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Headers of the contract that are not CloudEvents attributes. Names are
// written as they stand here and read in any case.
const (
	HeaderContentType  = "Content-Type"
	HeaderTraceparent  = "traceparent"
	HeaderTracestate   = "tracestate"
	HeaderDigest       = "certrecall-command-digest" // of an event: SHA-256 of the decoded command
	HeaderOrigin       = "certrecall-command"        // of an event: see [Event.Origin]
	HeaderReplayOf     = "certrecall-replay-of"      // of a command: the id it is a replay of
	HeaderErrorType    = "certrecall-error-type"     // this and the following: of a dead letter
	HeaderErrorDetail  = "certrecall-error-detail"
	HeaderEventSubject = "certrecall-event-subject"
	HeaderReceivedAt   = "certrecall-received-at"
	HeaderDeliveries   = "certrecall-deliveries"
	HeaderSequence     = "certrecall-sequence"
)

// The CloudEvents attributes, as headers of the binary mode.
const (
	ceSpecVersion     = "ce-specversion"
	ceID              = "ce-id"
	ceSource          = "ce-source"
	ceType            = "ce-type"
	ceTime            = "ce-time"
	ceDataContentType = "ce-datacontenttype"
	ceSubject         = "ce-subject"
	ceCorrelationID   = "ce-correlationid"
	ceCausationID     = "ce-causationid"
)

const specVersion = "1.0"

// Headers above these lengths, in bytes, are not carried on.
const (
	maxTraceparent = 256
	maxTracestate  = 8 << 10
)

// headerValue is a header that was looked for.
type headerValue struct {
	text  string // the first value, without white space around it
	count int    // how many values there were
}

func (h *headerValue) take(values []string) {
	for _, v := range values {
		if h.count == 0 {
			h.text = strings.Trim(v, " \t")
		}
		h.count++
	}
}

// getHeader returns the value of a header, whose name is read in any case. The
// spelling of the contract wins over others.
func getHeader(header map[string][]string, name string) string {
	if v := header[name]; len(v) > 0 {
		return v[0]
	}
	for k, v := range header {
		if len(v) > 0 && strings.EqualFold(k, name) {
			return v[0]
		}
	}
	return ""
}

// headerSafe reports whether a text can stand in a header as it is.
func headerSafe(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s == strings.Trim(s, " ")
}

// appendPercent appends s with every byte percent-encoded that is not printable
// ASCII, and every byte of also.
func appendPercent(dst []byte, s, also string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= 0x7f || strings.IndexByte(also, c) >= 0 {
			dst = append(dst, '%', hex[c>>4], hex[c&0xf])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// ceEscapes are the printable characters that a CloudEvents header encodes.
const ceEscapes = " \"%"

// encodeAttribute writes the value of a CloudEvents attribute as a header
// (CloudEvents 1.0 HTTP binding, section 3.1.3.2, which the NATS binding
// repeats).
func encodeAttribute(s string) string {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			return string(appendPercent(nil, s, ceEscapes))
		}
	}
	return s
}

// decodeAttribute is the reverse of encodeAttribute. It also takes off quotes
// around the value, as the binding wants of a reader.
func decodeAttribute(s string) (string, error) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = unquote(s[1 : len(s)-1])
	}
	return decodePercent(s)
}

// unquote takes the backslashes out of a quoted string (RFC 9110, section 5.6.4).
func unquote(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func decodePercent(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		if !utf8.ValidString(s) {
			return "", errors.New("is not UTF-8")
		}
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("has a % without two hexadecimal digits")
		}
		r, ok := hex4([]byte{'0', '0', s[i+1], s[i+2]})
		if !ok {
			return "", errors.New("has a % without two hexadecimal digits")
		}
		out = append(out, byte(r))
		i += 2
	}
	if !utf8.Valid(out) {
		return "", errors.New("is not UTF-8")
	}
	return string(out), nil
}
