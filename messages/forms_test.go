package messages_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
)

// A message in each of the three forms, with its headers: what it is answered
// under, and what is wrong with it.
func TestDecodeCommandForms(t *testing.T) {
	t.Parallel()
	type header = map[string][]string
	const (
		plain      = `{"id":"body","order_id":1}`
		anonymous  = `{"order_id":1}`
		structured = "application/cloudevents+json"
		missing    = "id: missing; it is required"
		token      = " must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -"
		unreadable = " can not be read; send it once, percent-encoded UTF-8"
		reserved   = " is reserved: it begins with seq- or ends in -replay-<digits>; choose another"
	)
	binary := func(id ...string) header {
		return header{"ce-specversion": {"1.0"}, "ce-type": {"x"}, "ce-source": {"/y"}, "ce-id": id, "ce-expirytime": {"z"}}
	}
	event := func(members string) string {
		return `{"specversion":"1.0","type":"x","source":"/y","time":"z","myext":1,` + members + `}`
	}
	of := func(contentType string) header { return header{"Content-Type": {contentType}} }
	tests := map[string]struct {
		header header
		body   string
		id     string
		want   []string
	}{
		"plain":                      {nil, plain, "body", nil},
		"plain with a content type":  {of("application/json; charset=utf-8"), plain, "body", nil},
		"binary, id of the body":     {binary("event"), plain, "body", nil},
		"binary, id of the event":    {binary("event"), anonymous, "event", nil},
		"binary, only an id":         {header{"ce-id": {"event"}}, anonymous, "event", nil},
		"binary, other case":         {header{"CE-ID": {"event"}, "Ce-SpecVersion": {"1.0"}}, anonymous, "event", nil},
		"binary, percent-encoded":    {binary("%65v%65n%74"), anonymous, "event", nil},
		"binary, quoted":             {binary(`"ev\ent"`), anonymous, "event", nil},
		"binary, space around":       {binary(" event\t"), anonymous, "event", nil},
		"binary, version encoded":    {header{"ce-specversion": {"1%2E0"}}, plain, "body", nil},
		"binary, other version":      {header{"ce-specversion": {"0.3"}}, plain, "body", []string{"ce-specversion: must be 1.0; send CloudEvents 1.0"}},
		"binary, two versions":       {header{"ce-specversion": {"1.0"}, "CE-SPECVERSION": {"1.0"}}, plain, "body", []string{"ce-specversion: given twice; give it once"}},
		"binary, no id":              {binary(), anonymous, "", []string{missing}},
		"binary, empty id":           {binary(""), anonymous, "", []string{"ce-id:" + token}},
		"binary, bad id":             {binary("a%20b"), anonymous, "", []string{"ce-id:" + token}},
		"binary, half an escape":     {binary("a%2"), anonymous, "", []string{"ce-id:" + unreadable}},
		"binary, bad escape":         {binary("a%zz"), anonymous, "", []string{"ce-id:" + unreadable}},
		"binary, bad UTF-8":          {binary("a%FF"), anonymous, "", []string{"ce-id:" + unreadable}},
		"binary, raw bad UTF-8":      {binary("a\xff"), anonymous, "", []string{"ce-id:" + unreadable}},
		"binary, two ids":            {binary("a", "a"), anonymous, "", []string{"ce-id:" + unreadable}},
		"binary, bad id not needed":  {binary("a", "b"), plain, "body", nil},
		"binary, reserved id":        {binary("seq-1"), anonymous, "", []string{"ce-id:" + reserved}},
		"binary, bad id in the body": {binary("event"), `{"id":7,"order_id":1}`, "", []string{"id: must be a string, not a number"}},
		"binary, no JSON":            {binary("event"), `<a>`, "event", []string{`body: no JSON: want a value, found '<' at byte 0; send one JSON object`}},
		"binary, empty":              {binary("event"), ``, "event", []string{"body: is empty; send one JSON object"}},
		"binary, option as header":   {header{"ce-DryRun": {"true"}}, plain, "body", []string{"ce-DryRun: is no header; put dry_run into the JSON object"}},
		"binary, options as headers": {
			header{"ce-skip_approval": {"true"}, "ce-comments": {"x"}, "ce-expires": {"x"}}, plain, "body",
			[]string{
				"ce-comments: is no header; put comments into the JSON object",
				"ce-expires: is no header; put expires into the JSON object",
				"ce-skip_approval: is no header; put skip_approval into the JSON object",
			},
		},

		"structured":                   {of(structured), event(`"id":"event","data":` + plain), "body", nil},
		"structured, id of the event":  {of(structured), event(`"id":"event","data":` + anonymous), "event", nil},
		"structured, id behind":        {of(structured), event(`"data":` + anonymous + `,"id":"event"`), "event", nil},
		"structured, without +json":    {of("application/cloudevents"), event(`"id":"event","data":` + plain), "body", nil},
		"structured, parameters":       {of("Application/CloudEvents+JSON ; charset=UTF-8"), event(`"data":` + plain), "body", nil},
		"structured, other case":       {header{"content-type": {structured}}, event(`"data":` + plain), "body", nil},
		"structured, ce-id is no id":   {header{"content-type": {structured}, "ce-id": {"x"}}, event(`"data":` + anonymous), "", []string{missing}},
		"structured, base64":           {of(structured), event(`"id":"event","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(anonymous)) + `"`), "event", nil},
		"structured, null attributes":  {of(structured), event(`"id":null,"subject":null,"data":` + plain), "body", nil},
		"structured, no version":       {of(structured), `{"id":"event","data":` + anonymous + `}`, "event", nil},
		"structured, other version":    {of(structured), `{"specversion":"0.3","id":"event","data":` + anonymous + `}`, "event", []string{"specversion: must be 1.0; send CloudEvents 1.0"}},
		"structured, version a number": {of(structured), `{"specversion":1.0,"id":"event","data":` + anonymous + `}`, "event", []string{"specversion: must be a string, not a number"}},
		"structured, id a number":      {of(structured), event(`"id":1,"data":` + anonymous), "", []string{"id: must be a string, not a number"}},
		"structured, id empty":         {of(structured), event(`"id":"","data":` + anonymous), "", []string{missing}},
		"structured, bad id":           {of(structured), event(`"id":"a b","data":` + anonymous), "", []string{"id:" + token}},
		"structured, no data":          {of(structured), event(`"id":"event"`), "event", []string{"data: missing; a CloudEvent holds the command there"}},
		"structured, data null":        {of(structured), event(`"id":"event","data":null`), "event", []string{"data: must be a JSON object, not null"}},
		"structured, data as text":     {of(structured), event(`"id":"event","data":"{}"`), "event", []string{"data: must be a JSON object, not a string"}},
		"structured, both data":        {of(structured), event(`"data":` + plain + `,"data_base64":"e30="`), "body", []string{"data_base64: given beside the other form of data; give one"}},
		"structured, data twice":       {of(structured), event(`"data":` + plain + `,"data":` + plain), "body", []string{"data: given twice; give it once"}},
		"structured, id twice":         {of(structured), event(`"id":"a","id":"b","data":` + plain), "body", []string{"id: given twice; give it once"}},
		"structured, id unclear":       {of(structured), event(`"id":"a","id":"b","data":` + anonymous), "", []string{"id: given twice; give it once"}},
		"structured, base64 bad":       {of(structured), event(`"id":"event","data_base64":"e30"`), "event", []string{"data_base64: is not Base64; send the command as data instead"}},
		"structured, base64 a number":  {of(structured), event(`"id":"event","data_base64":1`), "event", []string{"data_base64: must be a string, not a number"}},
		"structured, base64 two":       {of(structured), event(`"id":"event","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(plain+plain)) + `"`), "body", []string{"data_base64: something follows the JSON object at byte 26; send one JSON object"}},
		"structured, base64 no JSON":   {of(structured), event(`"id":"event","data_base64":"PGE+"`), "event", []string{"data_base64: no JSON: want a value, found '<' at byte 0; send one JSON object"}},
		"structured, problem in data":  {of(structured), event(`"data":{"id":"body","order_id":0,"Id":1}`), "body", []string{"order_id: must be an integer from 1 to 9223372036854775807, or a string of its digits", "Id: is no field of a command; did you mean id?"}},
		"structured, twice in data":    {of(structured), event(`"data":{"id":"body","order_id":1,"context":{"a":1,"a":1}}`), "body", []string{"context.a: given twice; give it once"}},
		"structured, option outside":   {of(structured), event(`"showarchived":true,"expires":"x","data":` + plain), "body", []string{"showarchived: is no attribute of a CloudEvent; put show_archived inside data", "expires: is no attribute of a CloudEvent; put expires inside data"}},
		"structured, null option":      {of(structured), event(`"order_id":null,"data":` + plain), "body", []string{"order_id: is no attribute of a CloudEvent; put order_id inside data"}},
		"structured, bad attribute":    {of(structured), event(`"My-Ext":1,"data":` + plain), "body", []string{"My-Ext: is no attribute of a CloudEvent; fields of the command belong inside data"}},
		"structured, object attribute": {of(structured), event(`"ext":{},"data":` + plain), "body", []string{"ext: an attribute of a CloudEvent can not be an object; fields of the command belong inside data"}},
		"structured, broken attribute": {of(structured), event("\"ext\":\"\xff\",\"data\":" + plain), "body", []string{"ext: is not Unicode text; send UTF-8, and escapes of surrogates only in pairs"}},
		"structured, bytes behind":     {of(structured), event(`"data":`+plain) + `{}`, "body", []string{"body: something follows the JSON object at byte 101; send one JSON object"}},
		"structured, an array":         {of(structured), `[` + event(`"data":`+plain) + `]`, "", []string{"body: must be a CloudEvent, a JSON object, not an array"}},
		"structured, plain after all":  {of(structured), plain, "body", []string{"order_id: is no attribute of a CloudEvent; put order_id inside data", "data: missing; a CloudEvent holds the command there"}},
		"structured, data too large":   {of(structured), event(`"data":{"id":"body","order_id":1` + strings.Repeat(" ", 64<<10) + `}`), "body", []string{"data: larger than 64 KiB; send less"}},
		"structured, envelope larger":  {of(structured), event(`"data":` + plain + strings.Repeat(" ", 64<<10)), "body", nil},
		"batch":                        {of("application/cloudevents-batch+json"), `[]`, "", []string{"Content-Type: application/cloudevents-batch+json is not taken; send application/cloudevents+json or plain JSON", "body: must be a CloudEvent, a JSON object, not an array"}},
		"two content types":            {header{"Content-Type": {structured, "application/json"}}, event(`"data":` + plain), "body", []string{"Content-Type: given twice; give it once"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := messages.DecodeCommand(messages.LaneListDuplicates, "soar", test.header, []byte(test.body))
			if diff := cmp.Diff(test.want, problemsOf(t, err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if c.ID != test.id {
				t.Errorf("id = %q, want %q", c.ID, test.id)
			}
			if err == nil && c.OrderID != 1 {
				t.Errorf("order = %d, want 1", c.OrderID)
			}
		})
	}
}

// Ids with the suffix of a replay are ours, and only good with our header.
func TestDecodeCommandReplay(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 128)
	const notForYou = "certrecall-replay-of: is for replayed dead letters only; leave it out"
	tests := map[string]struct {
		id   string
		of   []string
		good bool
		want []string
	}{
		"replay":                 {"a-replay-7", []string{"a"}, true, nil},
		"of a long id":           {messages.ReplayID(long, 18446744073709551615), []string{long}, true, nil},
		"of a replay":            {"a-replay-8", []string{"a-replay-7"}, true, nil},
		"of a message of no id":  {"seq-1700000000-5-replay-5", []string{"seq-1700000000-5"}, true, nil},
		"without the header":     {"a-replay-7", nil, false, []string{"id: is reserved: it begins with seq- or ends in -replay-<digits>; choose another"}},
		"header on a command":    {"a", []string{"a"}, true, []string{notForYou}},
		"header on a sequence":   {"seq-1-2", []string{"a"}, false, []string{notForYou, "id: is reserved: it begins with seq- or ends in -replay-<digits>; choose another"}},
		"header no id":           {"a-replay-7", []string{"a.b"}, true, []string{notForYou}},
		"header twice":           {"a-replay-7", []string{"a", "b"}, true, []string{"certrecall-replay-of: given twice; give it once"}},
		"too long for a replay":  {strings.Repeat("a", 129) + "-replay-7", []string{"a"}, false, []string{"id: must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -"}},
		"suffix without a digit": {"a-replay-", nil, true, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := map[string][]string{"Certrecall-Replay-Of": test.of}
			c, err := messages.DecodeCommand(messages.LaneListDuplicates, "soar", header, []byte(`{"id":"`+test.id+`","order_id":1}`))
			if diff := cmp.Diff(test.want, problemsOf(t, err)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if (c.ID == test.id) != test.good {
				t.Errorf("id = %q", c.ID)
			}
			if test.want == nil && len(test.of) == 1 && c.ReplayOf != test.of[0] {
				t.Errorf("replay of %q, want %q", c.ReplayOf, test.of[0])
			}
		})
	}
}

// Trace context is carried on, and never costs a command.
func TestDecodeCommandTraceContext(t *testing.T) {
	t.Parallel()
	type header = map[string][]string
	const parent, other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	const structured = `{"specversion":"1.0","traceparent":"` + parent + `","tracestate":"a=1","data":{"id":"i","order_id":1}}`
	tests := map[string]struct {
		header        header
		body          string
		parent, state string
	}{
		"none":                   {nil, "", "", ""},
		"headers":                {header{"TraceParent": {parent}, "Tracestate": {"a=1, b=2"}}, "", parent, "a=1, b=2"},
		"attributes":             {header{"ce-traceparent": {parent}, "ce-tracestate": {"a=1%2C%20b=2"}}, "", parent, "a=1, b=2"},
		"headers win":            {header{"ce-traceparent": {other}, "ce-tracestate": {"b=2"}, "traceparent": {parent}}, "", parent, ""},
		"of the envelope":        {header{"content-type": {"application/cloudevents"}}, structured, parent, "a=1"},
		"state without a parent": {header{"tracestate": {"a=1"}}, "", "", ""},
		"two parents":            {header{"traceparent": {parent, other}, "tracestate": {"a=1"}}, "", "", ""},
		"line end":               {header{"ce-traceparent": {"00%0D%0ANats-Rollup:%20all"}}, "", "", ""},
		"too long":               {header{"traceparent": {strings.Repeat("0", 300)}}, "", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := test.body
			if body == "" {
				body = `{"id":"i","order_id":1}`
			}
			c, err := messages.DecodeCommand(messages.LaneListDuplicates, "soar", test.header, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if c.Traceparent != test.parent || c.Tracestate != test.state {
				t.Errorf("trace context is %q, %q; want %q, %q", c.Traceparent, c.Tracestate, test.parent, test.state)
			}
		})
	}
}
