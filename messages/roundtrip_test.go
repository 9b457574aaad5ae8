package messages_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawTime draws a time that RFC 3339 can write.
func drawTime(t *rapid.T, label string) time.Time {
	const first, last = -62135596799, 253402300799 // one second into year 1; the end of 9999
	return time.Unix(rapid.Int64Range(first, last).Draw(t, label), rapid.Int64Range(0, 999_999_999).Draw(t, label+" ns")).UTC()
}

// maybeTime draws a time, or none.
func maybeTime(t *rapid.T, label string) time.Time {
	if rapid.Bool().Draw(t, label+" given") {
		return drawTime(t, label)
	}
	return time.Time{}
}

func drawToken(t *rapid.T, label string, most int) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ019_-")), 1, most, -1).Draw(t, label)
}

func maybeToken(t *rapid.T, label string, most int) string {
	if rapid.Bool().Draw(t, label+" given") {
		return drawToken(t, label, most)
	}
	return ""
}

func maybeIncident(t *rapid.T) string {
	incident := maybeToken(t, "incident", 64)
	if incident == "-" {
		return "--"
	}
	return incident
}

func drawPlainText(t *rapid.T, label string, least, most int) string {
	return rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return !unicode.IsControl(r) }), least, most, -1).Draw(t, label)
}

// drawJSON draws a JSON value, with white space inside and escapes of all kinds.
func drawJSON(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth <= 0 {
		kind %= 3
	}
	space := rapid.SampledFrom([]string{"", " ", "\n\t", "\r"})
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"null", "true", "false", "0", "-0", "1.0", "1e3", "1E-30", "123456789012345678901234567890", "-0.5e+1"}).Draw(t, "literal")
	case 1:
		return rapid.SampledFrom([]string{`""`, `"\u0000"`, `"\ud83d\udd11"`, `"<&>"`, `"\/\b\f\n\r\t\"\\"`, "\"\u2028\x7f\"", `"\uFFFF"`}).Draw(t, "string")
	case 2:
		text, err := json.Marshal(rapid.String().Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	case 3:
		var out strings.Builder
		out.WriteString("[")
		for i := range rapid.IntRange(0, 3).Draw(t, "length") {
			if i > 0 {
				out.WriteString(",")
			}
			out.WriteString(space.Draw(t, "space") + drawJSON(t, depth-1))
		}
		return out.String() + space.Draw(t, "space") + "]"
	}
	return drawObject(t, depth-1)
}

func drawObject(t *rapid.T, depth int) string {
	names := rapid.SliceOfNDistinct(rapid.StringN(0, 5, -1), 0, 20, rapid.ID).Draw(t, "names")
	if depth > 0 && len(names) > 3 {
		names = names[:3]
	}
	var out strings.Builder
	out.WriteString("{")
	for i, name := range names {
		if i > 0 {
			out.WriteString(" ,")
		}
		key, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n" + string(key) + " : " + drawJSON(t, depth))
	}
	return out.String() + "}"
}

func maybeObject(t *rapid.T, label string) json.RawMessage {
	if rapid.Bool().Draw(t, label+" given") {
		return json.RawMessage(drawObject(t, 2))
	}
	return nil
}

// drawCommand draws any valid command.
func drawCommand(t *rapid.T) messages.Command {
	c := messages.Command{
		ID:          rapid.StringMatching(`[A-Za-z0-9_-]{1,128}`).Filter(func(s string) bool { return !messages.ReservedID(s) }).Draw(t, "id"),
		Source:      drawToken(t, "source", 64),
		Lane:        rapid.SampledFrom(messages.Lanes()).Draw(t, "lane"),
		OrderID:     rapid.Int64Min(1).Draw(t, "order"),
		Incident:    maybeIncident(t),
		Expires:     maybeTime(t, "expires"),
		RequestedBy: rapid.StringN(0, 256, -1).Draw(t, "requester"),
		Context:     maybeObject(t, "context"),
		Traceparent: rapid.SampledFrom([]string{"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}).Draw(t, "traceparent"),
	}
	if c.Traceparent != "" {
		c.Tracestate = rapid.SampledFrom([]string{"", "a=1, b=2"}).Draw(t, "tracestate")
	}
	if rapid.Bool().Draw(t, "replay") {
		c.ReplayOf = c.ID
		c.ID = messages.ReplayID(c.ID, rapid.Uint64().Draw(t, "sequence"))
	}
	if c.Action() == messages.ActionListDuplicates {
		c.ShowArchived = rapid.Bool().Draw(t, "archived")
		return c
	}
	c.CertificateID = rapid.Int64Min(0).Draw(t, "certificate")
	c.Comments = drawPlainText(t, "comments", 1, 1000)
	c.RevocationReason = rapid.SampledFrom(append(messages.RevocationReasons(), "")).Draw(t, "reason")
	c.SkipApproval = rapid.Bool().Draw(t, "skip approval")
	c.ExpectedCommonName = rapid.StringN(0, 255, -1).Draw(t, "common name")
	c.DryRun = rapid.Bool().Draw(t, "dry run")
	c.Deadline = maybeTime(t, "deadline")
	return c
}

func TestCommandRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCommand(t)
		body, err := messages.EncodeCommand(c)
		if err != nil {
			t.Fatal(err)
		}
		header := messages.CommandHeader(c)
		got, err := messages.DecodeCommand(c.Lane, c.Source, header, body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
		structured := []byte(`{"specversion":"1.0","id":"other","data":` + string(body) + `}`)
		header["content-type"] = []string{"application/cloudevents+json"}
		if got, err = messages.DecodeCommand(c.Lane, c.Source, header, structured); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Fatalf("structured (-want +got):\n%s", diff)
		}
		if c.Digest() != got.Digest() {
			t.Fatal("the digest changed")
		}
	})
}

// drawKeys draws the keys of a plan; nil is none read.
func drawKeys(t *rapid.T) []messages.KeyHash {
	n := rapid.IntRange(-1, 3).Draw(t, "count of keys")
	if n < 0 {
		return nil
	}
	keys := make([]messages.KeyHash, n)
	for i := range keys {
		keys[i] = messages.KeyHash{CertificateID: rapid.Int64Min(1).Draw(t, "certificate"), SPKISHA256: rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "hash")}
	}
	return keys
}

// drawEvent draws any event of the contract about a command.
func drawEvent(t *rapid.T) messages.Event {
	c := drawCommand(t)
	name := rapid.SampledFrom(messages.EventNames()).Filter(func(n messages.EventName) bool {
		listing := n == messages.EventDuplicatesListed || n == messages.EventListDuplicatesFailed || n == messages.EventListDuplicatesCancelled
		return n == messages.EventCommandRejected || listing == (c.Action() == messages.ActionListDuplicates)
	}).Draw(t, "event")
	e := messages.NewEvent(c, name, drawTime(t, "time"), drawTime(t, "received"))
	e.Attempts = rapid.IntMin(0).Draw(t, "attempts")
	e.Origin = rapid.SampledFrom([]string{"", "1772000000-42"}).Draw(t, "origin")
	switch name {
	case messages.EventRevokeFailed, messages.EventRevokeRejected, messages.EventListDuplicatesFailed, messages.EventCommandRejected:
		e.Error = messages.NewError(rapid.SampledFrom(messages.ErrorTypes()).Draw(t, "type"), rapid.StringN(1, 100, -1).Draw(t, "detail"))
		e.Error.Status = rapid.IntRange(0, 599).Draw(t, "http status")
		e.Error.Code = rapid.String().Draw(t, "code")
		e.Error.Retryable = rapid.Bool().Draw(t, "retryable")
		e.Error.ConflictsWith = rapid.String().Draw(t, "conflict")
	case messages.EventDuplicatesListed, messages.EventRevokePlanned:
		e.Count = new(rapid.IntMin(0).Draw(t, "count"))
		if rapid.Bool().Draw(t, "object") {
			e.CertificatesObject = &messages.ObjectRef{Bucket: "B", Name: rapid.String().Draw(t, "name"), Size: rapid.Int64Min(0).Draw(t, "size"), Digest: "d"}
		} else {
			e.Certificates = json.RawMessage("[" + drawObject(t, 3) + " ]")
		}
	case messages.EventRevokeHeld:
		e.Held = &messages.Held{Source: drawToken(t, "held source", 64), Limit: rapid.StringN(1, 40, -1).Draw(t, "limit"), Count: rapid.IntMin(0).Draw(t, "counted")}
	case messages.EventRevokeCancelled, messages.EventListDuplicatesCancelled:
		e.CancelledBy, e.CancelReason = rapid.String().Draw(t, "cancelled by"), rapid.String().Draw(t, "cancel reason")
	case messages.EventRevokeAccepted, messages.EventRevokeRequested, messages.EventRevokeOverdue, messages.EventRevoked:
	}
	if name == messages.EventRevokePlanned {
		e.Product = rapid.String().Draw(t, "product")
		e.Keys = rapid.Custom(drawKeys).Draw(t, "keys")
	}
	if name == messages.EventCommandRejected {
		e.ID, e.CommandID = "seq-1-"+drawToken(t, "sequence", 20), rapid.String().Draw(t, "claimed")
	} else if c.Action() == messages.ActionRevoke {
		e.Already = rapid.Bool().Draw(t, "already")
		e.RequestID = rapid.Int64Min(0).Draw(t, "request")
		e.Request = maybeObject(t, "request")
		e.Status, e.OrderStatus = rapid.String().Draw(t, "status"), rapid.String().Draw(t, "order status")
		if rapid.Bool().Draw(t, "approval known") {
			e.ApprovalNeeded = new(rapid.Bool().Draw(t, "approval"))
		}
	}
	return e
}

func TestEventRoundTrip(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "certrecall")
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		subject, header, body, err := names.EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(body) {
			t.Fatalf("no JSON: %s", body)
		}
		got, err := names.DecodeEvent(subject, header, body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
		for name, values := range header {
			for _, v := range values {
				for i := range len(v) {
					if v[i] < ' ' || v[i] > '~' {
						t.Fatalf("header %s: %q", name, v)
					}
				}
			}
		}
	})
}
