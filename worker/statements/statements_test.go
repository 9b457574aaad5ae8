package statements

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// Everything an operator said is in the audit, in the order in which it was
// said, also what was said differently later, taken back, or removed by hand.
func TestAudit(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), js, names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), names.ControlBucket())
	if err != nil {
		t.Fatal(err)
	}
	say := func(operator string, verb Verb, what string, w Words) Statement {
		t.Helper()
		s, err := Say(t.Context(), kv, Statement{Operator: operator, Verb: verb, What: what, Words: w})
		if err != nil {
			t.Fatal(err)
		}
		if s.Stamp.IsZero() || s.Revision == 0 || s.At.IsZero() {
			t.Errorf("stored without a stamp: %+v", s)
		}
		return s
	}
	want := []Statement{
		say("mira", Pause, "revocations", Words{Reason: "wrong file"}),
		say("mira", Allow, "incident.INC-42", Words{Reason: "drill", Orders: 12000, Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}),
		say("omar", Pause, "revocations", Words{Reason: "mended", Open: true}),
		say("mira", Allow, "incident.INC-42", Words{Reason: "over", Ended: true}),
		say("omar", Cancel, "command.soar.INC-42.c-1", Words{Reason: "still in use"}),
		say("omar", Replay, "17", Words{Incident: "INC-42", Command: "soar/INC-42/c-1-replay-5"}),
		say("omar", Drop, "18", Words{Incident: "INC-7", Command: "soar/INC-7/c-2"}),
	}
	if err := kv.Delete(t.Context(), "op.mira.pause.revocations"); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "sweep", "{}"); err != nil { // no statement
		t.Fatal(err)
	}
	want = append(want, Statement{Operator: "mira", Verb: Pause, What: "revocations", Gone: true})

	var got []Statement
	for begun := time.Now(); len(got) < len(want) && time.Since(begun) < 10*time.Second; {
		if got, err = Read(t.Context(), js, names.AuditStream(), names.ControlBucket(), Filter{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range got {
		got[i].Stamp = time.Time{} // of the audit stream
		if i < len(want) {
			want[i].Stamp = time.Time{}
			if want[i].Gone {
				want[i].Revision = got[i].Revision
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
	of42, err := Read(t.Context(), js, names.AuditStream(), names.ControlBucket(), Filter{Incident: "INC-42"})
	if err != nil || len(of42) != 4 {
		t.Errorf("of INC-42: %+v, %v; want four", of42, err)
	}
	none, err := Read(t.Context(), js, names.AuditStream(), names.ControlBucket(), Filter{Since: time.Now().Add(time.Hour)})
	if err != nil || len(none) != 0 {
		t.Errorf("of the future: %+v, %v; want nothing", none, err)
	}

	// What the bucket tells: the latest of each, and with history the earlier too.
	latest, err := List(t.Context(), kv, "op.*.allow.>", false)
	if err != nil || len(latest) != 1 || !latest[0].Ended {
		t.Errorf("List = %+v, %v; want the end alone", latest, err)
	}
	all, err := List(t.Context(), kv, "op.*.allow.>", true)
	if err != nil || len(all) != 2 || all[0].Orders != 12000 {
		t.Errorf("List with history = %+v, %v; want both", all, err)
	}

	stream, err := js.Stream(t.Context(), names.AuditStream())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("a word of the audit was deleted")
	}
	if err := stream.Purge(t.Context()); err == nil {
		t.Error("the audit was purged")
	}
}

func TestOperatorsNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"mira": "", "Mira_2-x": "", strings.Repeat("x", 64): "",
		"": "missing", "a.b": "cannot be", "*": "cannot be", ">": "cannot be", "mira@example.com": "cannot be", strings.Repeat("x", 65): "1 to 64", "ö": "cannot be",
	} {
		if err := ValidOperator(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("ValidOperator(%q) = %v, want %q", name, err, want)
		}
	}
	for key, ok := range map[string]bool{
		"op.mira.pause.revocations": true, "op.mira.allow.incident.INC-1": true, "op.mira.pause": false, "op.mira.pause.": false,
		"op.mira.revoke.1": false, "op..pause.x": false, "mira.pause.x": false, "op.mi ra.pause.x": false, "": false,
	} {
		s, got := parse(key, []byte(`{"reason":"x"}`), false)
		if got != ok || ok && s.Key() != key {
			t.Errorf("parse(%q) = %+v, %v; want %v", key, s, got, ok)
		}
	}
	if s, ok := parse("op.mira.pause.all", []byte("stop!"), false); !ok || !s.Unreadable || s.Open {
		t.Errorf("a word by hand was read as %+v, %v", s, ok)
	}
}
