package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"certrecall/messages"
)

func TestReplayOfASignedMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	now := time.Now()
	send := func(id string, at time.Time, body string) int {
		return r.do(http.MethodPost, "/v1/commands/revoke", body, signed(t, id, at, body)...).status
	}
	if got := send("msg_1", now, `{"order_id":1}`); got != 400 {
		t.Errorf("not a command: %d", got)
	}
	if got := send("msg_1", now, good); got != 202 {
		t.Errorf("what was not accepted cannot be mended under its id: %d", got)
	}
	if got := send("msg_1", now, good); got != 409 {
		t.Errorf("replayed: %d, want 409", got)
	}
	if got := send("msg_1", now.Add(time.Second), good); got != 202 {
		t.Errorf("another attempt, signed anew: %d, want 202", got)
	}
	if n := r.stored(); n != 2 {
		t.Errorf("%d stored, want 2", n)
	}
}

func TestIDsThatAreBound(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	other := strings.Replace(good, "leaked", "lost", 1)
	if a := r.post("revoke", good); a.status != 202 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := r.post("revoke", other); a.status != 409 {
		t.Errorf("other content under an id that was just accepted: %d", a.status)
	}
	if a := r.post("revoke", " "+good); a.status != 202 {
		t.Errorf("the same command again: %d", a.status)
	}
	bound := messages.Command{ID: "old", Source: "servicenow", Lane: messages.LaneRevoke, OrderID: 1, Comments: "x"}
	r.event(bound, messages.EventRevokeAccepted)
	if a := r.post("revoke", `{"id":"old","order_id":2,"comments":"x"}`); a.status != 409 {
		t.Errorf("other content under the id of a command that a worker has taken: %d", a.status)
	}
	if a := r.post("revoke", `{"id":"old","order_id":1,"comments":"x"}`); a.status != 202 {
		t.Errorf("the command that a worker has taken, again: %d", a.status)
	}
	if a := r.post("revoke", `{"id":"old","order_id":2,"comments":"x","incident":"I"}`); a.status != 202 {
		t.Errorf("the id in another incident: %d", a.status)
	}
	rejected := messages.Command{ID: "bad", Source: "servicenow", Lane: messages.LaneRevoke}
	r.event(rejected, messages.EventCommandRejected)
	if a := r.post("revoke", `{"id":"bad","order_id":2,"comments":"x"}`); a.status != 202 {
		t.Errorf("a corrected command under the id of a rejected message: %d", a.status)
	}
}

func TestRateOfACredential(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	for i := range 5 {
		body := fmt.Sprintf(`{"id":"r-%d","order_id":1,"comments":"x"}`, i)
		a := r.do(http.MethodPost, "/v1/commands/revoke", body, hubSigned(body)...)
		switch wait, _ := strconv.Atoi(a.header.Get("Retry-After")); {
		case i < 3 && a.status != 202:
			t.Errorf("request %d: %d", i, a.status)
		case i >= 3 && (a.status != 429 || wait < 1 || wait > 20):
			t.Errorf("request %d: %d, Retry-After %d", i, a.status, wait)
		}
	}
	if a := r.post("revoke", good); a.status != 202 {
		t.Errorf("another credential: %d", a.status)
	}
}

func TestWithoutNATSNothingIsAccepted(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	r.server.Stop()
	a := r.post("revoke", good)
	if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.text("detail"), "same id") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if a := r.do(http.MethodGet, "/readyz", ""); a.status != 503 || !strings.Contains(string(a.body), `"gate":"nats"`) {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
	r.server.Restart()
	r.until("a command is accepted when NATS is back", func() bool { return r.post("revoke", good).status == 202 })
	r.until("it is ready", func() bool { return r.do(http.MethodGet, "/readyz", "").status == 200 })
}

func TestStatusOfTheOwnCommands(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	get := func(path string, header ...string) (reply, standing) {
		a := r.do(http.MethodGet, "/v1/commands/"+path, "", header...)
		var s standing
		_ = json.Unmarshal(a.body, &s) // of a problem nothing fits
		return a, s
	}
	mine := []string{"Authorization", "Bearer " + nowToken}
	if a, _ := get("-/INC-1", mine...); a.status != 404 {
		t.Errorf("before it was sent: %d", a.status)
	}
	r.post("revoke", good)
	if a, s := get("-/INC-1", mine...); a.status != 200 || s.State != "queued" || s.Final {
		t.Errorf("queued: %d %s", a.status, a.body)
	}
	command, err := messages.DecodeCommand(messages.LaneRevoke, "servicenow", nil, []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	r.event(command, messages.EventRevokeAccepted)
	answered := make(chan reply, 1)
	go func() {
		a, _ := get("-/INC-1?wait=30s", mine...)
		answered <- a
	}()
	r.until("a request waits", func() bool { return len(r.g.waiting) == 1 })
	r.event(command, messages.EventRevoked)
	var s standing
	if a := <-answered; a.status != 200 || json.Unmarshal(a.body, &s) != nil || s.State != "revoked" || !s.Final || len(s.Events) != 2 || s.Events[0].Event != messages.EventRevokeAccepted {
		t.Errorf("waited: %d %s", a.status, a.body)
	}
	if a, _ := get("-/INC-1", "Authorization", "Basic c2NyaXB0czphLXBhc3N3b3JkLW9mLXNvbWUtbGVuZ3Ro"); a.status != 404 {
		t.Errorf("another source: %d", a.status)
	}
	for path, want := range map[string]int{"-/INC-1?wait=2h": 400, "-/INC-1?wait=x": 400, "I/INC-1": 404, "-/a%20b": 404, "-/%2e": 404} {
		if a, _ := get(path, mine...); a.status != want {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
	if a, _ := get("-/INC-1"); a.status != 401 {
		t.Errorf("without a credential: %d", a.status)
	}
	if a, _ := get("-/INC-1", hubSigned("")...); a.status != 401 {
		t.Errorf("a signature over nothing: %d", a.status)
	}
}

// TestSecretsAreReadAgain, and the log holds none of them.
func TestSecretsAreReadAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig)
	const fresh = "a-fresh-token-of-thirty-two-characters"
	r.write("now-1", fresh)
	r.g.secrets.Refresh()
	if a := r.post("revoke", good); a.status != 401 {
		t.Errorf("the token that was replaced: %d", a.status)
	}
	for _, token := range []string{fresh, nowOldToken} {
		if a := r.do(http.MethodPost, "/v1/commands/revoke", good, "Content-Type", "application/json", "Authorization", "Bearer "+token); a.status != 202 {
			t.Errorf("a token that is valid now: %d", a.status)
		}
	}
	r.write("now-1", "")
	r.g.secrets.Refresh()
	if a := r.do(http.MethodPost, "/v1/commands/revoke", good, "Content-Type", "application/json", "Authorization", "Bearer "+fresh); a.status != 202 {
		t.Errorf("with its file broken the last good token is not taken: %d", a.status)
	}
	if a := r.do(http.MethodGet, "/readyz", ""); !strings.Contains(string(a.body), `"gate":"secrets"`) {
		t.Errorf("/readyz says nothing of a broken file: %s", a.body)
	}
	r.write("now-1", nowOldToken[:10])
	log := r.log.String()
	if strings.Count(log, `"msg":"request"`) != 5-1 {
		t.Errorf("the log has not one line for each of 4 requests:\n%s", log)
	}
	for _, secret := range []string{fresh, nowToken, nowOldToken, "leaked"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
	if !strings.Contains(log, `"command":"servicenow/INC-1"`) || !strings.Contains(log, `"credential":"now-2"`) {
		t.Errorf("the log does not say who sent what:\n%s", log)
	}
}
