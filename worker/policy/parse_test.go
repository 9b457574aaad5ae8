package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"certrecall/messages"
)

const example = `
sources:
  servicenow: {revocations: 50/10m}
  soar:       {revocations: "200/1h,1000/7d", skip_approval: true, urgent: true}
  "*":        {revocations: 10/1h, skip_approval: false, urgent: false}
second_operator_above: 500
`

func TestParse(t *testing.T) {
	t.Parallel()
	p, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	want := Policy{
		Sources: map[string]Rule{
			"servicenow": {Limits: Limits{{50, 10 * time.Minute}}},
			"soar":       {Limits: Limits{{200, time.Hour}, {1000, 7 * day}}},
			"*":          {Limits: Limits{{10, time.Hour}}, NoSkipApproval: true, NoUrgent: true},
		},
		SecondOperatorAbove: 500,
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	for source, limit := range map[string]string{"servicenow": "50/10m", "soar": "200/1h,1000/7d", "jira": "10/1h"} {
		if got := p.Of(source).Limits.String(); got != limit {
			t.Errorf("limit of %s: %s, want %s", source, got, limit)
		}
	}
	wantLines := []string{
		"servicenow: 50/10m", "soar: 200/1h,1000/7d", "*: 10/1h, no skip_approval, no revoke-urgent",
		"an allowance of more than 500 orders needs two operators",
	}
	if diff := cmp.Diff(wantLines, p.Lines()); diff != "" {
		t.Errorf("Lines (-want +got):\n%s", diff)
	}
}

func TestParseNamesEveryProblem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"all at once": {`sources:
  servicenow: {revocation: 50/10m}
  servicenow: {revocations: 0/1h}
  soar: {revocations: 5/365d, urgent: maybe}
  "a.b": {revocations: 5}
  jira: {revocations: "5/1h,6/1h"}
second_operators_above: 5
`, []string{
			`line 2: sources: servicenow: there is no key "revocation": want one of`,
			`line 3: sources: "servicenow" is there twice, first in line 2`,
			`line 4: sources: soar: revocations: "5/365d": the window must be from 1s to 31d`,
			`line 4: sources: soar: urgent: "maybe": want true or false`,
			`line 5: sources: "a.b" cannot be a source`,
			`line 5: sources: a.b: revocations: "5": want orders/duration`,
			`line 6: sources: jira: revocations: "5/1h,6/1h": the window 1h is there twice`,
			`line 7: the policy: there is no key "second_operators_above"`,
		}},
		"nothing an hour":    {"sources: {a: {revocations: 0/1h}}", []string{`"0/1h": the orders must be a whole number from 1`}},
		"less than nothing":  {"sources: {a: {revocations: -1/1h}}", []string{"the orders must be"}},
		"32 days":            {"sources: {a: {revocations: 1/32d}}", []string{"from 1s to 31d"}},
		"a list of windows":  {"sources: {a: {revocations: [1/1h]}}", []string{"want orders/duration"}},
		"no window":          {"sources: {a: {revocations: }}", []string{"want orders/duration"}},
		"empty":              {"# nothing\n", []string{"the file is empty"}},
		"not YAML":           {"sources: {", []string{"it is not YAML"}},
		"a list":             {"- sources", []string{"the policy: want keys with values"}},
		"no sources":         {"sources:\n", []string{"line 1: sources: want keys with values"}},
		"two documents":      {"sources: {}\n---\nsources: {}\n", []string{"more than one document"}},
		"nobody":             {"second_operator_above: 0\n", []string{"second_operator_above", "whole number from 1"}},
		"text for a number":  {"second_operator_above: \"5\"\n", []string{"whole number from 1"}},
		"an alias":           {"sources: {a: &x {revocations: 1/1h}, b: *x}", []string{"not an alias"}},
		"merged from others": {"sources: {a: &x {revocations: 1/1h}, b: {<<: *x}}", []string{`there is no key "<<"`}},
	} {
		_, err := Parse([]byte(c.file))
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant it to say %q", name, err, want)
			}
		}
		if got := strings.Count(err.Error(), "\n") + 1; name == "all at once" && got != len(c.want) {
			t.Errorf("%d problems, want %d:\n%v", got, len(c.want), err)
		}
	}
}

func TestForbids(t *testing.T) {
	t.Parallel()
	p, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cmd  messages.Command
		want string
	}{
		{messages.Command{Source: "jira", Lane: messages.LaneRevoke}, ""},
		{messages.Command{Source: "jira", Lane: messages.LaneRevoke, SkipApproval: true}, "skip_approval: "},
		{messages.Command{Source: "jira", Lane: messages.LaneRevokeUrgent}, "lane: "},
		{messages.Command{Source: "jira", Lane: messages.LaneListDuplicates}, ""},
		{messages.Command{Source: "soar", Lane: messages.LaneRevokeUrgent, SkipApproval: true}, ""},
		{messages.Command{Source: "servicenow", Lane: messages.LaneRevokeUrgent, SkipApproval: true}, ""},
	} {
		if got := p.Forbids(c.cmd); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("Forbids(%+v) = %q, want %q", c.cmd, got, c.want)
		}
	}
	if got := (Policy{}).Forbids(messages.Command{Source: "x", SkipApproval: true, Lane: messages.LaneRevokeUrgent}); got != "" {
		t.Errorf("no policy forbids %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte("sources: {a: {revocations: 1/1h}}"))
	f.Add([]byte("? [a]\n: b"))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := Parse(content)
		if err != nil {
			return
		}
		for source, r := range p.Sources {
			for _, l := range r.Limits {
				if l.Orders < 1 || l.Per < minWindow || l.Per > maxWindow {
					t.Errorf("%s: limit %v was taken", source, l)
				}
			}
		}
	})
}
