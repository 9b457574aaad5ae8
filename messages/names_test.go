package messages_test

import (
	"strings"
	"testing"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
)

func TestNames(t *testing.T) {
	t.Parallel()
	n := mustNames(t, "Acme-2_x")
	got := []string{
		n.Prefix(),
		n.CommandSubject(messages.LaneRevokeUrgent, "soar"),
		n.LaneSubject(messages.LaneListDuplicates),
		n.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", Incident: "INC-1", ID: "a"}),
		n.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: "a"}),
		n.EventSubject(messages.EventCommandRejected, messages.CommandName{Source: "bad source", Incident: "bad.incident", ID: "seq-1-2"}),
		n.ChainSubject(messages.CommandName{Source: "soar", Incident: "INC-1", ID: "a"}),
		n.ChainSubject(messages.CommandName{Source: "soar", ID: "a"}),
		n.IncidentSubject("INC-1"),
		n.IncidentSubject(""),
		n.SourceSubject("soar"),
		n.EventNameSubject(messages.EventRevoked),
		n.EventSubjects(),
		n.DeadLetterSubject(messages.LaneRevoke, "soar", "INC-1"),
		n.DeadLetterSubject(messages.LaneRevoke, "bad$", "bad incident"),
		n.DeadLetterIncidentSubject("INC-1"),
		n.DeadLetterSourceSubject("soar"),
		n.DeadLetterSubjects(),
		n.CommandsStream(), n.EventsStream(), n.DeadLettersStream(),
		n.OrdersBucket(), n.BudgetBucket(), n.ControlBucket(), n.AuditStream(), n.ResultsBucket(),
	}
	want := []string{
		"Acme-2_x",
		"Acme-2_x.cmd.v1.revoke-urgent.soar",
		"Acme-2_x.cmd.v1.list-duplicates.*",
		"Acme-2_x.evt.v1.revoked.soar.INC-1.a",
		"Acme-2_x.evt.v1.revoked.soar.-.a",
		"Acme-2_x.evt.v1.command-rejected.invalid.-.seq-1-2",
		"Acme-2_x.evt.v1.*.soar.INC-1.a",
		"Acme-2_x.evt.v1.*.soar.-.a",
		"Acme-2_x.evt.v1.*.*.INC-1.*",
		"Acme-2_x.evt.v1.*.*.-.*",
		"Acme-2_x.evt.v1.*.soar.>",
		"Acme-2_x.evt.v1.revoked.>",
		"Acme-2_x.evt.v1.>",
		"Acme-2_x.dlq.v1.revoke.soar.INC-1",
		"Acme-2_x.dlq.v1.revoke.invalid.-",
		"Acme-2_x.dlq.v1.*.*.INC-1",
		"Acme-2_x.dlq.v1.*.soar.*",
		"Acme-2_x.dlq.v1.>",
		"ACME-2_X_COMMANDS", "ACME-2_X_EVENTS", "ACME-2_X_DLQ",
		"ACME-2_X_ORDERS", "ACME-2_X_BUDGET", "ACME-2_X_CONTROL", "ACME-2_X_AUDIT", "ACME-2_X_RESULTS",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestNewNamesRefuses(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "a.b", "a b", "*", ">", "é", strings.Repeat("a", 33)} {
		if _, err := messages.NewNames(prefix); err == nil {
			t.Errorf("prefix %q was taken", prefix)
		}
	}
	if _, err := messages.NewNames(strings.Repeat("a", 32)); err != nil {
		t.Error(err)
	}
}

func TestParseSubjects(t *testing.T) {
	t.Parallel()
	n := mustNames(t, "certrecall")
	commands := map[string]string{
		"certrecall.cmd.v1.revoke.soar":            "revoke soar",
		"certrecall.cmd.v1.revoke-urgent.a$b":      "revoke-urgent a$b",
		"certrecall.cmd.v1.list-duplicates.été":    "list-duplicates été",
		"certrecall.cmd.v1.revoke.":                "",
		"certrecall.cmd.v1.revoke":                 "",
		"certrecall.cmd.v1.revoke.a.b":             "",
		"certrecall.cmd.v1.Revoke.soar":            "",
		"certrecall.cmd.v2.revoke.soar":            "",
		"other.cmd.v1.revoke.soar":                 "",
		"certrecall.evt.v1.revoke.soar":            "",
		"xcertrecall.cmd.v1.revoke.soar":           "",
		"":                                         "",
		"certrecall.cmd.v1.revoke-accepted.soar":   "",
		"certrecall.cmd.v1..soar":                  "",
		"certrecall.cmd.v1.revoke.soar.dead.extra": "",
	}
	for subject, want := range commands {
		lane, source, err := n.ParseCommandSubject(subject)
		got := ""
		if err == nil {
			got = string(lane) + " " + source
		}
		if got != want {
			t.Errorf("command subject %q: %q (%v), want %q", subject, got, err, want)
		}
	}
	events := map[string]string{
		"certrecall.evt.v1.revoked.soar.INC-1.a":                                "revoked soar/INC-1/a",
		"certrecall.evt.v1.revoked.soar.-.a":                                    "revoked soar/a",
		"certrecall.evt.v1.revoke-held.soar.-.-":                                "revoke-held soar/-",
		"certrecall.evt.v1.command-rejected.invalid.-.seq-1772000000-42":        "command-rejected invalid/seq-1772000000-42",
		"certrecall.evt.v1.revoked.soar.-." + strings.Repeat("a", 128):          "revoked soar/" + strings.Repeat("a", 128),
		"certrecall.evt.v1.revoked.soar.-." + strings.Repeat("a", 129):          "",
		"certrecall.evt.v1.revoked.soar.-." + longReplay:                        "revoked soar/" + longReplay,
		"certrecall.evt.v1.revoked.soar." + strings.Repeat("i", 64) + ".a":      "revoked soar/" + strings.Repeat("i", 64) + "/a",
		"certrecall.evt.v1.revoked.soar." + strings.Repeat("i", 65) + ".a":      "",
		"certrecall.evt.v1.revoked.soar":                                        "",
		"certrecall.evt.v1.revoked.soar.a":                                      "", // of the layout before incidents
		"certrecall.evt.v1.revoked.soar..a":                                     "",
		"certrecall.evt.v1.revoked.soar.*.a":                                    "",
		"certrecall.evt.v1.revoked.soar.-.a.b":                                  "",
		"certrecall.evt.v1.revoked.so$ar.-.a":                                   "",
		"certrecall.evt.v1.revocation.soar.-.a":                                 "",
		"certrecall.cmd.v1.revoked.soar.-.a":                                    "",
		"certrecall.evt.v1.revoked..-.a":                                        "",
		"certrecall.evt.v1.*.soar.-.a":                                          "",
		"certrecall.evt.v1.revoked.soar.-." + strings.Repeat("a", 129) + "-r-1": "",
	}
	for subject, want := range events {
		event, command, err := n.ParseEventSubject(subject)
		got := ""
		if err == nil {
			got = string(event) + " " + command.String()
		}
		if got != want {
			t.Errorf("event subject %q: %q (%v), want %q", subject, got, err, want)
		}
	}
	dead := map[string]string{
		"certrecall.dlq.v1.revoke.soar.INC-1":   "revoke soar INC-1",
		"certrecall.dlq.v1.revoke.soar.-":       "revoke soar ",
		"certrecall.dlq.v1.revoke.soar":         "", // of the layout before incidents
		"certrecall.dlq.v1.revoke.soar.":        "",
		"certrecall.dlq.v1.revoke.soar.in$":     "",
		"certrecall.dlq.v1.revoke.soar.INC-1.a": "",
		"certrecall.dlq.v1.revoke.so$ar.-":      "",
		"certrecall.dlq.v1.revoked.soar.-":      "",
		"certrecall.cmd.v1.revoke.soar.-":       "",
		"certrecall.dlq.v1.":                    "",
		"a":                                     "",
	}
	for subject, want := range dead {
		lane, source, incident, err := n.ParseDeadLetterSubject(subject)
		got := ""
		if err == nil {
			got = string(lane) + " " + source + " " + incident
		}
		if got != want {
			t.Errorf("dead-letter subject %q: %q (%v), want %q", subject, got, err, want)
		}
	}
}

// A name says what it names: no two commands share one, nor a key.
func TestCommandNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]messages.CommandName{
		"soar/INC-1/a": {Source: "soar", Incident: "INC-1", ID: "a"},
		"soar/a":       {Source: "soar", ID: "a"},
		"soar/-":       {Source: "soar", ID: "-"},
		"soar/INC/-":   {Source: "soar", Incident: "INC", ID: "-"},
	} {
		got, err := messages.ParseCommandName(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("name %q: %+v %q (%v)", name, got, got.String(), err)
		}
		key, err := messages.ParseCommandKey(got.Key())
		if err != nil || key != want {
			t.Errorf("key %q of %q: %+v (%v)", got.Key(), name, key, err)
		}
	}
	for _, name := range []string{"", "a", "soar/", "/a", "soar//a", "soar/-/a", "soar/a b/c", "so ar/a", "soar/INC-1/", "soar/INC-1/a/b", "soar/INC-1/a.b"} {
		if got, err := messages.ParseCommandName(name); err == nil || got != (messages.CommandName{}) {
			t.Errorf("name %q was taken: %+v", name, got)
		}
	}
	for _, key := range []string{"", "soar.a", "soar..a", "soar.-.", "soar.-.a.b", "so ar.-.a", "soar.*.a"} {
		if got, err := messages.ParseCommandKey(key); err == nil || got != (messages.CommandName{}) {
			t.Errorf("key %q was taken: %+v", key, got)
		}
	}
	c := messages.Command{Source: "soar", Incident: "INC-1", ID: "a"}
	if got := c.Suffix(); got != " [certrecall soar/INC-1/a]" {
		t.Errorf("suffix %q", got)
	}
	if c.Incident = ""; c.Suffix() != " [certrecall soar/a]" {
		t.Errorf("suffix without an incident %q", c.Suffix())
	}
}

// Nothing belongs to names without a prefix.
func TestZeroNamesMatchNothing(t *testing.T) {
	t.Parallel()
	var n messages.Names
	if _, _, err := n.ParseCommandSubject("revoke.soar"); err == nil {
		t.Error("a command subject was taken")
	}
	if _, _, err := n.ParseEventSubject("revoked.soar.-.a"); err == nil {
		t.Error("an event subject was taken")
	}
}

var longReplay = strings.Repeat("a", 128) + "-replay-18446744073709551615"

func TestIDs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		id              string
		valid, reserved bool
		replay7         string
	}{
		{"INC-1", true, false, "INC-1-replay-7"},
		{"", false, false, "-replay-7"},
		{"a.b", false, false, "a.b-replay-7"},
		{"seq-", true, true, "seq--replay-7"},
		{"seq-1-2", true, true, "seq-1-2-replay-7"},
		{"seq", true, false, "seq-replay-7"},
		{"a-replay-3", true, true, "a-replay-7"},
		{"a-replay-3-replay-4", true, true, "a-replay-3-replay-7"},
		{"a-replay-", true, false, "a-replay--replay-7"},
		{"a-replay-3x", true, false, "a-replay-3x-replay-7"},
		{"-replay-3", true, true, "-replay-7"},
		{"replay-3", true, false, "replay-3-replay-7"},
		{"3", true, false, "3-replay-7"},
		{longReplay, true, true, strings.Repeat("a", 128) + "-replay-7"},
		{"a" + longReplay, false, true, "a" + strings.Repeat("a", 128) + "-replay-7"},
	}
	for _, test := range tests {
		if got := messages.ValidID(test.id); got != test.valid {
			t.Errorf("ValidID(%q) = %v", test.id, got)
		}
		if got := messages.ReservedID(test.id); got != test.reserved {
			t.Errorf("ReservedID(%q) = %v", test.id, got)
		}
		if got := messages.ReplayID(test.id, 7); got != test.replay7 {
			t.Errorf("ReplayID(%q) = %q, want %q", test.id, got, test.replay7)
		}
	}
	if messages.ValidSource(strings.Repeat("a", 65)) || !messages.ValidSource("Az09_-") || messages.ValidSource("") {
		t.Error("ValidSource is wrong")
	}
	if messages.ValidIncident("a/b") || messages.ValidIncident("-") || messages.ValidIncident(strings.Repeat("a", 65)) ||
		!messages.ValidIncident("INC_1") || !messages.ValidIncident("--") || !messages.ValidIncident(strings.Repeat("a", 64)) {
		t.Error("ValidIncident is wrong")
	}
}

func TestClosedSets(t *testing.T) {
	t.Parallel()
	final := 0
	for _, e := range messages.EventNames() {
		if e.Final() {
			final++
		}
	}
	if len(messages.EventNames()) != 13 || final != 9 {
		t.Errorf("%d events, %d of them final; want 13 and 9", len(messages.EventNames()), final)
	}
	if messages.EventName("done").Final() {
		t.Error("an event that does not exist is final")
	}
	titles := make(map[string]bool)
	for _, e := range messages.ErrorTypes() {
		titles[e.Title()] = true
	}
	if len(titles) != 14 || titles[""] || messages.ErrorType("x").Title() != "" {
		t.Errorf("the titles of the error types are %v", titles)
	}
	if messages.Lane("x").Action() != "" {
		t.Error("a lane that does not exist has an action")
	}
}
