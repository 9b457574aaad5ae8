package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/statements"
	"certrecall/worker/status"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.init.0.func1"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*stream).trySetupSourceConsumer.func3"))
}

func TestEveryPageIsEscapedAndHardened(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.night()
	for _, path := range []string{
		"/", "/?since=7d", "/incidents/INC-1", "/incidents/INC-1?state=failed&q=evil&sort=changed&page=1", "/incidents/INC-1/report",
		"/commands/cli/INC-1/evil", "/orders/7", "/approvals", "/held", "/dead-letters", "/dead-letters?error-type=refused", "/audit",
	} {
		a := r.get(path)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<img") || strings.Contains(a.body, "<b>mallory") || strings.Contains(a.body, " style=") {
			t.Errorf("%s: somebody else's text is part of the page", path)
		}
		if len(a.body) > 100<<10 {
			t.Errorf("%s weighs %d bytes", path, len(a.body))
		}
		if p := a.header.Get("Content-Security-Policy"); p == "" || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy of content %q", path, p)
		}
	}
	for path, want := range map[string]int{"/incidents/INC-9": 404, "/orders/9": 404, "/orders/x": 404, "/nothing": 404, "/?since=x": 400, "/incidents/INC-1?state=x": 400, "/commands/a/b/c": 404} {
		if a := r.get(path); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
}

func TestIncidentAnswersItsData(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.night()
	var got struct {
		Incident string
		Total    int
		States   map[status.State]int
		Commands []struct {
			Source, ID string
			OrderID    int64 `json:"order_id"`
			State      status.State
		}
		Page, Pages int
	}
	r.until("the queue is in the view", func() bool { r.json("/incidents/INC-1", &got); return got.Total == 7 })
	if got.Incident != "INC-1" || got.States[status.Revoked] != 5 || got.States[status.Failed] != 1 || got.States[status.Queued] != 1 || got.Page != 1 || got.Pages != 1 || len(got.Commands) != 7 {
		t.Errorf("%+v", got)
	}
	got.Commands = nil
	if r.json("/incidents/INC-1?state=failed", &got); len(got.Commands) != 1 || got.Commands[0].ID != "evil" || got.Commands[0].OrderID != 666 {
		t.Errorf("failed ones: %+v", got.Commands)
	}
	r.say(revocation("queued", 7), messages.EventRevokeAccepted)
	r.until("the event is in the view", func() bool { r.json("/incidents/INC-1", &got); return got.States[status.Accepted] == 1 })
	if csv := r.get("/incidents/INC-1.csv"); strings.Count(csv.body, "\n") < 9 || !strings.Contains(csv.body, "checksum,sha-256,") {
		t.Errorf("the evidence file is %q", csv.body)
	}
	if r.json("/incidents/INC-1.json", &got); len(got.Commands) != 7 {
		t.Errorf("%d commands in the file, want 7", len(got.Commands))
	}
}

func TestActionsShowFirstAndThenDo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.night()
	kv := r.c.hub.reader.Stores().Control
	pauses := func() []gate.PauseInfo {
		all, err := gate.Pauses(t.Context(), kv)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if a := r.act("pause", url.Values{"kind": {"revocations"}, "reason": {"wrong list"}}); a.status != 200 || !strings.Contains(a.body, `"confirmed":false`) || len(pauses()) != 0 {
		t.Errorf("without confirm: %d %s, pauses %v", a.status, a.body, pauses())
	}
	if a := r.act("pause", url.Values{"kind": {"revocations"}, "confirm": {"yes"}}); a.status != http.StatusUnprocessableEntity || len(pauses()) != 0 {
		t.Errorf("without a reason: %d, pauses %v", a.status, pauses())
	}
	if a := r.act("pause", url.Values{"kind": {"revocations"}, "reason": {"wrong list"}, "confirm": {"yes"}}); a.status != 200 || len(pauses()) != 1 || pauses()[0].By != "ada" {
		t.Errorf("paused: %d %s %v", a.status, a.body, pauses())
	}
	if a := r.act("resume", url.Values{"kind": {"revocations"}, "confirm": {"yes"}}); a.status != 200 || len(pauses()) != 0 {
		t.Errorf("resumed: %d %s %v", a.status, a.body, pauses())
	}
	if a := r.act("cancel", url.Values{"incident": {"INC-1"}, "reason": {"no"}}); !strings.Contains(a.body, "1 command not sent yet") {
		t.Errorf("cancel would: %s", a.body)
	}
	r.act("cancel", url.Values{"incident": {"INC-1"}, "reason": {"no"}, "confirm": {"yes"}})
	if all, err := gate.Cancellations(t.Context(), kv); err != nil || len(all) != 1 || all[0].Incident != "INC-1" {
		t.Errorf("cancellations %v %v", all, err)
	}
	r.act("allow", url.Values{"incident": {"INC-1"}, "orders": {"12"}, "until": {"8h"}, "reason": {"plan"}, "confirm": {"yes"}})
	said, err := statements.List(t.Context(), kv, "op.ada.allow.>", false)
	if err != nil || len(said) != 1 || said[0].Orders != 12 || said[0].Until.IsZero() || said[0].What != "incident.INC-1" {
		t.Errorf("allowed: %+v %v", said, err)
	}
	for _, wrong := range []url.Values{{}, {"incident": {"INC-1"}, "source": {"cli"}}, {"incident": {"a b"}}, {"order": {"x"}}, {"command": {"x"}}} {
		if a := r.act("cancel", wrong); a.status != http.StatusBadRequest {
			t.Errorf("cancel %v: %d", wrong, a.status)
		}
	}
}

func TestDeadLettersAreReplayedAndDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fail(revocation("a", 1), messages.ErrorGaveUp, "no answer")
	r.fail(revocation("b", 2), messages.ErrorGaveUp, "no answer")
	r.fail(revocation("c", 3), messages.ErrorRefused, "no")
	var got lettersPage
	if r.json("/dead-letters", &got); got.Total != 3 || len(got.Groups) != 2 || got.Groups[0].Count != 2 {
		t.Fatalf("%+v", got)
	}
	if a := r.act("replay", url.Values{"error-type": {"gave-up"}}); !strings.Contains(a.body, "2 of them revoke at DigiCert") {
		t.Errorf("replay would: %s", a.body)
	}
	// One that came after what was shown is not meant.
	r.fail(revocation("d", 4), messages.ErrorGaveUp, "no answer")
	if a := r.act("replay", url.Values{"error-type": {"gave-up"}, "through": {"2"}, "reason": {"it answers"}, "confirm": {"yes"}}); a.status != 200 || !strings.Contains(a.body, "2 commands sent, 2 dead letters removed") {
		t.Errorf("replayed: %d %s", a.status, a.body)
	}
	if a := r.act("drop", url.Values{"number": {"3"}, "reason": {"done by hand"}, "confirm": {"yes"}}); a.status != 200 {
		t.Errorf("dropped: %d %s", a.status, a.body)
	}
	if r.json("/dead-letters", &got); got.Total != 1 || got.Letters[0].ID != "d" {
		t.Errorf("left: %+v", got)
	}
}

func TestForeignFormsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.do(http.MethodPost, "/actions/pause", "kind=all&reason=x&confirm=yes", "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site")
	if a.status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", a.status)
	}
}
