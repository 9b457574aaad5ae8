package messages_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// asyncAPI returns the published document as JSON would be decoded.
func asyncAPI(t testing.TB) map[string]any {
	t.Helper()
	content, err := fs.ReadFile(messages.Published(), "asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// resolve follows a reference inside the document.
func resolve(t testing.TB, document map[string]any, reference any) map[string]any {
	t.Helper()
	path, ok := strings.CutPrefix(text(dig(t, reference)["$ref"]), "#/")
	if !ok {
		t.Fatalf("no reference: %v", reference)
	}
	return dig(t, document, strings.Split(path, "/")...)
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// channel is what a channel has to be.
type channel struct {
	Address, Stream, Action string
	Messages                []string
}

// The channels of the document are the subjects that Names makes, no more and
// no fewer.
func TestAsyncAPIHasOurSubjects(t *testing.T) {
	t.Parallel()
	document := asyncAPI(t)
	if document["asyncapi"] != "3.0.0" {
		t.Errorf("asyncapi is %v", document["asyncapi"])
	}
	names := mustNames(t, "certrecall")
	want := make(map[string]channel)
	for _, l := range messages.Lanes() {
		want["command-"+string(l)] = channel{
			names.CommandSubject(l, "servicenow"), names.CommandsStream(), "receive",
			[]string{"command-" + string(l.Action()), "command-" + string(l.Action()) + "-cloudevent"},
		}
		want["dead-letter-"+string(l)] = channel{names.DeadLetterSubject(l, "servicenow", "INC-42"), names.DeadLettersStream(), "send", []string{"dead-letter"}}
	}
	for _, e := range messages.EventNames() {
		want["event-"+string(e)] = channel{names.EventSubject(e, messages.CommandName{Source: "servicenow", Incident: "INC-42", ID: "INC-1"}), names.EventsStream(), "send", []string{"certrecall." + string(e) + ".v1"}}
	}

	actions := make(map[string]string)
	for name, operation := range dig(t, document, "operations") {
		o := dig(t, operation)
		to, ok := strings.CutPrefix(text(dig(t, o["channel"])["$ref"]), "#/channels/")
		if !ok || actions[to] != "" {
			t.Errorf("operation %s: channel %v", name, o["channel"])
		}
		actions[to] = text(o["action"])
	}
	got := make(map[string]channel)
	fill := strings.NewReplacer("{prefix}", "certrecall", "{source}", "servicenow", "{incident}", "INC-42", "{id}", "INC-1")
	for name, c := range dig(t, document, "channels") {
		address := text(dig(t, c)["address"])
		found := channel{Address: fill.Replace(address), Stream: text(dig(t, c, "x-nats-jetstream")["stream"]), Action: actions[name]}
		for _, message := range dig(t, c, "messages") {
			found.Messages = append(found.Messages, text(resolve(t, document, message)["name"]))
		}
		slices.Sort(found.Messages)
		got[name] = found
		for parameter, reference := range dig(t, c, "parameters") {
			if !strings.Contains(address, "{"+parameter+"}") || resolve(t, document, reference)["description"] == nil {
				t.Errorf("channel %s: parameter %s", name, parameter)
			}
		}
		if n := strings.Count(address, "{"); n != len(dig(t, c, "parameters")) {
			t.Errorf("channel %s: %d parameters in the address", name, n)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("channels (-want +got):\n%s", diff)
	}
	if prefix := dig(t, document, "components", "parameters", "prefix")["default"]; prefix != "certrecall" {
		t.Errorf("the default prefix is %v", prefix)
	}
}

// Each message refers to schemas that are there, and its examples match them.
func TestAsyncAPIRefersToOurSchemas(t *testing.T) {
	t.Parallel()
	document := asyncAPI(t)
	c := compiler(t)
	used := make(map[string]bool)
	compile := func(part any) *jsonschema.Schema {
		p := dig(t, part)
		if p["schemaFormat"] != "application/schema+json;version=2020-12" {
			t.Errorf("schema format %v", p["schemaFormat"])
		}
		file, ok := strings.CutPrefix(text(dig(t, p, "schema")["$ref"]), "./schemas/")
		if !ok {
			t.Fatalf("no reference to a schema: %v", p)
		}
		used[strings.SplitN(file, "#", 2)[0]] = true
		schema, err := c.Compile(schemaBase + file)
		if err != nil {
			t.Fatal(err)
		}
		return schema
	}
	for name, message := range dig(t, document, "components", "messages") {
		m := dig(t, message)
		compile(m["headers"])
		if m["payload"] == nil {
			if name != "dead-letter" {
				t.Errorf("%s has no payload", name)
			}
			continue
		}
		payload := compile(m["payload"])
		examples, _ := m["examples"].([]any)
		if strings.HasPrefix(name, "command-") && len(examples) == 0 {
			t.Errorf("%s has no example", name)
		}
		for _, example := range examples {
			checkExample(t, payload, name, dig(t, example)["payload"])
		}
	}
	used["event.json"], used["error.json"] = true, true // the events refer to them
	if diff := cmp.Diff(slices.Sorted(maps.Keys(schemaFiles(t))), slices.Sorted(maps.Keys(used))); diff != "" {
		t.Errorf("schemas (-there +used):\n%s", diff)
	}
}

// checkExample judges an example of a command by its schema and by
// DecodeCommand.
func checkExample(t *testing.T, schema *jsonschema.Schema, name string, example any) {
	t.Helper()
	body, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(unmarshal(t, body)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	header := make(map[string][]string)
	if strings.HasSuffix(name, "-cloudevent") {
		header["Content-Type"] = []string{"application/cloudevents+json"}
	}
	lane := messages.LaneRevoke
	if strings.Contains(name, string(messages.ActionListDuplicates)) {
		lane = messages.LaneListDuplicates
	}
	if _, err := messages.DecodeCommand(lane, "servicenow", header, body); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// The files are where the references between them point.
func TestPublishedFiles(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(messages.Published(), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && file != "asyncapi.yaml" && (path.Dir(file) != "schemas" || path.Ext(file) != ".json") {
			t.Errorf("unexpected file %s", file)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
