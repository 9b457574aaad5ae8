package worker

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// askOutside makes a revocation request as somebody else with the account does,
// and returns its id; certificate 0 is the whole order.
func (w *world) askOutside(order, certificate int64) int64 {
	w.t.Helper()
	path := digicertsim.BasePath + "/order/certificate/" + itoa(order) + "/revoke"
	if certificate != 0 {
		path = digicertsim.BasePath + "/certificate/" + itoa(certificate) + "/revoke"
	}
	r := httptest.NewRequest(http.MethodPut, path, strings.NewReader(`{"comments":"by hand"}`))
	r.Header.Set("X-DC-DEVKEY", testKey)
	answer := httptest.NewRecorder()
	w.sim.ServeHTTP(answer, r)
	if answer.Code != http.StatusCreated {
		w.t.Fatalf("asking outside: %d %s", answer.Code, answer.Body)
	}
	all := w.sim.Requests()
	w.sim.ForgetCalls()
	return all[len(all)-1].ID
}

// twoCertificates: order 4711 with certificates 6 (its own), 7 and 8.
func (w *world) twoCertificates() {
	w.t.Helper()
	err := w.sim.AddOrder(digicertsim.Order{ID: 4711, Certificate: digicertsim.Certificate{ID: 6}, Duplicates: []digicertsim.Certificate{{ID: 7}, {ID: 8}}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// A certificate must belong to its order also where nothing is left to send.
func TestCertificateOfARevokedOrderMustBelongToIt(t *testing.T) {
	for name, revoke := range map[string]func(w *world){
		"revoked outside": func(w *world) {
			if err := w.sim.RevokeOutside(4711); err != nil {
				w.t.Fatal(err)
			}
		},
		"known as revoked": func(w *world) {
			w.publish(messages.LaneRevoke, "soar", revocation("first", 4711, fields{"skip_approval": true}))
			w.waitFor("soar", "first", messages.EventRevoked, time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.twoCertificates()
				w.start()
				revoke(w)
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"certificate_id": 99}))
				w.wantFailure("soar", "a", messages.ErrorCertificateNotInOrder, time.Minute)
				w.publish(messages.LaneRevoke, "soar", revocation("b", 4711, fields{"certificate_id": 7}))
				if e := w.waitFor("soar", "b", messages.EventRevoked, time.Minute); !e.Already || e.Attempts != 0 {
					t.Errorf("says %v", e.data)
				}
				w.quiet()
			})
		})
	}
}

// A request belongs to the target that DigiCert names: nobody else's command
// waits on it, or is told what became of it.
func TestRequestForAnotherCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		asked, wants int64
		adopted      bool
	}{
		"another certificate":                  {8, 7, false},
		"the whole order, one asked":           {8, 0, false},
		"a certificate, the whole order asked": {0, 7, false},
		"the same certificate":                 {8, 8, true},
		"the same order":                       {0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.twoCertificates()
				outside := w.askOutside(4711, c.asked)
				w.start()
				body := revocation("a", 4711)
				if c.wants != 0 {
					body["certificate_id"] = c.wants
				}
				// The second finds the first one's reading in the record.
				w.sim.Script(digicertsim.Fault{OrderID: 4711, Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultResetBefore})
				w.sim.Script(digicertsim.Fault{CertificateID: c.wants, Op: digicertsim.OpRevokeCertificate, Kind: digicertsim.FaultResetBefore})
				w.publish(messages.LaneRevoke, "soar", body)
				e := w.waitFor("soar", "a", messages.EventRevokeRequested, 5*time.Minute)
				if (e.RequestID == outside) != c.adopted || e.Already != c.adopted {
					t.Errorf("says %v; the request made outside is %d", e.data, outside)
				}
				if err := w.sim.Reject(outside); err != nil {
					t.Fatal(err)
				}
				w.pass(5 * time.Minute)
				if got := count(w.events("soar", "a"), messages.EventRevokeRejected) == 1; got != c.adopted {
					t.Errorf("told as rejected: %t, says %v", got, namesOf(w.events("soar", "a")))
				}
			})
		})
	}
}

// A request in a status that nobody documents may still take effect.
func TestForeignRequestInAnUnknownStatusIsFollowed(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		err := w.sim.AddOrder(digicertsim.Order{ID: 4711, Requests: []digicertsim.Request{
			{ID: 50, Type: "revoke", Status: "escalated", OrderID: 4711, Comments: "by hand", Date: time.Now()},
		}})
		if err != nil {
			t.Fatal(err)
		}
		w.start()
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultResetBefore})
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		e := w.waitFor("soar", "a", messages.EventRevokeRequested, 5*time.Minute)
		if !e.Already || e.RequestID != 50 || e.Status != "escalated" || w.effective(4711) != 0 {
			t.Errorf("says %v", e.data)
		}
		w.pass(10 * time.Minute)
		if err := w.sim.RevokeOutside(4711); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "a", messages.EventRevoked, 5*time.Minute)
		wantEvents(t, w.events("soar", "a"), messages.EventRevokeAccepted, messages.EventRevokeRequested, messages.EventRevoked)
	})
}
