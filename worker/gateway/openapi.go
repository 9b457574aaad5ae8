package gateway

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"

	"certrecall/messages"
)

//go:embed openapi.json
var openAPIBase []byte

// OpenAPI gives the description of the API (OpenAPI 3.1): what openapi.json
// says of the doors, with the schemas of the published contract for what passes
// through them.
func OpenAPI() ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(openAPIBase, &doc); err != nil {
		return nil, fmt.Errorf("reading openapi.json: %w", err)
	}
	components, _ := doc["components"].(map[string]any)
	schemas, ok := components["schemas"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("openapi.json has no components.schemas")
	}
	for _, s := range []struct{ component, file, part string }{
		{"RevokeCommand", "command-revoke.json", "fields"},
		{"ListDuplicatesCommand", "command-list-duplicates.json", "fields"},
		{"Event", "event.json", ""},
		{"Error", "error.json", ""},
	} {
		schema, err := publishedSchema(s.file, s.part)
		if err != nil {
			return nil, err
		}
		schemas[s.component] = schema
	}
	return json.Marshal(doc)
}

// publishedSchema reads a schema of the contract, or a part of its $defs, as a
// component: without a name of its own, and pointing to other components.
func publishedSchema(file, part string) (map[string]any, error) {
	text, err := fs.ReadFile(messages.Published(), "schemas/"+file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if part != "" {
		parts, _ := schema["$defs"].(map[string]any)
		inner, ok := parts[part].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s has no part %s", file, part)
		}
		schema = inner
	}
	delete(schema, "$id")
	delete(schema, "$schema")
	point(schema)
	return schema, nil
}

// point turns references to files of the contract into those to components.
func point(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["$ref"] == "error.json" {
			v["$ref"] = "#/components/schemas/Error"
		}
		for _, inner := range v {
			point(inner)
		}
	case []any:
		for _, inner := range v {
			point(inner)
		}
	}
}

func (g *Gateway) openAPI(w http.ResponseWriter, r *http.Request) {
	doc, err := OpenAPI()
	if err != nil {
		problem{http.StatusInternalServerError, "internal", "the description cannot be read", nil, 0}.write(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(doc)
}
