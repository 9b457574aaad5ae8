package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func mustNames(t testing.TB, prefix string) messages.Names {
	t.Helper()
	names, err := messages.NewNames(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// goldenEvents returns one event of each name, with all the fields that it can
// have, and some more that show what else happens.
func goldenEvents() map[string]messages.Event {
	at := time.Date(2026, 3, 1, 12, 0, 4, 250_000_000, time.UTC)
	received := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	revoke := messages.Command{
		ID: "INC0012345-revoke-123456", Source: "servicenow", Lane: messages.LaneRevokeUrgent,
		OrderID: 123456, Comments: "Key found in a public repository <INC0012345> & \"replaced\"",
		RevocationReason: messages.ReasonKeyCompromise, Incident: "INC0012345",
		Deadline: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Expires: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC),
		RequestedBy: "jane@example.com", Context: json.RawMessage("{ \"ticket\": \"INC0012345\",\n  \"cost\": 1.0, \"url\": \"https://example.com/?a=1&b=<2>\", \"caf\\u00e9\": null }"),
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Tracestate: "vendor=a, other=b",
	}
	certificate := revoke
	certificate.ID, certificate.CertificateID, certificate.SkipApproval, certificate.Lane = "INC0012345-revoke-123456-789", 789, true, messages.LaneRevoke
	plan := revoke
	plan.ID, plan.DryRun, plan.ExpectedCommonName = "INC0012345-plan-123456", true, "example.com"
	list := messages.Command{ID: "list-1", Source: "soar", Lane: messages.LaneListDuplicates, OrderID: 123456, ShowArchived: true}
	request := json.RawMessage(`{"id": 1, "date": "2016-02-10T17:06:15+00:00", "type": "revoke", "status": "pending", "requester": {"id": 242140}, "comments": "Revoked via API!"}`)
	certificates := json.RawMessage("[\n  {\"id\": 12345, \"common_name\": \"example.com\", \"key_size\": 2048.0, \"x\\/y\": \"<b>&amp;</b>\"}\n]")

	events := make(map[string]messages.Event)
	add := func(file string, c messages.Command, name messages.EventName, more func(*messages.Event)) {
		e := messages.NewEvent(c, name, at, received)
		e.Origin = "1772000000-42"
		if more != nil {
			more(&e)
		}
		events[file] = e
	}
	failed := func(kind messages.ErrorType, detail string) func(*messages.Event) {
		return func(e *messages.Event) { e.Error = messages.NewError(kind, detail) }
	}
	add("revoke-accepted", revoke, messages.EventRevokeAccepted, nil)
	add("revoke-requested", revoke, messages.EventRevokeRequested, func(e *messages.Event) {
		e.RequestID, e.Status, e.Attempts, e.Request = 1, "pending", 1, request
	})
	add("revoke-held", revoke, messages.EventRevokeHeld, func(e *messages.Event) {
		e.Held = &messages.Held{Source: "servicenow", Limit: "50/10m", Count: 50}
	})
	add("revoke-overdue", revoke, messages.EventRevokeOverdue, func(e *messages.Event) {
		e.RequestID, e.Status, e.Attempts, e.Request = 1, "pending", 1, request
	})
	add("revoked", revoke, messages.EventRevoked, func(e *messages.Event) {
		e.RequestID, e.Status, e.Attempts, e.Request = 1, "approved", 2, request
	})
	add("revoked-certificate", certificate, messages.EventRevoked, func(e *messages.Event) {
		e.Status, e.Attempts = "revoked", 1
	})
	add("revoked-already", certificate, messages.EventRevoked, func(e *messages.Event) {
		e.Status, e.Already, e.RevocationReason, e.ReplayOf = "revoked", true, "", "INC0012345-revoke-123456"
	})
	add("revoke-rejected", revoke, messages.EventRevokeRejected, func(e *messages.Event) {
		e.RequestID, e.Status, e.Attempts, e.Request = 1, "rejected", 1, request
		e.Error = messages.NewError(messages.ErrorApprovalRejected, "request 1 was rejected: \"not now\"")
	})
	add("revoke-failed", revoke, messages.EventRevokeFailed, func(e *messages.Event) {
		e.Attempts = 1
		e.Error = messages.NewError(messages.ErrorRefused, "DigiCert answered 400: the order cannot be revoked")
		e.Error.Status, e.Error.Code, e.Error.Retryable = 400, "invalid_order_state|x", true
	})
	add("revoke-failed-protected", revoke, messages.EventRevokeFailed, failed(messages.ErrorProtectedOrder, "order 123456 is protected: payment gateway"))
	cancelled := func(e *messages.Event) { e.CancelledBy, e.CancelReason = "ada", "wrong list: \"see INC0012345\"" }
	add("revoke-cancelled", revoke, messages.EventRevokeCancelled, cancelled)
	add("revoke-planned", plan, messages.EventRevokePlanned, func(e *messages.Event) {
		e.OrderStatus, e.ApprovalNeeded, e.Certificates, e.Count = "issued", new(true), certificates, new(1)
		e.Product = "ssl_plus"
		e.Keys = []messages.KeyHash{{CertificateID: 12345, SPKISHA256: strings.Repeat("0f", 32)}, {CertificateID: 12346, SPKISHA256: strings.Repeat("a9", 32)}}
	})
	add("duplicates-listed", list, messages.EventDuplicatesListed, func(e *messages.Event) {
		e.Attempts, e.Certificates, e.Count = 1, certificates, new(1)
	})
	add("duplicates-listed-none", list, messages.EventDuplicatesListed, func(e *messages.Event) {
		e.Attempts, e.Certificates, e.Count = 1, json.RawMessage("[]"), new(0)
	})
	add("duplicates-listed-object", list, messages.EventDuplicatesListed, func(e *messages.Event) {
		e.Attempts, e.Count = 1, new(100000)
		e.CertificatesObject = &messages.ObjectRef{
			Bucket: "CERTRECALL_RESULTS", Size: 41234567,
			Name:   "soar.-.list-1.0a4d55a8d778e5022fab701977c5d840bbc486d0a4d55a8d778e5022fab70197",
			Digest: "SHA-256=CkVVqNd45QIvq3AZd8XYQLvEhtCk1VqNd45QIvq3AZc=",
		}
	})
	add("list-duplicates-failed", list, messages.EventListDuplicatesFailed, func(e *messages.Event) {
		e.Attempts = 1
		e.Error = messages.NewError(messages.ErrorOrderNotFound, "DigiCert answered 404")
		e.Error.Status, e.Error.Code = 404, "not_found"
	})
	add("list-duplicates-cancelled", list, messages.EventListDuplicatesCancelled, cancelled)
	add("command-rejected", revoke, messages.EventCommandRejected, func(e *messages.Event) {
		e.ID, e.Digest = "seq-1772000000-42", revoke.Digest()
		e.Error = messages.NewError(messages.ErrorCommandConflict, "the id stands for a command on order 99 already")
		e.Error.ConflictsWith = "certrecall.evt.v1.revoke-accepted.servicenow.INC0012345.INC0012345-revoke-123456"
	})
	bad, err := messages.DecodeCommand(messages.LaneRevoke, "bad source!", nil, []byte(`{"id":"Störung 7","order":1}`))
	add("command-rejected-unreadable", bad, messages.EventCommandRejected, func(e *messages.Event) {
		e.ID = "seq-1772000000-43"
		invalid, ok := errors.AsType[*messages.InvalidCommand](err)
		if !ok {
			panic(err)
		}
		e.Error = messages.NewError(messages.ErrorInvalidCommand, invalid.Detail())
	})
	return events
}

// writeMessage writes a message as a person reads it: subject, headers, an
// empty line, and the body byte for byte.
func writeMessage(subject string, header map[string][]string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, subject)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteByte('\n')
	b.Write(body)
	return b.Bytes()
}

// readMessage is the reverse of writeMessage.
func readMessage(t testing.TB, file []byte) (subject string, header map[string][]string, body []byte) {
	t.Helper()
	head, body, ok := bytes.Cut(file, []byte("\n\n"))
	if !ok {
		t.Fatal("no empty line in the file")
	}
	header = make(map[string][]string)
	subject, rest, _ := strings.Cut(string(head), "\n")
	for line := range strings.Lines(rest) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		header[name] = append(header[name], value)
	}
	return subject, header, body
}

func TestEventsAreAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "certrecall")
	events := goldenEvents()
	for _, name := range messages.EventNames() {
		if _, ok := events[string(name)]; !ok {
			t.Errorf("no golden file for %s", name)
		}
	}
	for file, event := range events {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			subject, header, body, err := names.EncodeEvent(event)
			if err != nil {
				t.Fatal(err)
			}
			got := writeMessage(subject, header, body)
			path := filepath.Join("testdata", "events", file+".txt")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
			decoded, err := names.DecodeEvent(readMessage(t, want))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(event, decoded); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/events/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, ok := events[strings.TrimSuffix(filepath.Base(file), ".txt")]; !ok {
			t.Errorf("%s: no such event", file)
		}
	}
}
