package worker

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
)

func (r *running) get(path string) (int, string) {
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return rec.Code, rec.Body.String()
}

func TestHealthEndpoints(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		limits, err := budget.ParseLimits("100/1m")
		if err != nil {
			t.Fatal(err)
		}
		worker := w.start(func(c *Config) { c.Limits = limits })
		w.pass(time.Second)
		if code, body := worker.get("/readyz"); code != http.StatusOK || strings.TrimSpace(body) != `{"ready":true,"reasons":[]}` {
			t.Errorf("/readyz: %d %s", code, body)
		}
		for kind, want := range map[gate.Kind]string{gate.Revocations: "paused", gate.Listings: "paused"} {
			if err := gate.Pause(t.Context(), w.control(), kind, gate.Order{By: "operator", Reason: "look first"}); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Second)
			code, body := worker.get("/readyz")
			var r Readiness
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Fatal(err)
			}
			if code != http.StatusOK || !r.Ready || len(r.Reasons) != 1 || r.Reasons[0].Gate != want || !strings.Contains(r.Reasons[0].Detail, "look first") || r.Reasons[0].Since.IsZero() {
				t.Errorf("/readyz: %d %s", code, body)
			}
			if err := gate.Resume(t.Context(), w.control(), kind, gate.Order{By: "operator", Reason: "seen"}); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Second)
		}
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4712, fields{"skip_approval": true}))
		w.waitFor("soar", "b", messages.EventRevoked, time.Minute)
		w.pass(2 * time.Minute)
		if code, _ := worker.get("/livez"); code != http.StatusOK {
			t.Errorf("/livez: %d", code)
		}
		code, body := worker.get("/metrics")
		if code != http.StatusOK {
			t.Fatalf("/metrics: %d", code)
		}
		for _, want := range []string{
			`certrecall_commands_total{lane="revoke",outcome="waiting"} 1`, `certrecall_commands_total{lane="revoke",outcome="revoked"} 1`,
			`certrecall_digicert_calls_total{class="ok",operation="revoke-order"} 2`, `certrecall_approvals_waiting 1`, `certrecall_ready 1`,
			`certrecall_budget_limit{window="1m0s"} 100`, `certrecall_queue_pending{lane="revoke"} 0`, `certrecall_gate_closed{gate="circuit",kind="all"} 0`,
			`certrecall_build_info{`, `certrecall_dead_letters_stored 0`, `certrecall_deadlines_missed_total 0`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("/metrics lacks %s", want)
			}
		}
		if strings.Contains(body, testKey) {
			t.Error("/metrics shows the key")
		}
	})
}

func TestLivezNoticesAStandstill(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.pass(time.Minute)
		worker.stop()
		w.pass(livePatience + time.Second)
		if code, body := worker.get("/livez"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no progress") {
			t.Errorf("/livez: %d %s", code, body)
		}
	})
}

// The fleet keeps to its windows, and revocations go before listings.
func TestBudgetIsKeptByTheFleet(t *testing.T) {
	inWorld(t, digicertsim.Options{Limits: []digicertsim.Window{{Calls: 10, Per: 5 * time.Second}}, Block: time.Minute}, func(t *testing.T, w *world) {
		limits, err := budget.ParseLimits("10/5s")
		if err != nil {
			t.Fatal(err)
		}
		tight := func(c *Config) { c.Limits = limits }
		w.start(tight)
		w.start(tight)
		for i := range 60 {
			w.publish(messages.LaneListDuplicates, "cli", fields{"id": "l" + time.Duration(i).String(), "order_id": 5000 + i})
		}
		w.pass(6 * time.Second)
		began := time.Now()
		for i := range 5 {
			w.publish(messages.LaneRevokeUrgent, "soar", revocation("u"+time.Duration(i).String(), int64(100+i), fields{"skip_approval": true}))
		}
		for i := range 5 {
			w.waitFor("soar", "u"+time.Duration(i).String(), messages.EventRevoked, time.Minute)
		}
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("urgent revocations waited %s behind listings", took)
		}
		w.wait("all listings", 5*time.Minute, func() bool {
			return len(w.read(w.names.EventSubject(messages.EventDuplicatesListed, messages.CommandName{Source: "cli", ID: "*"}))) == 60
		})
		if n := w.sim.OverLimit(); n != 0 {
			t.Errorf("%d calls over the limit", n)
		}
	})
}
