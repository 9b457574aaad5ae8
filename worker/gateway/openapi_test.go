package gateway

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// judge holds what passes through the gateway against its own description.
type judge struct {
	doc      map[string]any
	compiler *jsonschema.Compiler
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	text, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler()}
	j.compiler.AssertFormat()
	if err := j.compiler.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return j
}

// pathOf finds the path of the description that serves an address.
func (j *judge) pathOf(address string) string {
	paths := j.doc["paths"].(map[string]any)
	if _, ok := paths[address]; ok {
		return address
	}
	switch parts := strings.Split(strings.Trim(address, "/"), "/"); {
	case len(parts) == 3 && strings.HasPrefix(address, "/v1/commands/"):
		return "/v1/commands/{lane}"
	case len(parts) == 4 && strings.HasPrefix(address, "/v1/commands/"):
		return "/v1/commands/{incident}/{id}"
	}
	return ""
}

// traffic checks one request and its answer.
func (j *judge) traffic(t *testing.T, q *http.Request, sent []byte, a *http.Response, got []byte) {
	t.Helper()
	path := j.pathOf(q.URL.Path)
	operation, ok := j.doc["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(q.Method)].(map[string]any)
	if !ok {
		if a.StatusCode != http.StatusMethodNotAllowed && a.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s: %d, and the description has no such operation", q.Method, path, a.StatusCode)
		}
		return
	}
	code := strconv.Itoa(a.StatusCode)
	response, ok := operation["responses"].(map[string]any)[code].(map[string]any)
	if !ok {
		t.Errorf("%s %s: the description has no answer %s", q.Method, path, code)
		return
	}
	for name := range object(response["headers"]) {
		if a.Header.Get(name) == "" {
			t.Errorf("%s %s: %s without %s", q.Method, path, code, name)
		}
	}
	at := "openapi.json#/paths/" + escape(path) + "/" + strings.ToLower(q.Method)
	j.check(t, at+"/responses/"+code+"/content/", object(response["content"]), a.Header.Get("Content-Type"), got)
	if a.StatusCode == http.StatusAccepted {
		j.check(t, at+"/requestBody/content/", object(object(operation["requestBody"])["content"]), q.Header.Get("Content-Type"), sent)
	}
}

func (j *judge) check(t *testing.T, at string, content map[string]any, contentType string, body []byte) {
	t.Helper()
	if len(content) == 0 {
		return
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || content[media] == nil {
		t.Errorf("%s: content type %q is not described", at, contentType)
		return
	}
	schema, err := j.compiler.Compile(at + escape(media) + "/schema")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		t.Errorf("%s%s: %s: %v", at, media, body, err)
	}
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func escape(part string) string {
	part = strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(part)
}

// TestDescriptionIsWhole: every reference leads somewhere, and the server serves it.
func TestDescriptionIsWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	a := r.do(http.MethodGet, "/openapi.json", "")
	if a.status != 200 || a.text("openapi") != "3.1.0" {
		t.Fatalf("%d %.80s", a.status, a.body)
	}
	refs := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				refs++
				if _, err := r.spec.compiler.Compile("openapi.json" + ref); err != nil || !strings.HasPrefix(ref, "#/components/schemas/") {
					t.Errorf("%s: %v", ref, err)
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(r.spec.doc)
	if refs < 10 {
		t.Errorf("%d references", refs)
	}
}
