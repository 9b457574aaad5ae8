package messages

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// DeadLetter is what the headers of a dead letter say about it. Its body and
// its other headers are those of the command.
type DeadLetter struct {
	ErrorType    ErrorType
	Detail       string    // the detail of the error, cut where it is very long
	EventSubject string    // the subject of the event that answered the command
	ReceivedAt   time.Time // when the stream stored the command; UTC
	Deliveries   uint64    // how often the command was delivered
	Sequence     uint64    // of the command in the commands stream
}

// maxDetailHeader bounds the header with the detail, in bytes.
const maxDetailHeader = 8 << 10

// Header returns the headers of the dead letter of a command: those of the
// command, except the ones that speak to the server (Nats-…), and our own. In
// the detail a % and all that is not printable ASCII is percent-encoded.
func (d DeadLetter) Header(original map[string][]string) map[string][]string {
	header := make(map[string][]string, len(original)+6)
	for name, values := range original {
		if _, server := cutFold(name, "nats-"); !server {
			header[name] = values
		}
	}
	for _, own := range [...]struct{ name, value string }{
		{HeaderErrorType, string(d.ErrorType)},
		{HeaderErrorDetail, encodeDetail(d.Detail)},
		{HeaderEventSubject, d.EventSubject},
		{HeaderReceivedAt, d.ReceivedAt.UTC().Format(time.RFC3339Nano)},
		{HeaderDeliveries, strconv.FormatUint(d.Deliveries, 10)},
		{HeaderSequence, strconv.FormatUint(d.Sequence, 10)},
	} {
		for name := range header {
			if strings.EqualFold(name, own.name) {
				delete(header, name)
			}
		}
		header[own.name] = []string{own.value}
	}
	return header
}

// encodeDetail writes a detail as a header, whose ends must not be spaces.
func encodeDetail(detail string) string {
	detail = strings.ToValidUTF8(detail, string(utf8.RuneError))
	out := make([]byte, 0, len(detail)+len(detail)/4)
	for i, size := 0, 0; i < len(detail); i += size {
		_, size = utf8.DecodeRuneInString(detail[i:])
		also := "%"
		if i == 0 || i == len(detail)-1 {
			also = "% "
		}
		from := len(out)
		if out = appendPercent(out, detail[i:i+size], also); len(out) > maxDetailHeader {
			return string(out[:from]) + "..."
		}
	}
	return string(out)
}

// ParseDeadLetter reads what the headers of a dead letter say. The error names
// the first header that is missing or can not be read.
func ParseDeadLetter(h map[string][]string) (DeadLetter, error) {
	d := DeadLetter{
		ErrorType:    ErrorType(getHeader(h, HeaderErrorType)),
		EventSubject: getHeader(h, HeaderEventSubject),
	}
	detail := getHeader(h, HeaderErrorDetail)
	var err error
	if d.Detail, err = decodePercent(detail); err != nil {
		return DeadLetter{}, fmt.Errorf("header %s: %w", HeaderErrorDetail, err)
	}
	if d.ErrorType == "" {
		return DeadLetter{}, fmt.Errorf("header %s: missing", HeaderErrorType)
	}
	var ok bool
	if d.ReceivedAt, ok = parseTime(getHeader(h, HeaderReceivedAt)); !ok {
		return DeadLetter{}, fmt.Errorf("header %s: want an RFC 3339 time", HeaderReceivedAt)
	}
	if d.Deliveries, err = strconv.ParseUint(getHeader(h, HeaderDeliveries), 10, 64); err != nil {
		return DeadLetter{}, fmt.Errorf("header %s: %w", HeaderDeliveries, err)
	}
	if d.Sequence, err = strconv.ParseUint(getHeader(h, HeaderSequence), 10, 64); err != nil {
		return DeadLetter{}, fmt.Errorf("header %s: %w", HeaderSequence, err)
	}
	return d, nil
}
