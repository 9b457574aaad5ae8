package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"certrecall/messages"
)

// seeds are command bodies of all kinds, good and bad.
func seeds() []string {
	return []string{
		`{"id":"INC-1","order_id":"00123","certificate_id":7,"comments":"c","revocation_reason":"superseded","skip_approval":true,"expected_common_name":"a","dry_run":false,` +
			`"incident":"n","deadline":"2026-03-01T17:00:00.5+01:00","expires":"2026-03-02t00:00:00z","requested_by":"jane","context":{"a":[1.0,{"b":null}]}}`,
		`{"id":"i","order_id":9223372036854775808,"comments":"\ud83d\udd11","x":1,"x":2}`,
		`{"specversion":"1.0","id":"i","type":"t","source":"/s","data":{"order_id":1,"comments":"c"}}`,
		`{"specversion":"1.0","id":"i","data_base64":"eyJvcmRlcl9pZCI6MX0="}`,
		`{"id":"i","order_id":1,"context":{"a":{"a":1,"\u0061":2}}}`,
		"{\"id\":\"\xff\",\"order_id\":-0,\"comments\":\"\\ud800\"}",
		`{"id":"a-replay-7","order_id":1e3} x`, `[[[[{"a":`, `{"":""}`, "", "null", "\ufeff{}",
	}
}

// Whatever the bytes: no panic, a command that keeps the rules or problems that
// name a field, and agreement with encoding/json on what is JSON.
func FuzzDecodeCommand(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(uint8(0), "soar", "", "", []byte(seed))
		f.Add(uint8(1), "so ar", "application/cloudevents+json", "%41", []byte(seed))
		f.Add(uint8(2), "soar", "application/json", `"i"`, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, lane uint8, source, contentType, id string, body []byte) {
		l := messages.Lanes()[int(lane)%3]
		header := map[string][]string{"content-type": {contentType}, "Ce-Id": {id}}
		before := bytes.Clone(body)
		c, err := messages.DecodeCommand(l, source, header, body)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was changed")
		}
		if c.Lane != l || !messages.ValidSource(c.Source) || (c.Source != source && c.Source != messages.InvalidSource) {
			t.Fatalf("lane %q, source %q", c.Lane, c.Source)
		}
		if c.ID != "" && (!messages.ValidID(c.ID) || messages.ReservedID(c.ID) || c.ClaimedID != "") {
			t.Fatalf("id %q, claimed %q", c.ID, c.ClaimedID)
		}
		if !utf8.ValidString(c.ClaimedID) || len(c.ClaimedID) > 160 || strings.ContainsAny(c.ClaimedID, "\r\n\x00") {
			t.Fatalf("claimed id %q", c.ClaimedID)
		}
		if c.Context != nil && (len(c.Context) > messages.MaxContextBytes || !json.Valid(c.Context) || !utf8.Valid(c.Context)) {
			t.Fatalf("context %q", c.Context)
		}
		if err != nil {
			checkProblems(t, err)
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("this is no JSON: %q", body)
		}
		if !strings.HasPrefix(strings.ToLower(strings.Trim(contentType, " \t")), "application/cloudevents") {
			agreeWithJSON(t, c, body)
		}
		again, err := messages.EncodeCommand(c)
		if err != nil {
			t.Fatalf("a decoded command can not be encoded: %v", err)
		}
		d, err := messages.DecodeCommand(l, source, nil, again)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c, d) || c.Digest() != d.Digest() {
			t.Fatalf("%+v became %+v", c, d)
		}
	})
}

func checkProblems(t *testing.T, err error) {
	t.Helper()
	invalid, ok := errors.AsType[*messages.InvalidCommand](err)
	if !ok || len(invalid.Problems) == 0 {
		t.Fatalf("error %T: %v", err, err)
	}
	for _, p := range invalid.Problems {
		if p.Detail == "" || !utf8.ValidString(p.Field) || strings.ContainsAny(p.Field+p.Detail, "\r\n\x00") || len(p.Field) > 400 {
			t.Fatalf("problem %+v", p)
		}
	}
}

// agreeWithJSON compares a command with what encoding/json reads.
func agreeWithJSON(t *testing.T, c messages.Command, body []byte) {
	t.Helper()
	var data map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&data); err != nil {
		t.Fatal(err)
	}
	text := func(name string) string { s, _ := data[name].(string); return s }
	flag := func(name string) bool { b, _ := data[name].(bool); return b }
	if c.Comments != text("comments") || string(c.RevocationReason) != text("revocation_reason") ||
		c.Incident != text("incident") || c.ExpectedCommonName != text("expected_common_name") || c.RequestedBy != text("requested_by") ||
		c.SkipApproval != flag("skip_approval") || c.DryRun != flag("dry_run") || c.ShowArchived != flag("show_archived") {
		t.Fatalf("%+v is not %s", c, body)
	}
	if (c.Context != nil) != (data["context"] != nil) || c.Deadline.IsZero() != (data["deadline"] == nil) || c.Expires.IsZero() != (data["expires"] == nil) {
		t.Fatalf("%+v is not %s", c, body)
	}
}

// Whatever the bytes: no panic, and an event that encodes decodes to itself.
func FuzzDecodeEvent(f *testing.F) {
	names := mustNames(f, "certrecall")
	files, err := filepath.Glob("testdata/events/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden files: ", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		subject, header, body := readMessage(f, content)
		f.Add(subject, header["ce-type"][0], header["ce-time"][0], body)
	}
	f.Add("certrecall.evt.v1.revoked.soar.-.i", "", "", []byte(`{"a":[{}],"error":null,"error":{"type":"x"}}`))
	f.Fuzz(func(t *testing.T, subject, kind, at string, body []byte) {
		e, err := names.DecodeEvent(subject, map[string][]string{"ce-type": {kind}, "CE-TIME": {at}}, body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("this is no JSON: %q", body)
		}
		if names.EventSubject(e.Name, e.Command()) != subject {
			t.Fatalf("subject %q", subject)
		}
		s, h, b, err := names.EncodeEvent(e)
		if err != nil {
			return
		}
		again, err := names.DecodeEvent(s, h, b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v became %+v", e, again)
		}
	})
}

// A subject that can be parsed is the one that its parts make.
func FuzzSubjects(f *testing.F) {
	for _, subject := range []string{
		"certrecall.cmd.v1.revoke.soar", "certrecall.evt.v1.revoked.soar.-.i", "certrecall.dlq.v1.list-duplicates.soar.-",
		"certrecall.evt.v1.command-rejected.invalid.-.seq-1-2", "certrecall.cmd.v1.revoke.a$b", "p.cmd.v1..", "p.evt.v1...",
	} {
		f.Add("certrecall", subject)
		f.Add("p", subject)
	}
	f.Fuzz(func(t *testing.T, prefix, subject string) {
		n, err := messages.NewNames(prefix)
		if err != nil {
			return
		}
		if lane, source, err := n.ParseCommandSubject(subject); err == nil && n.CommandSubject(lane, source) != subject {
			t.Errorf("command subject %q has lane %q and source %q", subject, lane, source)
		}
		if event, command, err := n.ParseEventSubject(subject); err == nil && n.EventSubject(event, command) != subject {
			t.Errorf("event subject %q has event %q and command %q", subject, event, command)
		}
		if lane, source, incident, err := n.ParseDeadLetterSubject(subject); err == nil && n.DeadLetterSubject(lane, source, incident) != subject {
			t.Errorf("dead-letter subject %q has lane %q and source %q", subject, lane, source)
		}
	})
}

// Reading headers back never panics and never invents one.
func FuzzParseDeadLetter(f *testing.F) {
	f.Add("poison", "a%20b", "2026-03-01T12:00:00Z", "3", "42")
	f.Add("", "%", "", "-1", "18446744073709551616")
	f.Fuzz(func(t *testing.T, kind, detail, at, deliveries, sequence string) {
		d, err := messages.ParseDeadLetter(map[string][]string{
			"certrecall-error-type": {kind}, "certrecall-error-detail": {detail}, "certrecall-received-at": {at},
			"certrecall-deliveries": {deliveries}, "certrecall-sequence": {sequence},
		})
		if err != nil {
			return
		}
		again, err := messages.ParseDeadLetter(d.Header(nil))
		if err != nil {
			t.Fatal(err)
		}
		if len(detail) < 1000 && !reflect.DeepEqual(d, again) {
			t.Fatalf("%+v became %+v", d, again)
		}
	})
}
