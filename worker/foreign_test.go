package worker

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

// foreign are answers that something in front of DigiCert gives.
func foreign() map[string]digicertsim.Fault {
	f := func(status int, body, location string) digicertsim.Fault {
		fault := digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: status, Body: body, ContentType: "text/html", Times: -1}
		if location != "" {
			fault.Header = map[string]string{"Location": location}
		}
		return fault
	}
	return map[string]digicertsim.Fault{
		"a redirect":                    f(http.StatusFound, "moved", "https://login.example.com/"),
		"a redirect with JSON":          f(http.StatusPermanentRedirect, "{}", "/elsewhere"),
		"a page with 400":               f(http.StatusBadRequest, "<html>The plain HTTP request was sent to HTTPS port</html>", ""),
		"a page with 401":               f(http.StatusUnauthorized, "<html>who are you?</html>", ""),
		"a page with 403":               f(http.StatusForbidden, "<html>no</html>", ""),
		"a page with 404":               f(http.StatusNotFound, "<html>nothing here</html>", ""),
		"a proxy that wants a password": f(http.StatusProxyAuthRequired, "<html>password?</html>", ""),
		"JSON of a gateway":             f(http.StatusNotFound, `{"message":"no Route matched with those values"}`, ""),
	}
}

// What something in front of DigiCert says ends no command, whatever it is: it
// weighs as an outage, and when it is over everything goes on.
func TestWhatIsInFrontHasNoFinalWord(t *testing.T) {
	for name, fault := range foreign() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				worker := w.start()
				w.pass(time.Second)
				w.sim.Script(fault)
				for i := range int64(5) {
					w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("r", i), 100+i))
					w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("d", i), 200+i, fields{"dry_run": true}))
					w.publish(messages.LaneListDuplicates, "soar", fields{"id": fmt.Sprint("l", i), "order_id": 300 + i})
				}
				w.pass(20 * time.Minute)
				for _, e := range w.read(w.names.EventSubjects()) {
					if e.Name.Final() {
						t.Errorf("%s of %s is final: %v", e.Name, e.ID, e.data["error"])
					}
				}
				if ready := worker.Ready(); len(ready.Reasons) != 1 || ready.Reasons[0].Gate != string(gate.Circuit) {
					t.Errorf("readiness %+v", ready)
				}
				if n := w.sim.CallCount(); n > 300 {
					t.Errorf("%d calls into what is in front", n)
				}
				w.sim.ClearFaults()
				for i := range int64(5) {
					w.waitFor("soar", fmt.Sprint("r", i), messages.EventRevokeRequested, 10*time.Minute)
					w.waitFor("soar", fmt.Sprint("d", i), messages.EventRevokePlanned, 10*time.Minute)
					w.waitFor("soar", fmt.Sprint("l", i), messages.EventDuplicatesListed, 10*time.Minute)
					if n := w.effective(100 + i); n != 1 {
						t.Errorf("order %d: %d PUTs took effect", 100+i, n)
					}
				}
			})
		})
	}
}

// A PUT that was passed on before something in front answered is read back.
func TestForeignAnswerAfterTheEffectIsReadBack(t *testing.T) {
	for name, fault := range foreign() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				fault.Op, fault.Times, fault.Commit = digicertsim.OpRevokeOrder, 1, true
				w.sim.Script(fault)
				w.start()
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
				e := w.waitFor("soar", "a", messages.EventRevokeRequested, 2*time.Minute)
				if n := len(w.puts(4711)); n != 1 || e.Already {
					t.Errorf("%d PUTs, %v", n, e.data)
				}
			})
		})
	}
}
