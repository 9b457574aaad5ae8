package messages_test

import (
	"bytes"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

const schemaBase = "https://certrecall.example.com/schemas/v1/"

// compiler holds all published schemas, judged as strictly as the library can.
func compiler(t testing.TB) *jsonschema.Compiler {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	for name, schema := range schemaFiles(t) {
		if err := c.AddResource(schemaBase+name, schema); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// schemaFiles returns each schema file, decoded.
func schemaFiles(t testing.TB) map[string]map[string]any {
	t.Helper()
	files, err := fs.Glob(messages.Published(), "schemas/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no schemas: ", err)
	}
	out := make(map[string]map[string]any)
	for _, file := range files {
		content, err := fs.ReadFile(messages.Published(), file)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(file, "schemas/")] = dig(t, unmarshal(t, content))
	}
	return out
}

// unmarshal decodes JSON as the schema library wants it, numbers as written.
func unmarshal(t testing.TB, content []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("%v: %s", err, content)
	}
	return v
}

// dig follows names into decoded JSON.
func dig(t testing.TB, v any, names ...string) map[string]any {
	t.Helper()
	for _, name := range names {
		object, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no object at %s of %v", name, names)
		}
		v = object[name]
	}
	object, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("no object at %v", names)
	}
	return object
}

func TestSchemasCompile(t *testing.T) {
	t.Parallel()
	c := compiler(t)
	for name, schema := range schemaFiles(t) {
		if _, err := c.Compile(schemaBase + name); err != nil {
			t.Error(err)
		}
		if schema["$id"] != schemaBase+name || schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: $id %v, $schema %v", name, schema["$id"], schema["$schema"])
		}
		if schema["title"] == nil || schema["description"] == nil {
			t.Errorf("%s: no title or description", name)
		}
	}
}

// Every field of a command is in a schema, and every property of a schema is a
// field.
func TestCommandSchemasHaveTheFieldsOfCommands(t *testing.T) {
	t.Parallel()
	schemas := schemaFiles(t)
	var covered messages.Command
	for file, test := range map[string]struct {
		lane messages.Lane
		body string
	}{
		"command-revoke.json": {messages.LaneRevoke, `{"id":"i","order_id":1,"certificate_id":2,"comments":"c","revocation_reason":"superseded","skip_approval":true,
			"dry_run":true,"expected_common_name":"a","incident":"n","deadline":"2026-03-01T17:00:00Z","expires":"2026-03-01T17:00:00Z","requested_by":"j","context":{}}`},
		"command-list-duplicates.json": {messages.LaneListDuplicates, `{"id":"i","order_id":1,"show_archived":true,"incident":"n","expires":"2026-03-01T17:00:00Z",
			"requested_by":"j","context":{}}`},
	} {
		c := decode(t, test.lane, test.body)
		body, err := messages.EncodeCommand(c)
		if err != nil {
			t.Fatal(err)
		}
		properties := dig(t, any(schemas[file]), "$defs", "fields", "properties")
		fields := dig(t, unmarshal(t, body))
		if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(fields))); diff != "" {
			t.Errorf("%s (-schema +type):\n%s", file, diff)
		}
		for name, property := range properties {
			if p := dig(t, property); p["description"] == nil {
				t.Errorf("%s: %s has no description", file, name)
			}
		}
		cover(&covered, c)
	}
	fromHeaders := []string{"ClaimedID", "Traceparent", "Tracestate", "ReplayOf"}
	if diff := cmp.Diff(fromHeaders, unset(covered)); diff != "" {
		t.Errorf("fields of Command that no body sets (-want +got):\n%s", diff)
	}
}

// cover sets the fields of all that are set in one.
func cover[T any](all *T, one T) {
	to, from := reflect.ValueOf(all).Elem(), reflect.ValueOf(one)
	for i := range from.NumField() {
		if !from.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

// unset names the fields that have their zero value.
func unset(v any) []string {
	var names []string
	value := reflect.ValueOf(v)
	for i := range value.NumField() {
		if value.Field(i).IsZero() {
			names = append(names, value.Type().Field(i).Name)
		}
	}
	return names
}

// Every field of an event is in the schema, and every property of the schema is
// written by some event.
func TestEventSchemaHasTheFieldsOfEvents(t *testing.T) {
	t.Parallel()
	names := mustNames(t, "certrecall")
	var covered messages.Event
	var coveredError messages.Error
	var coveredObject messages.ObjectRef
	fields := map[string]map[string]bool{"": {}, "error": {}, "certificates_object": {}}
	headers := make(map[string]bool)
	for _, e := range goldenEvents() {
		_, header, body, err := names.EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		for name := range header {
			headers[name] = true
		}
		for name, value := range dig(t, unmarshal(t, body)) {
			fields[""][name] = true
			if inner, ok := value.(map[string]any); ok && fields[name] != nil {
				for n := range inner {
					fields[name][n] = true
				}
			}
		}
		cover(&covered, e)
		if e.Error != nil {
			cover(&coveredError, *e.Error)
		}
		if e.CertificatesObject != nil {
			cover(&coveredObject, *e.CertificatesObject)
		}
	}
	if missing := slices.Concat(unset(covered), unset(coveredError), unset(coveredObject)); len(missing) > 0 {
		t.Errorf("no golden event sets %v", missing)
	}
	schemas := schemaFiles(t)
	for name, properties := range map[string]map[string]any{
		"":                    dig(t, any(schemas["event.json"]), "properties"),
		"error":               dig(t, any(schemas["error.json"]), "properties"),
		"certificates_object": dig(t, any(schemas["event.json"]), "properties", "certificates_object", "properties"),
	} {
		if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(fields[name]))); diff != "" {
			t.Errorf("fields of %q (-schema +event):\n%s", name, diff)
		}
	}
	properties := dig(t, any(schemas["event-headers.json"]), "properties")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(headers))); diff != "" {
		t.Errorf("headers (-schema +event):\n%s", diff)
	}
}

// enum returns the values that a property may have.
func enum(t testing.TB, property any) []string {
	t.Helper()
	values, ok := dig(t, property)["enum"].([]any)
	if !ok {
		t.Fatalf("no enum in %v", property)
	}
	var out []string
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			t.Fatalf("%v is no string", v)
		}
		out = append(out, s)
	}
	return out
}

func asStrings[T ~string](values []T) []string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}

func TestSchemasHaveOurClosedSets(t *testing.T) {
	t.Parallel()
	schemas := schemaFiles(t)
	types := make([]string, 0, 12)
	for _, e := range messages.EventNames() {
		types = append(types, "certrecall."+string(e)+".v1")
	}
	event := dig(t, any(schemas["event.json"]), "properties")
	for name, sets := range map[string][2][]string{
		"lanes":           {asStrings(messages.Lanes()), enum(t, event["lane"])},
		"actions":         {{string(messages.ActionRevoke), string(messages.ActionListDuplicates)}, enum(t, event["action"])},
		"reasons":         {asStrings(messages.RevocationReasons()), enum(t, event["revocation_reason"])},
		"reasons to give": {asStrings(messages.RevocationReasons()), enum(t, dig(t, any(schemas["command-revoke.json"]), "$defs", "fields", "properties")["revocation_reason"])},
		"error types":     {asStrings(messages.ErrorTypes()), enum(t, dig(t, any(schemas["error.json"]), "properties")["type"])},
		"dead letters":    {asStrings(messages.ErrorTypes()), enum(t, dig(t, any(schemas["dead-letter-headers.json"]), "properties")["certrecall-error-type"])},
		"event types":     {types, enum(t, dig(t, any(schemas["event-headers.json"]), "properties")["ce-type"])},
	} {
		if diff := cmp.Diff(sets[0], sets[1]); diff != "" {
			t.Errorf("%s (-type +schema):\n%s", name, diff)
		}
	}
	for _, e := range messages.EventNames() {
		final := dig(t, any(schemas["event-"+string(e)+".json"]), "properties", "final")["const"]
		if final != e.Final() {
			t.Errorf("%s: final is %v in the schema", e, final)
		}
	}
}

// asHeaders returns headers as the schemas for headers see them.
func asHeaders(header map[string][]string) map[string]any {
	out := make(map[string]any)
	for name, values := range header {
		out[name] = values[0]
	}
	return out
}
