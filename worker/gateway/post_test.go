package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"certrecall/messages"
)

func TestAcceptsWhatItStores(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	a := r.post("revoke", `{"id":"c-1","order_id":4711,"comments":"leaked","incident":"INC-42"}`, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"Nats-Msg-Id", "planted", "Nats-Expected-Stream", "OTHER", "certrecall-replay-of", "x", "Cookie", "secret")
	if a.status != http.StatusAccepted || a.text("command") != "servicenow/INC-42/c-1" || a.text("subject") != "certrecall.cmd.v1.revoke.servicenow" || a.header.Get("Location") != "/v1/commands/INC-42/c-1" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s, err := r.js.Stream(t.Context(), r.names.CommandsStream())
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, added := range []string{"Nats-Stream", "Nats-Sequence", "Nats-Subject", "Nats-Time-Stamp"} { // by the server, to the answer
		m.Header.Del(added)
	}
	if got := fmt.Sprint(m.Header); got != "map[Content-Type:[application/json] traceparent:[00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01]]" {
		t.Errorf("headers carried on: %s", got)
	}
	command, err := messages.DecodeCommand(messages.LaneRevoke, "servicenow", m.Header, m.Data)
	if err != nil || command.ID != "c-1" {
		t.Errorf("the worker reads %+v, %v", command, err)
	}
}

func TestEachWayToSayWhoSends(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	list := `{"id":"l-1","order_id":4711}`
	for _, c := range []struct {
		name, lane, body string
		header           []string
		status           int
		command          string
	}{
		{"bearer", "revoke", good, []string{"Content-Type", "application/json", "Authorization", "bearer " + nowToken}, 202, "servicenow/INC-1"},
		{"the other bearer", "revoke", good, []string{"Content-Type", "application/json; charset=utf-8", "Authorization", "Bearer " + nowOldToken}, 202, "servicenow/INC-1"},
		{"hub signature", "revoke", good, hubSigned(good), 202, "jira/INC-1"},
		{"webhook", "revoke-urgent", good, signed(t, "msg_1", time.Now(), good), 202, "soar/INC-1"},
		{"basic", "list-duplicates", list, []string{"Content-Type", "application/json", "Authorization", "Basic c2NyaXB0czphLXBhc3N3b3JkLW9mLXNvbWUtbGVuZ3Ro"}, 202, "scripts/l-1"},
		{"none", "revoke", good, []string{"Content-Type", "application/json"}, 401, ""},
		{"wrong bearer", "revoke", good, []string{"Content-Type", "application/json", "Authorization", "Bearer " + nowToken + "x"}, 401, ""},
		{"a webhook's secret as bearer", "revoke", good, []string{"Content-Type", "application/json", "Authorization", "Bearer " + hookSecret}, 401, ""},
		{"wrong basic", "list-duplicates", list, []string{"Content-Type", "application/json", "Authorization", "Basic c2NyaXB0czp4"}, 401, ""},
		{"hub signature of another body", "revoke", good + " ", hubSigned(good), 401, ""},
		{"webhook of another body", "revoke", good + " ", signed(t, "msg_2", time.Now(), good), 401, ""},
		{"an old webhook", "revoke", good, signed(t, "msg_3", time.Now().Add(-6*time.Minute), good), 401, ""},
		{"a webhook from the future", "revoke", good, signed(t, "msg_3", time.Now().Add(6*time.Minute), good), 401, ""},
		{"two that say different sources", "revoke", good, append(hubSigned(good), "Authorization", "Bearer "+nowToken), 401, ""},
		{"a good one beside a bad one", "revoke", good, append(hubSigned(good), "Authorization", "Bearer nonsense"), 401, ""},
		{"a lane that it may not use", "revoke-urgent", good, []string{"Content-Type", "application/json", "Authorization", "Bearer " + nowToken}, 403, ""},
		{"no lane", "revoke-now", good, []string{"Content-Type", "application/json", "Authorization", "Bearer " + nowToken}, 404, ""},
	} {
		before := r.stored()
		a := r.do(http.MethodPost, "/v1/commands/"+c.lane, c.body, c.header...)
		if a.status != c.status || a.text("command") != c.command {
			t.Errorf("%s: %d %s, want %d %s", c.name, a.status, a.body, c.status, c.command)
		}
		if stored := r.stored() - before; stored != 0 && c.status != 202 {
			t.Errorf("%s: %d commands stored with an answer of %d", c.name, stored, a.status)
		}
		if c.status == 401 && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", c.name)
		}
	}
}

func TestBadCommandsAreAnsweredByField(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	for _, c := range []struct {
		name, body string
		fields     []string
		header     []string
	}{
		{"a misspelt field", `{"id":"a","order_id":1,"comments":"x","skip_aproved":true}`, []string{"skip_aproved"}, nil},
		{"everything", `{"id":"a b","order_id":0,"comments":"","skip_approval":"yes","show_archived":true}`, []string{"id", "order_id", "comments", "skip_approval", "show_archived"}, nil},
		{"no id", `{"order_id":1,"comments":"x"}`, []string{"id"}, nil},
		{"an id of the request that is none", `{"order_id":1,"comments":"x"}`, []string{"Idempotency-Key"}, []string{"Idempotency-Key", "a b"}},
		{"a reserved id", `{"id":"x-replay-9","order_id":1,"comments":"x"}`, []string{"id"}, nil},
		{"no JSON", `order_id=1`, []string{"body"}, nil},
		{"nothing", ``, []string{"body"}, nil},
		{"two", good + good, []string{"body"}, nil},
		{"a field as header", good, []string{"Ce-Deadline"}, []string{"ce-deadline", "2026-01-01T00:00:00Z"}},
		{"the incident -", `{"id":"a","order_id":1,"comments":"x","incident":"-"}`, []string{"incident"}, nil},
	} {
		a := r.post("revoke", c.body, c.header...)
		got := a.fields()
		for _, f := range c.fields {
			found := false
			for name := range got {
				found = found || strings.EqualFold(name, f)
			}
			if !found {
				t.Errorf("%s: %s names no field %s", c.name, a.body, f)
			}
		}
		if a.status != 400 || len(got) != len(c.fields) || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	if a := r.post("revoke", `{"order_id":1,"comments":"x"}`); !strings.Contains(a.fields()["id"], "not done twice") {
		t.Errorf("it does not say why an id is needed: %s", a.body)
	}
	if n := r.stored(); n != 0 {
		t.Errorf("%d stored", n)
	}
}

func TestFormsAndIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	noID := `{"order_id":1,"comments":"x"}`
	for _, c := range []struct {
		name, body, command string
		header              []string
	}{
		{"Idempotency-Key", noID, "servicenow/key-1", []string{"Idempotency-Key", "key-1"}},
		{"Idempotency-Key in quotes", noID, "servicenow/key-2", []string{"Idempotency-Key", `"key-2"`}},
		{"webhook-id", noID, "servicenow/msg_2", []string{"webhook-id", "msg_2"}},
		{"Atlassian", noID, "servicenow/at-3", []string{"X-Atlassian-Webhook-Identifier", "at-3"}},
		{"the body's goes first", good, "servicenow/INC-1", []string{"Idempotency-Key", "key-4"}},
		{"binary", noID, "servicenow/ce-5", []string{"ce-id", "ce-5", "ce-specversion", "1.0", "ce-source", "/x", "ce-type", "y", "Idempotency-Key", "key-5"}},
	} {
		a := r.post("revoke", c.body, c.header...)
		if a.status != 202 || a.text("command") != c.command {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	structured := `{"specversion":"1.0","id":"ce-6","source":"/x","type":"y","data":{"order_id":1,"comments":"x","incident":"I"}}`
	a := r.do(http.MethodPost, "/v1/commands/revoke", structured, "Content-Type", "application/cloudevents+json; charset=UTF-8", "Authorization", "Bearer "+nowToken)
	if a.status != 202 || a.text("command") != "servicenow/I/ce-6" {
		t.Errorf("structured: %d %s", a.status, a.body)
	}
	s, err := r.js.Stream(t.Context(), r.names.CommandsStream())
	if err != nil {
		t.Fatal(err)
	}
	for sequence := uint64(1); sequence <= 7; sequence++ { // the worker reads the same names
		m, err := s.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := messages.DecodeCommand(messages.LaneRevoke, "servicenow", m.Header, m.Data); err != nil {
			t.Errorf("message %d: %v", sequence, err)
		}
	}
}

func TestContentThatIsNotTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	auth := []string{"Authorization", "Bearer " + nowToken}
	for _, header := range [][]string{
		{}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "text/plain"}, {"Content-Type", "application/cloudevents-batch+json"},
		{"Content-Type", "application/json; charset=iso-8859-1"}, {"Content-Type", "application/json", "Content-Encoding", "gzip"},
		{"Content-Type", "application/json", "Content-Type", "application/json"},
	} {
		if a := r.do(http.MethodPost, "/v1/commands/revoke", good, append(auth, header...)...); a.status != 415 {
			t.Errorf("%v: %d", header, a.status)
		}
	}
	for _, size := range []int{messages.MaxCommandBytes + 1, maxMessage + 1} {
		body := `{"id":"a","order_id":1,"comments":"x"}` + strings.Repeat(" ", size)
		if a := r.post("revoke", body[:size]); a.status != 413 {
			t.Errorf("%d bytes: %d", size, a.status)
		}
	}
	if a := r.do(http.MethodGet, "/v1/commands/revoke", "", auth...); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("GET of a lane: %d", a.status)
	}
}
