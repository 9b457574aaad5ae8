package messages_test

import (
	"strings"
	"testing"
	"time"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDeadLetterHeader(t *testing.T) {
	t.Parallel()
	d := messages.DeadLetter{
		ErrorType: messages.ErrorInvalidCommand, Detail: " order_id: 100% wrong\r\nNats-Rollup: all; é ",
		EventSubject: "certrecall.evt.v1.command-rejected.soar.-.i",
		ReceivedAt:   time.Date(2026, 3, 1, 12, 0, 0, 500, time.FixedZone("", 3600)), Deliveries: 3, Sequence: 42,
	}
	original := map[string][]string{
		"ce-id": {"i"}, "Traceparent": {"x"}, "certrecall-replay-of": {"h"},
		"Nats-Msg-Id": {"m"}, "nats-expected-stream": {"s"}, "Natsy": {"kept"},
		"Certrecall-Error-Type": {"forged"}, "CERTRECALL-SEQUENCE": {"1"},
	}
	got := d.Header(original)
	want := map[string][]string{
		"ce-id": {"i"}, "Traceparent": {"x"}, "certrecall-replay-of": {"h"}, "Natsy": {"kept"},
		"certrecall-error-type":    {"invalid-command"},
		"certrecall-error-detail":  {"%20order_id: 100%25 wrong%0D%0ANats-Rollup: all; %C3%A9%20"},
		"certrecall-event-subject": {"certrecall.evt.v1.command-rejected.soar.-.i"},
		"certrecall-received-at":   {"2026-03-01T11:00:00.0000005Z"},
		"certrecall-deliveries":    {"3"},
		"certrecall-sequence":      {"42"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if len(original) != 8 {
		t.Error("the headers of the command were changed")
	}
	parsed, err := messages.ParseDeadLetter(got)
	if err != nil {
		t.Fatal(err)
	}
	d.ReceivedAt = d.ReceivedAt.UTC()
	if diff := cmp.Diff(d, parsed); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
}

func TestDeadLetterDetailIsBounded(t *testing.T) {
	t.Parallel()
	h := messages.DeadLetter{ErrorType: messages.ErrorPoison, Detail: strings.Repeat("é", 100_000)}.Header(nil)
	if size := len(h["certrecall-error-detail"][0]); size > 9000 {
		t.Errorf("the header is %d bytes long", size)
	}
	d, err := messages.ParseDeadLetter(h)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(d.Detail, "éé...") {
		t.Errorf("the detail ends in %q", d.Detail[len(d.Detail)-10:])
	}
}

func TestParseDeadLetterNamesTheHeader(t *testing.T) {
	t.Parallel()
	for header, value := range map[string]string{
		"certrecall-error-type":   "",
		"certrecall-error-detail": "100%",
		"certrecall-received-at":  "yesterday",
		"certrecall-deliveries":   "-1",
		"certrecall-sequence":     "",
	} {
		h := messages.DeadLetter{ErrorType: messages.ErrorPoison}.Header(nil)
		h[header] = []string{value}
		if _, err := messages.ParseDeadLetter(h); err == nil || !strings.Contains(err.Error(), header) {
			t.Errorf("%s %q: error %v", header, value, err)
		}
	}
}

func TestDeadLetterRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := messages.DeadLetter{
			ErrorType:    rapid.SampledFrom(messages.ErrorTypes()).Draw(t, "type"),
			Detail:       rapid.StringN(0, 200, -1).Draw(t, "detail"),
			EventSubject: "certrecall.evt.v1.revoke-failed.soar.-.i",
			ReceivedAt:   drawTime(t, "received"),
			Deliveries:   rapid.Uint64().Draw(t, "deliveries"),
			Sequence:     rapid.Uint64().Draw(t, "sequence"),
		}
		h := d.Header(map[string][]string{"a": {"b"}})
		if v := h["certrecall-error-detail"][0]; strings.TrimSpace(v) != v || strings.ContainsAny(v, "\r\n") {
			t.Fatalf("header %q", v)
		}
		got, err := messages.ParseDeadLetter(h)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}
