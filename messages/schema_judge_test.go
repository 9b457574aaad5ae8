package messages_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

func TestGoldenEventsMatchTheirSchemas(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "certrecall")
	c := compiler(t)
	headers := c.MustCompile(schemaBase + "event-headers.json")
	for file, e := range goldenEvents() {
		_, header, body, err := names.EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := headers.Validate(asHeaders(header)); err != nil {
			t.Errorf("%s: headers: %v", file, err)
		}
		for _, name := range messages.EventNames() {
			err := c.MustCompile(schemaBase + "event-" + string(name) + ".json").Validate(unmarshal(t, body))
			if name == e.Name && err != nil {
				t.Errorf("%s: %v", file, err)
			}
			if name.Final() != e.Name.Final() && err == nil {
				t.Errorf("%s matches the schema of %s", file, name)
			}
		}
	}
}

// What EncodeEvent lets pass, the schema does too.
func TestEventsMatchTheirSchemas(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "certrecall")
	c := compiler(t)
	headers := c.MustCompile(schemaBase + "event-headers.json")
	schemas := make(map[messages.EventName]*jsonschema.Schema)
	for _, name := range messages.EventNames() {
		schemas[name] = c.MustCompile(schemaBase + "event-" + string(name) + ".json")
	}
	rapid.Check(t, func(rt *rapid.T) {
		e := drawEvent(rt)
		e.CommandID = string([]rune(e.CommandID)[:min(160, utf8.RuneCountInString(e.CommandID))])
		_, header, body, err := names.EncodeEvent(e)
		if err != nil {
			rt.Fatal(err)
		}
		if err := schemas[e.Name].Validate(unmarshal(t, body)); err != nil {
			rt.Fatalf("%v\n%s", err, body)
		}
		if err := headers.Validate(asHeaders(header)); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestDeadLetterHeadersMatchTheirSchema(t *testing.T) {
	t.Parallel()
	schema := compiler(t).MustCompile(schemaBase + "dead-letter-headers.json")
	h := asHeaders(messages.DeadLetter{ErrorType: messages.ErrorExpired, Detail: "é"}.Header(nil))
	if err := schema.Validate(h); err != nil {
		t.Error(err)
	}
	properties := dig(t, any(schemaFiles(t)["dead-letter-headers.json"]), "properties")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(h))); diff != "" {
		t.Errorf("headers (-schema +type):\n%s", diff)
	}
	for name := range h {
		less := maps.Clone(h)
		delete(less, name)
		if schema.Validate(less) == nil {
			t.Errorf("the schema does without %s", name)
		}
	}
}

// laneSchema compiles the schema of a lane's plain commands.
func laneSchema(t testing.TB, l messages.Lane) *jsonschema.Schema {
	t.Helper()
	return compiler(t).MustCompile(schemaBase + "command-" + string(l.Action()) + ".json")
}

// What DecodeCommand refuses the schema refuses, where a schema can say it.
func TestSchemasRefuseWhatDecodeCommandRefuses(t *testing.T) {
	t.Parallel()
	unsayable := []string{
		"key twice", "key twice, escaped", "id twice", "twice in context", "twice deep in context", "context too large", // JSON itself
		"half a surrogate pair", "surrogates reversed", "invalid UTF-8", "invalid UTF-8 in a name", // text
		"order 1.0", "order 1e3", "order 2^63 as text", // 1.0 is an integer to a schema
		"zero time", "time past 9999", "leap second", // RFC 3339 allows them
	}
	schemas := map[messages.Lane]*jsonschema.Schema{
		messages.LaneRevoke: laneSchema(t, messages.LaneRevoke), messages.LaneListDuplicates: laneSchema(t, messages.LaneListDuplicates),
	}
	judged := 0
	for name, test := range refusedCommands() {
		if !json.Valid([]byte(test.body)) {
			continue
		}
		judged++
		err := schemas[test.lane].Validate(unmarshal(t, []byte(test.body)))
		if said := !slices.Contains(unsayable, name); said != (err != nil) {
			t.Errorf("%s: %s: the schema says %v", name, test.body, err)
		}
	}
	if judged < 80 {
		t.Errorf("only %d bodies were judged", judged)
	}
}

// What the schema refuses DecodeCommand refuses: nothing good is kept from a
// producer that validates before it sends.
func TestSchemasTakeWhatDecodeCommandTakes(t *testing.T) {
	t.Parallel()
	schemas := make(map[messages.Lane]*jsonschema.Schema)
	for _, l := range messages.Lanes() {
		schemas[l] = laneSchema(t, l)
	}
	values := []string{
		`null`, `true`, `false`, `0`, `1`, `-1`, `1.0`, `"1"`, `"007"`, `"0"`, `9223372036854775807`, `9223372036854775808`, `""`, `"x"`, `"a b"`, `"seq-1"`,
		`"a-replay-1"`, `"superseded"`, `"2026-03-01T17:00:00Z"`, `"2026-03-01t17:00:00.5+01:00"`, `"2026-13-01T17:00:00Z"`, `{}`, `[]`, `{"a":null}`, `"\u0000"`, `"\u0085"`, `"é"`,
	}
	fields := []string{"id", "order_id", "certificate_id", "comments", "revocation_reason", "skip_approval", "dry_run", "show_archived", "incident", "deadline", "expires", "requested_by", "context", "colour"}
	taken := 0
	rapid.Check(t, func(rt *rapid.T) {
		lane := rapid.SampledFrom(messages.Lanes()).Draw(rt, "lane")
		body := map[string]json.RawMessage{"id": json.RawMessage(`"i"`), "order_id": json.RawMessage(`1`)}
		if lane.Action() == messages.ActionRevoke {
			body["comments"] = json.RawMessage(`"c"`)
		}
		for _, f := range rapid.SliceOfNDistinct(rapid.SampledFrom(fields), 0, 4, rapid.ID).Draw(rt, "fields") {
			body[f] = json.RawMessage(rapid.SampledFrom(values).Draw(rt, f))
		}
		text, err := json.Marshal(body)
		if err != nil {
			rt.Fatal(err)
		}
		invalid := schemas[lane].Validate(unmarshal(t, text))
		if _, err = messages.DecodeCommand(lane, "soar", nil, text); err == nil && invalid != nil {
			rt.Fatalf("%s is a command, yet: %v", text, invalid)
		}
		if err == nil {
			taken++
		}
	})
	if taken == 0 {
		t.Error("no command was taken")
	}
}

// A structured CloudEvent is judged by the schema as by DecodeCommand.
func TestCloudEventSchema(t *testing.T) {
	t.Parallel()
	schema := compiler(t).MustCompile(schemaBase + "command-list-duplicates.json#/$defs/cloudevent")
	header := map[string][]string{"Content-Type": {"application/cloudevents+json"}}
	for body, good := range map[string]bool{
		`{"specversion":"1.0","id":"i","type":"t","source":"/s","data":{"order_id":1}}`: true,
		`{"specversion":"1.0","myext":1,"data":{"id":"i","order_id":1}}`:                true,
		`{"specversion":"1.0","id":null,"data":{"id":"i","order_id":1}}`:                true,
		`{"specversion":"1.0","id":"i","data_base64":"eyJvcmRlcl9pZCI6MX0="}`:           true,
		`{"specversion":"1.0","data":{"order_id":1}}`:                                   false,
		`{"specversion":"0.3","id":"i","data":{"order_id":1}}`:                          false,
		`{"specversion":"1.0","id":1,"data":{"order_id":1}}`:                            false,
		`{"specversion":"1.0","id":"i"}`:                                                false,
		`{"specversion":"1.0","id":"i","data":null}`:                                    false,
		`{"specversion":"1.0","id":"i","data":{"order_id":1},"data_base64":"e30="}`:     false,
		`{"specversion":"1.0","id":"i","data":{"order_id":1,"dryrun":true}}`:            false,
		`{"specversion":"1.0","id":"i","showarchived":true,"data":{"order_id":1}}`:      false,
		`{"specversion":"1.0","id":"i","order_id":1,"data":{"order_id":1}}`:             false,
		`{"specversion":"1.0","id":"i","ext":{},"data":{"order_id":1}}`:                 false,
	} {
		if err := schema.Validate(unmarshal(t, []byte(body))); (err == nil) != good {
			t.Errorf("%s: the schema says %v", body, err)
		}
		if _, err := messages.DecodeCommand(messages.LaneListDuplicates, "soar", header, []byte(body)); (err == nil) != good {
			t.Errorf("%s: DecodeCommand says %v", body, err)
		}
	}
	misplaced := enum(t, dig(t, any(schemaFiles(t)["command-revoke.json"]), "$defs", "cloudevent", "propertyNames")["not"])
	properties := dig(t, any(schemaFiles(t)["command-revoke.json"]), "$defs", "fields", "properties")
	for name := range properties {
		if flat := strings.ReplaceAll(name, "_", ""); name != "id" && !slices.Contains(misplaced, flat) {
			t.Errorf("the schema takes the attribute %s", flat)
		}
	}
}
