package worker

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// A command may say what the order is. If it reads otherwise nothing is sent,
// and nothing is told of an order that was not meant.
func TestExpectedCommonName(t *testing.T) {
	for name, c := range map[string]struct {
		expected    string
		certificate int64
		before      func(w *world)
		want        messages.EventName
	}{
		"the order's":                        {expected: "WWW.example.com", want: messages.EventRevoked},
		"another":                            {expected: "www.example.org", want: messages.EventRevokeFailed},
		"the certificate's":                  {expected: "Api.Example.com", certificate: 7, want: messages.EventRevoked},
		"the order's, not the certificate's": {expected: "www.example.com", certificate: 7, want: messages.EventRevokeFailed},
		"another, revoked before": {expected: "www.example.org", want: messages.EventRevokeFailed, before: func(w *world) {
			if err := w.sim.RevokeOutside(4711); err != nil {
				w.t.Fatal(err)
			}
		}},
		"another, known as revoked": {expected: "www.example.org", want: messages.EventRevokeFailed, before: func(w *world) {
			w.publish(messages.LaneRevoke, "soar", revocation("first", 4711, fields{"skip_approval": true}))
			w.waitFor("soar", "first", messages.EventRevoked, time.Minute)
		}},
		"another, a request waits": {expected: "www.example.org", want: messages.EventRevokeFailed, before: func(w *world) {
			w.publish(messages.LaneRevoke, "soar", revocation("first", 4711))
			w.waitFor("soar", "first", messages.EventRevokeRequested, time.Minute)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				err := w.sim.AddOrder(digicertsim.Order{
					ID: 4711, CommonName: "www.example.com", Certificate: digicertsim.Certificate{ID: 6, CommonName: "www.example.com"},
					Duplicates: []digicertsim.Certificate{{ID: 7, CommonName: "api.example.com"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				w.start()
				if c.before != nil {
					c.before(w)
				}
				w.sim.ForgetCalls()
				body := revocation("a", 4711, fields{"skip_approval": true, "expected_common_name": c.expected})
				if c.certificate != 0 {
					body["certificate_id"] = c.certificate
				}
				w.publish(messages.LaneRevoke, "soar", body)
				dry := maps.Clone(body)
				dry["id"], dry["dry_run"] = "dry", true
				w.publish(messages.LaneRevoke, "soar", dry)
				if c.want == messages.EventRevoked {
					w.waitFor("soar", "dry", messages.EventRevokePlanned, time.Minute)
				} else {
					w.wantFailure("soar", "dry", messages.ErrorNotExpected, time.Minute)
				}
				if c.want == messages.EventRevoked {
					w.waitFor("soar", "a", messages.EventRevoked, time.Minute)
					return
				}
				if e := w.wantFailure("soar", "a", messages.ErrorNotExpected, time.Minute); e.Attempts != 0 || e.Error.Retryable {
					t.Errorf("says %v", e.data)
				}
				for _, call := range w.sim.Calls() {
					if call.Method != http.MethodGet {
						t.Errorf("%s %s was sent", call.Method, call.Path)
					}
				}
			})
		})
	}
}
