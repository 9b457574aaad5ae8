package messages_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"certrecall/messages"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// readCloudEvent reads a message with the CloudEvents SDK. Its binary mode over
// HTTP is that over NATS but for one header: ce-datacontenttype is Content-Type
// there.
func readCloudEvent(t *testing.T, header map[string][]string, body []byte) *event.Event {
	t.Helper()
	h := make(http.Header)
	for name, values := range header {
		if name == "ce-datacontenttype" {
			name = "Content-Type"
		}
		h.Set(name, values[0])
	}
	e, err := binding.ToEvent(t.Context(), cehttp.NewMessage(h, io.NopCloser(bytes.NewReader(body))))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The CloudEvents SDK reads every event as we mean it.
func TestEventsAreCloudEvents(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "staging")
	ids := make(map[string]string)
	for file, e := range goldenEvents() {
		_, header, body, err := names.EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		got := readCloudEvent(t, header, body)
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if got.SpecVersion() != "1.0" || got.Source() != "/certrecall/staging" ||
			got.Type() != "certrecall."+string(e.Name)+".v1" || got.DataContentType() != "application/json" {
			t.Errorf("%s: the context is %v", file, got.Context)
		}
		if !got.Time().Equal(e.Time) {
			t.Errorf("%s: time %v, want %v", file, got.Time(), e.Time)
		}
		if !bytes.Equal(got.Data(), body) || !json.Valid(body) {
			t.Errorf("%s: data is not the body", file)
		}
		if e.ID == e.CommandID && got.Extensions()["causationid"] != e.ID {
			t.Errorf("%s: extensions %v", file, got.Extensions())
		}
		subject := ""
		switch {
		case e.CertificateID != 0:
			subject = "order/123456/certificate/789"
		case e.OrderID != 0:
			subject = "order/123456"
		}
		if got.Subject() != subject {
			t.Errorf("%s: subject %q, want %q", file, got.Subject(), subject)
		}
		if e.Name != messages.EventRevoked && e.Name != messages.EventDuplicatesListed && e.Name != messages.EventRevokeFailed {
			if other, taken := ids[got.ID()]; taken {
				t.Errorf("%s and %s share the id %s", file, other, got.ID())
			}
			ids[got.ID()] = file
		}
	}
}

// What the CloudEvents SDK sends is a command to us, in both modes.
func TestCommandsOfTheCloudEventsSDK(t *testing.T) {
	t.Parallel()
	sent := event.New()
	sent.SetID("event-1")
	sent.SetType("com.example.revoke")
	sent.SetSource("/example")
	sent.SetTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	sent.SetExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if err := sent.SetData("application/json", map[string]any{"order_id": 5, "comments": "née", "context": map[string]any{"a": 1}}); err != nil {
		t.Fatal(err)
	}
	check := func(mode string, header map[string][]string, body []byte) {
		c, err := messages.DecodeCommand(messages.LaneRevoke, "soar", header, body)
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if c.ID != "event-1" || c.OrderID != 5 || c.Comments != "née" || string(c.Context) != `{"a":1}` || c.Traceparent == "" {
			t.Errorf("%s: decoded %+v", mode, c)
		}
	}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cehttp.WriteRequest(t.Context(), binding.ToMessage(&sent), request); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		t.Fatal(err)
	}
	check("binary", request.Header, body)

	body, err = json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	check("structured", map[string][]string{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, body)

	sent.SetDataContentType("application/json")
	sent.DataBase64 = true
	if body, err = json.Marshal(sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(body, []byte("data_base64")) {
		t.Fatalf("the SDK sent %s", body)
	}
	check("structured, base64", map[string][]string{"Content-Type": {"application/cloudevents"}}, body)
}
