package gateway

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"certrecall/messages"
)

func TestEveryProblemOfAConfigurationIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		want       []string // beginnings
	}{
		{"unknown keys and wrong types", "sources:\n  a:\n    lane: [revoke]\n    auth: {bearer_files: [x], token: y}\ndelivery: {}\nsources2: 1\n", []string{
			"f: line 3: lane is no key of source", "f: line 4: token is no key of auth", "f: line 5: delivery is no key of document", "f: line 6: sources2 is no key of document",
		}},
		{"a key twice", "sources:\n  a: {lanes: [revoke], auth: {bearer_files: [x]}}\n  a: {lanes: [revoke]}\n", []string{`f: line 3: mapping key "a" already defined at line 2`}},
		{"nothing", "", []string{"f: is empty"}},
		{"an empty object", "{}", []string{"f: line 1: : names neither sources nor deliveries"}},
		{"two documents", "sources: {a: {lanes: [revoke], auth: {bearer_files: [x]}}}\n---\nsources: {}\n", []string{"f: holds a second document"}},
		{"values", `
sources:
  a b: {lanes: [revoke], auth: {bearer_files: [x]}}
  c:
    lanes: [revoke, revok, revoke]
    auth: {bearer_files: [""]}
    rate: 100
  invalid: {auth: {}}
deliveries:
  d:
    url: http://tickets.example.com/
    events: [revoked, done]
    sources: [a.b]
  e: {url: "https://10.0.0.1/x", secret_file: s, concurrency: 0}
  f: {url: "https://user:hunter2@tickets.example.com/", secret_file: s}
  g: {url: "https://tickets.example.com/#hunter2", secret_file: s, incidents: [a b]}
`, []string{
			"f: line 3: sources.a b: can be no source", "f: line 5: sources.c.lanes: there is no lane \"revok\"", "f: line 5: sources.c.lanes: revoke stands twice",
			"f: line 6: sources.c.auth.bearer_files: names no file", "f: line 6: sources.c.auth: names no file", "f: line 7: sources.c.rate: \"100\" cannot be read",
			"f: line 8: sources.invalid: can be no source", "f: line 8: sources.invalid.lanes: is missing", "f: line 8: sources.invalid.auth: names no file",
			"f: line 11: deliveries.d.url: must begin with https://", "f: line 10: deliveries.d.secret_file: is missing", "f: line 13: deliveries.d.sources: \"a.b\"",
			"f: line 12: deliveries.d.events: there is no event \"done\"", "f: line 14: deliveries.e.url: 10.0.0.1 is an address inside", "f: line 14: deliveries.e.concurrency: 0",
			"f: line 15: deliveries.f.url: holds a user", "f: line 16: deliveries.g.url: holds a fragment", "f: line 16: deliveries.g.incidents: \"a b\"",
		}},
	} {
		_, err := parseSettings("f", []byte(c.text), names)
		got, _ := errors.AsType[SettingsError](err)
		if len(got) != len(c.want) {
			t.Errorf("%s: %s", c.name, cmp.Diff(c.want, []string(got)))
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %q, want %q…", c.name, got[i], want)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows what may be a secret: %v", c.name, err)
		}
	}
}

func TestTheConfigurationOfTheContract(t *testing.T) {
	t.Parallel()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseSettings("/etc/certrecall/gateway.yaml", []byte(`sources:
  servicenow: {lanes: [revoke, list-duplicates], auth: {bearer_files: [now-1, now-2]}}
  jira:       {lanes: [revoke], auth: {hub_signature_files: [jira]}, rate: 100/1m}
  soar:       {lanes: [revoke-urgent, revoke, list-duplicates], auth: {webhook_secret_files: [soar]}}   # Standard Webhooks, whsec_…
  scripts:    {lanes: [list-duplicates], auth: {basic_files: [scripts]}}                                 # user:password
deliveries:
  tickets: {url: "https://tickets.example.com/hooks/certrecall", secret_file: tickets, sources: [servicenow], events: [revoked, revoke-failed]}   # allow_private: true for an address inside
`), names)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Sources["servicenow"].Files[1].Path; got != "/etc/certrecall/now-2" {
		t.Errorf("path of a file: %s", got)
	}
	want := []string{
		"source jira: [revoke]; hub_signature jira; 100 requests in 1m0s each",
		"source scripts: [list-duplicates]; basic scripts; any rate",
		"source servicenow: [revoke list-duplicates]; bearer now-1, bearer now-2; any rate",
		"source soar: [revoke-urgent revoke list-duplicates]; webhook soar; any rate",
		"delivery tickets: to tickets.example.com; sources [servicenow], incidents [], events [revoke-failed revoked] (none is all); consumer gateway-tickets",
	}
	if diff := cmp.Diff(want, s.Describe()); diff != "" {
		t.Error(diff)
	}
}
