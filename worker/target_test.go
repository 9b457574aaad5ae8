package worker

import (
	"net/http"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

func TestOneCertificate(t *testing.T) {
	const own, duplicate, archived, reissue, foreign = 11, 12, 13, 14, 99
	for name, c := range map[string]struct {
		certificate int64
		ok          bool
	}{
		"own": {own, true}, "duplicate": {duplicate, true}, "archived duplicate": {archived, true}, "reissue": {reissue, true}, "of another order": {foreign, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				err := w.sim.AddOrder(digicertsim.Order{
					ID: 4711, Certificate: digicertsim.Certificate{ID: own},
					Duplicates: []digicertsim.Certificate{{ID: duplicate}, {ID: archived, Archived: true}},
					Reissues:   []digicertsim.Certificate{{ID: reissue}},
				})
				if err != nil {
					t.Fatal(err)
				}
				w.start()
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"certificate_id": c.certificate, "skip_approval": true}))
				if !c.ok {
					if e := w.wantFailure("soar", "a", messages.ErrorCertificateNotInOrder, time.Minute); e.Attempts != 0 || e.CertificateID != c.certificate {
						t.Errorf("says %v", e.data)
					}
					for _, call := range w.sim.Calls() {
						if call.Method != http.MethodGet {
							t.Errorf("%s %s was sent", call.Method, call.Path)
						}
					}
					w.quiet()
					return
				}
				e := w.waitFor("soar", "a", messages.EventRevoked, time.Minute)
				if e.CertificateID != c.certificate || e.Already || e.Status != "revoked" {
					t.Errorf("says %v", e.data)
				}
				if order, _ := w.sim.Order(4711); order.Status == "revoked" || order.EffectiveCertificates[c.certificate] != 1 {
					t.Errorf("the order reads %+v", order)
				}
				w.quiet()
			})
		})
	}
}

func TestDryRun(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		protected := w.protect("4713 # the company's front door\n")
		w.start(protected)
		dry := fields{"dry_run": true}
		w.publish(messages.LaneRevoke, "soar", revocation("plain", 4711, dry))
		e := w.waitFor("soar", "plain", messages.EventRevokePlanned, time.Minute)
		if e.OrderStatus != "issued" || e.ApprovalNeeded == nil || !*e.ApprovalNeeded || e.Count == nil || *e.Count != 3 || e.RequestID != 0 || e.Attempts != 0 {
			t.Errorf("says %v", e.data)
		}
		wantEvents(t, w.events("soar", "plain"), messages.EventRevokePlanned)

		w.publish(messages.LaneRevoke, "soar", revocation("skips", 4711, dry, fields{"skip_approval": true, "certificate_id": aDuplicate}))
		if e := w.waitFor("soar", "skips", messages.EventRevokePlanned, time.Minute); *e.ApprovalNeeded || *e.Count != 1 {
			t.Errorf("says %v", e.data)
		}
		w.publish(messages.LaneRevoke, "soar", revocation("foreign", 4711, dry, fields{"certificate_id": 99}))
		if e := w.wantFailure("soar", "foreign", messages.ErrorCertificateNotInOrder, time.Minute); e.Attempts != 0 {
			t.Errorf("says %v", e.data)
		}
		w.publish(messages.LaneRevoke, "soar", revocation("unknown", digicertsim.UnknownOrders, dry))
		w.wantFailure("soar", "unknown", messages.ErrorOrderNotFound, time.Minute)
		w.publish(messages.LaneRevoke, "soar", revocation("protected", 4713, dry))
		w.wantFailure("soar", "protected", messages.ErrorProtectedOrder, time.Minute)
		for _, c := range w.sim.Calls() {
			if c.Method != http.MethodGet {
				t.Errorf("%s %s was sent", c.Method, c.Path)
			}
		}

		w.publish(messages.LaneRevoke, "soar", revocation("real", 4711))
		requested := w.waitFor("soar", "real", messages.EventRevokeRequested, time.Minute)
		w.publish(messages.LaneRevoke, "soar", revocation("waits", 4711, dry))
		if e := w.waitFor("soar", "waits", messages.EventRevokePlanned, time.Minute); e.RequestID != requested.RequestID || e.Status != "pending" {
			t.Errorf("says %v", e.data)
		}
	})
}
