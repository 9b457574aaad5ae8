package messages

import (
	"encoding/json"
	"testing"
	"time"
)

// benchmarkCommand is a revocation as a ticketing system sends it.
const benchmarkCommand = `{"id":"INC0012345-1","order_id":123456789,"comments":"Key of host www.example.com found in a public repository",` +
	`"revocation_reason":"keyCompromise","skip_approval":true,"incident":"INC0012345","deadline":"2026-03-01T17:00:00Z",` +
	`"requested_by":"jane@example.com","context":{"ticket":"INC0012345","hosts":["www.example.com","api.example.com"],"priority":1}}`

func benchmarkHeader() map[string][]string {
	return map[string][]string{
		"traceparent":        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"Nats-Expected-Hdr":  {"x"},
		"certrecall-ignored": {"y"},
	}
}

func BenchmarkDecodeCommand(b *testing.B) {
	header, body := benchmarkHeader(), []byte(benchmarkCommand)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeCommand(LaneRevoke, "servicenow", header, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeListing(b *testing.B) {
	body := []byte(`{"id":"list-1","order_id":123456789}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeCommand(LaneListDuplicates, "soar", nil, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	c, err := DecodeCommand(LaneRevoke, "servicenow", nil, []byte(benchmarkCommand))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Digest()
	}
}

// benchmarkEvent is a revoked event with all that usually is in one.
func benchmarkEvent(b *testing.B) (Names, Event) {
	b.Helper()
	names, err := NewNames("certrecall")
	if err != nil {
		b.Fatal(err)
	}
	c, err := DecodeCommand(LaneRevoke, "servicenow", benchmarkHeader(), []byte(benchmarkCommand))
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	e := NewEvent(c, EventRevoked, at, at.Add(-time.Second))
	e.RequestID, e.Status, e.Attempts = 4711, "approved", 1
	e.Request = json.RawMessage(`{"id":4711,"date":"2026-03-01T11:59:59+00:00","type":"revoke","status":"approved","comments":"x"}`)
	return names, e
}

func BenchmarkEncodeEvent(b *testing.B) {
	names, e := benchmarkEvent(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := names.EncodeEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeDuplicatesListed(b *testing.B) {
	names, e := benchmarkEvent(b)
	e.Name, e.Action, e.Lane = EventDuplicatesListed, ActionListDuplicates, LaneListDuplicates
	certificate := `{"id":12345,"thumbprint":"0123456789ABCDEF","serial_number":"0A1B","common_name":"example.com","dns_names":["sub.example.com"],"status":"approved","key_size":2048}`
	list := []byte{'['}
	for i := range 1000 {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, certificate...)
	}
	e.Certificates, e.Count = append(list, ']'), new(1000)
	b.SetBytes(int64(len(e.Certificates)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := names.EncodeEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	names, e := benchmarkEvent(b)
	subject, header, body, err := names.EncodeEvent(e)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := names.DecodeEvent(subject, header, body); err != nil {
			b.Fatal(err)
		}
	}
}
