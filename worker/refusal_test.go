package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

// wantFailure waits for a revoke-failed of that type, and for its dead letter.
func (w *world) wantFailure(source, id string, want messages.ErrorType, patience time.Duration) said {
	w.t.Helper()
	e := w.waitFor(source, id, messages.EventRevokeFailed, patience)
	if e.Error == nil || e.Error.Type != want {
		w.t.Errorf("%s/%s fails with %v, want %s", source, id, e.data["error"], want)
	}
	for _, m := range w.deadLetters() {
		if strings.HasSuffix(m.Header.Get("certrecall-event-subject"), "."+w.named(source, id).Key()) {
			if got := m.Header.Get("certrecall-error-type"); got != string(want) {
				w.t.Errorf("the dead letter of %s/%s says %s", source, id, got)
			}
			return e
		}
	}
	w.t.Errorf("%s/%s has no dead letter", source, id)
	return e
}

func TestRefusals(t *testing.T) {
	status := func(status int, code string) digicertsim.Fault {
		return digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: status, Code: code, Times: -1}
	}
	for name, c := range map[string]struct {
		fault digicertsim.Fault
		order digicertsim.Order
		id    int64
		want  messages.ErrorType
		code  int
		puts  int
	}{
		"400":                    {fault: status(400, "bad_request_format"), want: messages.ErrorRefused, code: 400, puts: 1},
		"403 of its own":         {fault: status(403, "access_denied|missing_permission"), want: messages.ErrorRefused, code: 403, puts: 3},
		"unknown order":          {id: digicertsim.UnknownOrders, want: messages.ErrorOrderNotFound, code: 404, puts: 1},
		"order in another state": {order: digicertsim.Order{ID: 4711, Status: "expired"}, want: messages.ErrorOrderNotRevocable, code: 400, puts: 1},
		"pending reissue":        {order: digicertsim.Order{ID: 4711, PendingReissue: true}, want: messages.ErrorRefused, code: 400, puts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				if c.fault.Kind != "" {
					w.sim.Script(c.fault)
				}
				if c.order.ID != 0 {
					if err := w.sim.AddOrder(c.order); err != nil {
						t.Fatal(err)
					}
				}
				if c.id == 0 {
					c.id = 4711
				}
				w.start()
				w.publish(messages.LaneRevoke, "soar", revocation("a", c.id))
				e := w.wantFailure("soar", "a", c.want, 5*time.Minute)
				if e.Error.Status != c.code || e.Error.Retryable || e.Attempts != c.puts {
					t.Errorf("says %v", e.data)
				}
				if n := len(w.puts(c.id)); n != c.puts {
					t.Errorf("%d PUTs", n)
				}
				w.pass(time.Second)
				w.quiet()
			})
		})
	}
}

// A 404 that is a page did not come from DigiCert's idea of the order: what was
// in front may have passed the PUT on, so it is read back before the next.
func TestMisroutedPutIsReadBack(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultHTML, Status: 404, Commit: true})
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		e := w.waitFor("soar", "a", messages.EventRevokeRequested, 2*time.Minute)
		if n := len(w.puts(4711)); n != 1 || e.Already {
			t.Errorf("%d PUTs, %v", n, e.data)
		}
	})
}

// A key that may revoke but not look answers the read-back of a certificate with 403.
func TestDeniedReadIsFinal(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpOrder, Kind: digicertsim.FaultStatus, Status: 403, Code: "access_denied|missing_permission", Times: -1})
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"certificate_id": aDuplicate}))
		if e := w.wantFailure("soar", "a", messages.ErrorRefused, 5*time.Minute); e.Attempts != 0 || e.Error.Status != 403 {
			t.Errorf("says %v", e.data)
		}
	})
}

func TestRefusedKeyCostsNoCommand(t *testing.T) {
	inWorld(t, digicertsim.Options{Keys: []string{"another-made-up-key"}}, func(t *testing.T, w *world) {
		worker := w.start()
		for i := range 20 {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("c", i), int64(100+i)))
		}
		w.pass(time.Hour)
		if n := w.sim.CallCount(); n > 20 {
			t.Errorf("%d calls with a refused key", n)
		}
		if said := w.read(w.names.EventSubjects()); len(said) > 0 {
			t.Errorf("said %v", namesOf(said))
		}
		ready := worker.Ready()
		if ready.Ready || len(ready.Reasons) != 1 || ready.Reasons[0].Gate != string(gate.KeyRefused) || strings.Contains(ready.Reasons[0].Detail, testKey) {
			t.Errorf("readiness %+v", ready)
		}
		w.sim.SetKeys([]string{testKey}, nil, nil)
		for i := range 20 {
			if e := w.waitFor("soar", fmt.Sprint("c", i), messages.EventRevokeRequested, 6*time.Minute); e.Attempts != 1 {
				t.Errorf("%v", e.data)
			}
		}
	})
}

// A key that is refused later costs the calls in flight, and nothing is held against them.
func TestKeyRefusedMeanwhile(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.pass(10 * time.Second)
		w.sim.SetKeys([]string{"another-made-up-key"}, nil, nil)
		for i := range 40 {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("c", i), int64(100+i)))
		}
		w.pass(30 * time.Minute)
		if n := w.sim.CallCount(); n > 40 {
			t.Errorf("%d calls", n)
		}
		w.sim.SetKeys([]string{testKey}, nil, nil)
		for i := range 40 {
			w.waitFor("soar", fmt.Sprint("c", i), messages.EventRevokeRequested, 6*time.Minute)
		}
		if dead := w.deadLetters(); len(dead) > 0 {
			t.Errorf("%d dead letters", len(dead))
		}
	})
}

// One order that always fails, and one comment that the CDN never lets pass,
// keep nothing else back.
func TestBadOnesKeepNothingBack(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{OrderID: 13, Kind: digicertsim.FaultStatus, Status: 500, Times: -1})
		worker := w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("bad", 13))
		w.publish(messages.LaneRevoke, "soar", revocation("html", 14, fields{"comments": "<script>"}))
		for i := range 30 {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("c", i), int64(100+i)))
			w.pass(time.Second)
		}
		for i := range 30 {
			w.waitFor("soar", fmt.Sprint("c", i), messages.EventRevokeRequested, 10*time.Second)
		}
		if n := w.effective(14); n != 0 || len(w.events("soar", "html")) != 1 {
			t.Errorf("%d PUTs took effect, said %v: a page of a firewall is nobody's final word", n, namesOf(w.events("soar", "html")))
		}
		if r := worker.Ready(); !r.Ready || len(r.Reasons) > 0 {
			t.Errorf("readiness %+v", r)
		}
		w.sim.ClearFaults()
		w.waitFor("soar", "bad", messages.EventRevokeRequested, 10*time.Minute)
	})
}
