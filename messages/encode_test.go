package messages_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
)

func TestEncodeCommandRefusesWhatNobodyWouldTake(t *testing.T) {
	t.Parallel()
	good := messages.Command{ID: "i", Lane: messages.LaneRevoke, OrderID: 1, Comments: "c"}
	tests := map[string]struct {
		change func(*messages.Command)
		want   string // the field of the first problem
	}{
		"nothing":             {func(*messages.Command) {}, ""},
		"source is not its":   {func(c *messages.Command) { c.Source = "bad source" }, ""},
		"no lane":             {func(c *messages.Command) { c.Lane = "" }, "lane"},
		"no id":               {func(c *messages.Command) { c.ID = "" }, "id"},
		"reserved id":         {func(c *messages.Command) { c.ID = "seq-1" }, "id"},
		"no order":            {func(c *messages.Command) { c.OrderID = 0 }, "order_id"},
		"negative order":      {func(c *messages.Command) { c.OrderID = -1 }, "order_id"},
		"no comments":         {func(c *messages.Command) { c.Comments = "" }, "comments"},
		"two lines":           {func(c *messages.Command) { c.Comments = "a\nb" }, "comments"},
		"unknown reason":      {func(c *messages.Command) { c.RevocationReason = "certificateHold" }, "revocation_reason"},
		"listing option":      {func(c *messages.Command) { c.ShowArchived = true }, "show_archived"},
		"context is a list":   {func(c *messages.Command) { c.Context = json.RawMessage(`[]`) }, "context"},
		"context breaks out":  {func(c *messages.Command) { c.Context = json.RawMessage(`{},"dry_run":true`) }, "context"},
		"context names twice": {func(c *messages.Command) { c.Context = json.RawMessage(`{"a":1,"a":2}`) }, "context.a"},
		"context too large":   {func(c *messages.Command) { c.Context = json.RawMessage(`{"a":"` + strings.Repeat("x", 9000) + `"}`) }, "context"},
		"incident of a dash":  {func(c *messages.Command) { c.Incident = "-" }, "incident"},
		"long common name":    {func(c *messages.Command) { c.ExpectedCommonName = strings.Repeat("x", 256) }, "expected_common_name"},
		"deadline past 9999":  {func(c *messages.Command) { c.Deadline = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "deadline"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			test.change(&c)
			body, err := messages.EncodeCommand(c)
			got, _, _ := strings.Cut(strings.Join(problemsOf(t, err), ";"), ":")
			if got != test.want {
				t.Errorf("problem with %q, want %q: %v", got, test.want, err)
			}
			if (body != nil) == (err != nil) {
				t.Errorf("body %q beside error %v", body, err)
			}
		})
	}
}

func TestEncodeEventRefusesWhatIsNoneOfTheContract(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	revoke := messages.Command{ID: "i", Source: "soar", Lane: messages.LaneRevoke, OrderID: 1, Comments: "c"}
	list := messages.Command{ID: "i", Source: "soar", Lane: messages.LaneListDuplicates, OrderID: 1}
	tests := map[string]struct {
		command messages.Command
		name    messages.EventName
		change  func(*messages.Event)
		want    string
	}{
		"good":                    {revoke, messages.EventRevoked, func(*messages.Event) {}, ""},
		"unknown name":            {revoke, "revoking", func(*messages.Event) {}, "no such event"},
		"source":                  {revoke, messages.EventRevoked, func(e *messages.Event) { e.Source = "a.b" }, "source"},
		"id":                      {revoke, messages.EventRevoked, func(e *messages.Event) { e.ID, e.CommandID = "a.b", "a.b" }, "id: breaks"},
		"id of another":           {revoke, messages.EventRevoked, func(e *messages.Event) { e.ID = "seq-1" }, "command_id"},
		"lane":                    {revoke, messages.EventRevoked, func(e *messages.Event) { e.Lane = messages.LaneListDuplicates }, "action"},
		"no lane":                 {revoke, messages.EventCommandRejected, func(e *messages.Event) { e.Lane, e.Action = "", "" }, "action"},
		"revoked by a listing":    {list, messages.EventRevoked, func(*messages.Event) {}, "belongs to a revocation"},
		"listed by a revocation":  {revoke, messages.EventListDuplicatesCancelled, func(*messages.Event) {}, "belongs to a listing"},
		"time":                    {revoke, messages.EventRevoked, func(e *messages.Event) { e.Time = time.Time{} }, "time: missing"},
		"received":                {revoke, messages.EventRevoked, func(e *messages.Event) { e.ReceivedAt = time.Time{} }, "received_at"},
		"year 10000":              {revoke, messages.EventRevoked, func(e *messages.Event) { e.Time = at.AddDate(9000, 0, 0) }, "year"},
		"negative order":          {revoke, messages.EventRevoked, func(e *messages.Event) { e.OrderID = -1 }, "below 0"},
		"no order":                {revoke, messages.EventRevoked, func(e *messages.Event) { e.OrderID = 0 }, "order_id"},
		"no comments":             {revoke, messages.EventRevoked, func(e *messages.Event) { e.Comments = "" }, "comments"},
		"header of two lines":     {revoke, messages.EventRevoked, func(e *messages.Event) { e.Traceparent = "a\nb: c" }, "header"},
		"failed without an error": {revoke, messages.EventRevokeFailed, func(*messages.Event) {}, "error"},
		"revoked with an error":   {revoke, messages.EventRevoked, func(e *messages.Event) { e.Error = messages.NewError(messages.ErrorRefused, "x") }, "error"},
		"error of unknown type":   {revoke, messages.EventRevokeFailed, func(e *messages.Event) { e.Error = messages.NewError("oops", "x") }, "error"},
		"error without a detail":  {revoke, messages.EventRevokeFailed, func(e *messages.Event) { e.Error = messages.NewError(messages.ErrorRefused, "") }, "error"},
		"no certificates":         {list, messages.EventDuplicatesListed, func(*messages.Event) {}, "certificates"},
		"no count":                {list, messages.EventDuplicatesListed, func(e *messages.Event) { e.Certificates = json.RawMessage("[]") }, "count"},
		"certificates in both": {list, messages.EventDuplicatesListed, func(e *messages.Event) {
			e.Certificates, e.CertificatesObject, e.Count = json.RawMessage("[]"), &messages.ObjectRef{}, new(0)
		}, "both ways"},
		"certificates elsewhere":  {revoke, messages.EventRevoked, func(e *messages.Event) { e.Certificates, e.Count = json.RawMessage("[]"), new(0) }, "certificates"},
		"certificates an object":  {list, messages.EventDuplicatesListed, func(e *messages.Event) { e.Certificates, e.Count = json.RawMessage("{}"), new(0) }, "want an array"},
		"certificates, then more": {list, messages.EventDuplicatesListed, func(e *messages.Event) { e.Certificates, e.Count = json.RawMessage(`[],"final":false`), new(0) }, "follows"},
		"request cut off":         {revoke, messages.EventRevoked, func(e *messages.Event) { e.Request = json.RawMessage(`{"id":1`) }, "request"},
		"request empty":           {revoke, messages.EventRevoked, func(e *messages.Event) { e.Request = json.RawMessage{} }, "request"},
		"incident of a dash":      {revoke, messages.EventRevoked, func(e *messages.Event) { e.Incident = "-" }, "incident"},
		"held without a limit":    {revoke, messages.EventRevokeHeld, func(*messages.Event) {}, "held: must be there"},
		"held where revoked":      {revoke, messages.EventRevoked, func(e *messages.Event) { e.Held = &messages.Held{Source: "soar", Limit: "1/1m"} }, "held: must be there"},
		"held by nobody":          {revoke, messages.EventRevokeHeld, func(e *messages.Event) { e.Held = &messages.Held{Limit: "1/1m"} }, "held: source"},
		"held below 0":            {revoke, messages.EventRevokeHeld, func(e *messages.Event) { e.Held = &messages.Held{Source: "soar", Limit: "1/1m", Count: -1} }, "held: source"},
		"cancelled where revoked": {revoke, messages.EventRevoked, func(e *messages.Event) { e.CancelledBy = "ada" }, "cancelled_by"},
		"product where revoked":   {revoke, messages.EventRevoked, func(e *messages.Event) { e.Product = "x" }, "product"},
		"keys where revoked":      {revoke, messages.EventRevoked, func(e *messages.Event) { e.Keys = []messages.KeyHash{} }, "keys"},
		"key without a hash":      {revoke, messages.EventRevokePlanned, func(e *messages.Event) { e.Keys = []messages.KeyHash{{CertificateID: 1}} }, "keys: want"},
		"key in capitals": {revoke, messages.EventRevokePlanned, func(e *messages.Event) {
			e.Keys = []messages.KeyHash{{CertificateID: 1, SPKISHA256: strings.Repeat("A", 64)}}
		}, "keys: want"},
		"context with space about": {revoke, messages.EventRevoked, func(e *messages.Event) { e.Context = json.RawMessage(" {}") }, "context"},
	}
	names := mustNames(t, "certrecall")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := messages.NewEvent(test.command, test.name, at, at)
			test.change(&e)
			subject, header, body, err := names.EncodeEvent(e)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if subject != "" || header != nil || body != nil {
				t.Error("a message came with the error")
			}
		})
	}
}

// What DigiCert sends goes out as it came, whatever it is as long as it is JSON.
func TestEncodeEventKeepsBytes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	list := messages.Command{ID: "i", Source: "soar", Lane: messages.LaneListDuplicates, OrderID: 1}
	names := mustNames(t, "certrecall")
	for _, raw := range []string{
		`[]`, "[ \n]", `[{"id":1,"id":2}]`, `[{"n":1.0,"big":123456789012345678901234567890,"e":1E+2}]`,
		`["<script>&\u003c\/\u00e9é` + "\u2028" + `"]`, "[\"\xff\xfe\"]", `["\ud800"]`,
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	} {
		e := messages.NewEvent(list, messages.EventDuplicatesListed, at, at)
		e.Certificates, e.Count = json.RawMessage(raw), new(1)
		subject, header, body, err := names.EncodeEvent(e)
		if err != nil {
			t.Errorf("%.80s: %v", raw, err)
			continue
		}
		if !strings.Contains(string(body), `"certificates":`+raw+`}`) {
			t.Errorf("%.80s is not in %.300s", raw, body)
		}
		got, err := names.DecodeEvent(subject, header, body)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Certificates) != raw {
			t.Errorf("%.80s came back as %.80s", raw, got.Certificates)
		}
	}
}

// Text of any kind makes valid JSON.
func TestEncodeEventMendsText(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := messages.NewEvent(messages.Command{ID: "i", Source: "soar", Lane: messages.LaneRevoke, OrderID: 1, Comments: "c"}, messages.EventRevokeFailed, at, at)
	e.Error = messages.NewError(messages.ErrorRefused, "a\xffb\xf0\x9f\x94\"\\\x00\x1f\x7f\u2028é\xc3")
	names := mustNames(t, "certrecall")
	subject, header, body, err := names.EncodeEvent(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := names.DecodeEvent(subject, header, body)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a\ufffdb\ufffd\ufffd\ufffd\"\\\x00\x1f\x7f\u2028é\ufffd"; got.Error.Detail != want {
		t.Errorf("detail %q, want %q", got.Error.Detail, want)
	}
	var data map[string]any
	if err := json.Unmarshal(body, &data); err != nil {
		t.Error(err)
	}
}

func TestDecodeEventIsTolerant(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "certrecall")
	const body = ` {"Final":1,"new":{"a":[1]},"command_id":"i","source":"soar","action":"rev\u006fke","lane":"revoke","order_id":7,
		"incident":null,"error":{"type":"brand-new","instance":"x","retryable":true},"certificates_object":{"size":1,"etag":"x"},
		"count":null,"comments":"` + "\xff" + `","finished_at":"2026-03-01T13:00:00+01:00","\u0073tatus":"pending"} `
	got, err := names.DecodeEvent("certrecall.evt.v1.revoke-failed.soar.-.i", map[string][]string{
		"CE-Type": {"certrecall.revoke-failed.v1"}, "Certrecall-Command-Digest": {"d"}, "x": nil,
	}, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := messages.Event{
		Name: messages.EventRevokeFailed, ID: "i", Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Digest: "d",
		CommandID: "i", Source: "soar", Action: messages.ActionRevoke, Lane: messages.LaneRevoke, OrderID: 7, Comments: "\ufffd", Status: "pending",
		Error: &messages.Error{Type: "brand-new", Retryable: true}, CertificatesObject: &messages.ObjectRef{Size: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if got, err = names.DecodeEvent("certrecall.evt.v1.revoked.soar.-.i", map[string][]string{"ce-time": {"2026-03-01T12:00:00Z"}}, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(messages.Event{Name: messages.EventRevoked, ID: "i", Source: "soar", Time: want.Time}, got); diff != "" {
		t.Errorf("event of an empty object (-want +got):\n%s", diff)
	}
}

func TestDecodeEventRefusesContradictions(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "certrecall")
	const subject = "certrecall.evt.v1.revoke-failed.soar.-.i"
	tests := map[string]struct {
		subject string
		header  map[string][]string
		body    string
		want    string
	}{
		"subject":        {"certrecall.evt.v1.nothing.soar.-.i", nil, `{}`, `no event "nothing"`},
		"type":           {subject, map[string][]string{"ce-type": {"certrecall.revoked.v1"}}, `{}`, "ce-type"},
		"version":        {subject, map[string][]string{"ce-specversion": {"2.0"}}, `{}`, "ce-specversion"},
		"source":         {subject, nil, `{"source":"other"}`, "source"},
		"incident":       {subject, nil, `{"source":"soar","incident":"INC-1"}`, `incident is "INC-1"`},
		"no incident":    {"certrecall.evt.v1.revoke-failed.soar.INC-1.i", nil, `{"source":"soar"}`, `incident is ""`},
		"held a number":  {subject, nil, `{"held":{"limit":1}}`, "held: limit: want a string"},
		"keys an object": {subject, nil, `{"keys":{}}`, "keys: want an array"},
		"keys apart":     {subject, nil, `{"keys":[{} {}]}`, "a comma or ]"},
		"keys cut off":   {subject, nil, `{"keys":[{}`, "a comma or ]"},
		"key of a text":  {subject, nil, `{"keys":[{"certificate_id":"1"}]}`, "keys: certificate_id: want an integer"},
		"no JSON":        {subject, nil, `{"source":}`, "byte 10"},
		"array":          {subject, nil, `[]`, "want an object, found an array"},
		"empty":          {subject, nil, ``, "ends early"},
		"two":            {subject, nil, `{}{}`, "follows"},
		"text is none":   {subject, nil, `{"status":1}`, "status: want a string, found a number"},
		"number is none": {subject, nil, `{"order_id":"1"}`, `order_id: want an integer`},
		"fraction":       {subject, nil, `{"attempts":1.5}`, `attempts: want an integer`},
		"too large":      {subject, nil, `{"request_id":9223372036854775808}`, `request_id: want an integer`},
		"flag is none":   {subject, nil, `{"already":"yes"}`, "already: want a boolean"},
		"time is none":   {subject, nil, `{"deadline":"today"}`, "deadline: want an RFC 3339 time"},
		"time a number":  {subject, nil, `{"deadline":5}`, "deadline: want a string"},
		"context":        {subject, nil, `{"context":[]}`, "context: want an object"},
		"error's detail": {subject, nil, `{"error":{"detail":{}}}`, "error: detail: want a string"},
		"object's size":  {subject, nil, `{"certificates_object":{"size":true}}`, "certificates_object: size: want an integer"},
		"error a string": {subject, nil, `{"error":"x"}`, "error: want an object"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := names.DecodeEvent(test.subject, test.header, []byte(test.body))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// A cancelled event says who cancelled and why, also where that is nothing.
func TestCancelledEventsAlwaysSayWho(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := messages.NewEvent(messages.Command{ID: "i", Source: "soar", Lane: messages.LaneListDuplicates, OrderID: 1}, messages.EventListDuplicatesCancelled, at, at)
	names := mustNames(t, "certrecall")
	_, _, body, err := names.EncodeEvent(e)
	if want := `"cancelled_by":"","cancel_reason":""`; err != nil || !strings.Contains(string(body), want) {
		t.Errorf("%s (%v), want %s in it", body, err, want)
	}
}
