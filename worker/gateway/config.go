package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"certrecall/messages"
	"certrecall/worker/gateway/credentials"
	"certrecall/worker/gateway/deliveries"
)

// Settings is the configuration file: who may send what, and what is delivered
// where. Secrets are named by their files, and read by [New].
type Settings struct {
	Sources    map[string]Source
	Deliveries []deliveries.Endpoint // by name
	Warnings   []string              // what should be mended, though it works
}

// Source is what one source may do.
type Source struct {
	Lanes []messages.Lane
	Files []credentials.File
	Rate  Rate // of each of its credentials; zero is no limit
}

// SettingsError is everything that is wrong with a configuration file, a line each.
type SettingsError []string

func (e SettingsError) Error() string { return strings.Join(e, "\n") }

const maxSettings = 1 << 20 // bytes

// ReadSettings reads a configuration file strictly: a key that it does not
// know, a key given twice, a wrong type or a value out of bounds is an error
// with its line, and all of them are told at once.
func ReadSettings(path string, names messages.Names) (Settings, error) {
	f, err := os.Open(path)
	if err != nil {
		return Settings{}, SettingsError{err.Error()}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSettings+1))
	if err != nil {
		return Settings{}, SettingsError{fmt.Sprintf("reading %s: %v", path, err)}
	}
	if len(text) > maxSettings {
		return Settings{}, SettingsError{fmt.Sprintf("%s is larger than %d bytes", path, maxSettings)}
	}
	return parseSettings(path, text, names)
}

// document is the file as it is written.
type document struct {
	Sources    map[string]sourceDocument   `yaml:"sources"`
	Deliveries map[string]deliveryDocument `yaml:"deliveries"`
}

type sourceDocument struct {
	Lanes []string     `yaml:"lanes"`
	Auth  authDocument `yaml:"auth"`
	Rate  string       `yaml:"rate"`
}

type authDocument struct {
	Bearer  []string `yaml:"bearer_files"`
	Basic   []string `yaml:"basic_files"`
	Hub     []string `yaml:"hub_signature_files"`
	Webhook []string `yaml:"webhook_secret_files"`
}

type deliveryDocument struct {
	URL          string   `yaml:"url"`
	SecretFile   string   `yaml:"secret_file"`
	CAFile       string   `yaml:"ca_file"`
	Sources      []string `yaml:"sources"`
	Incidents    []string `yaml:"incidents"`
	Events       []string `yaml:"events"`
	AllowPrivate bool     `yaml:"allow_private"`
	Concurrency  *int     `yaml:"concurrency"`
}

// parser reads one file. Paths name a place in it: "sources", "jira", "rate".
type parser struct {
	path     string
	folder   string
	root     yaml.Node
	names    messages.Names
	settings Settings
	problems SettingsError
}

func parseSettings(path string, text []byte, names messages.Names) (Settings, error) {
	p := &parser{path: path, folder: filepath.Dir(path), names: names, settings: Settings{Sources: map[string]Source{}}}
	var doc document
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(&doc)
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		for _, problem := range wrong.Errors {
			p.problems = append(p.problems, path+": "+readable(problem))
		}
		return Settings{}, p.problems
	}
	if errors.Is(err, io.EOF) {
		return Settings{}, SettingsError{path + ": is empty: name the sources and the deliveries"}
	}
	if err != nil {
		return Settings{}, SettingsError{path + ": " + err.Error()}
	}
	if err := d.Decode(new(document)); !errors.Is(err, io.EOF) {
		return Settings{}, SettingsError{path + ": holds a second document: write one"}
	}
	if err := yaml.Unmarshal(text, &p.root); err != nil {
		return Settings{}, SettingsError{path + ": " + err.Error()}
	}
	p.read(doc)
	if len(p.problems) > 0 {
		return Settings{}, p.problems
	}
	return p.settings, nil
}

// readable takes Go's words out of an error of the YAML decoder.
func readable(problem string) string {
	before, typ, found := strings.Cut(problem, " not found in type ")
	if !found {
		return strings.NewReplacer("gateway.", "", " into ", ", want ").Replace(problem)
	}
	before = strings.Replace(before, "field ", "", 1)
	line, key, _ := strings.Cut(before, ": ")
	return fmt.Sprintf("%s: %s is no key of %s", line, key, strings.TrimSuffix(strings.TrimPrefix(typ, "gateway."), "Document"))
}

// bad adds a problem at a place of the file.
func (p *parser) bad(place []string, format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf("%s: line %d: %s: %s", p.path, p.line(place), strings.Join(place, "."), fmt.Sprintf(format, args...)))
}

// line finds where a place stands: its own line, or that of what it would be in.
func (p *parser) line(place []string) int {
	line := 1
	at := &p.root
	if at.Kind == yaml.DocumentNode && len(at.Content) > 0 {
		at = at.Content[0]
	}
	for _, name := range place {
		var next *yaml.Node
		for at.Kind == yaml.AliasNode {
			at = at.Alias
		}
		if at.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(at.Content); i += 2 {
				if at.Content[i].Value == name {
					line, next = at.Content[i].Line, at.Content[i+1]
				}
			}
		}
		if next == nil {
			return line
		}
		at = next
	}
	return line
}

// file gives the path of a file that is named relative to the configuration.
func (p *parser) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.folder, name)
}
