package worker

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

// A command that is sent twice, in both lanes, has two messages in two
// processes: what the one has answered for good the other does not send again,
// although the record has forgotten the command by then.
func TestNoPutAfterTheFinalEvent(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"refused": func(w *world) {
			w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 400, Code: "bad_request_format"})
		},
		"refused, and read by another since": func(w *world) {
			w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 400, Code: "bad_request_format", Times: 2})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				end(w)
				held, goOn := make(chan struct{}), make(chan struct{})
				var first atomic.Bool
				w.startHooked(func(at step) {
					if at == stepPermitted && first.CompareAndSwap(false, true) {
						close(held)
						<-goOn
					}
				})
				body := revocation("a", 4711)
				w.publish(messages.LaneRevoke, "soar", body)
				<-held
				w.start()
				w.publish(messages.LaneRevokeUrgent, "soar", body)
				w.waitFor("soar", "a", messages.EventRevokeFailed, 10*time.Minute)
				puts := 1
				if name != "refused" {
					w.publish(messages.LaneRevokeUrgent, "servicenow", revocation("b", 4711))
					w.waitFor("servicenow", "b", messages.EventRevokeFailed, 10*time.Minute)
					puts++
				}
				w.pass(time.Minute)
				close(goOn)
				w.pass(10 * time.Minute)
				if n := len(w.puts(4711)); n != puts {
					t.Errorf("%d PUTs, want %d: one was sent after the final event", n, puts)
				}
				wantEvents(t, w.events("soar", "a"), messages.EventRevokeAccepted, messages.EventRevokeFailed)
				w.quiet()
			})
		})
	}
}

// A command that was cancelled while another of its messages waited for its
// permit is not sent, though nobody remembers the operator's word since.
func TestNoPutAfterCancellation(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		held, goOn := make(chan struct{}), make(chan struct{})
		var first atomic.Bool
		w.startHooked(func(at step) {
			if at == stepPermitted && first.CompareAndSwap(false, true) {
				close(held)
				<-goOn
			}
		})
		body := revocation("a", 4711)
		w.publish(messages.LaneRevoke, "soar", body)
		<-held
		w.cancel(gate.Selector{Order: 4711})
		w.start()
		w.publish(messages.LaneRevokeUrgent, "soar", body)
		w.waitFor("soar", "a", messages.EventRevokeCancelled, 5*time.Minute)
		keys, err := w.control().ListKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for k := range keys.Keys() {
			if strings.Contains(k, "cancel") {
				if err := w.control().Delete(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.pass(time.Minute)
		close(goOn)
		w.pass(10 * time.Minute)
		if n := len(w.puts(4711)); n != 0 {
			t.Errorf("%d PUTs after the final event", n)
		}
		wantEvents(t, w.events("soar", "a"), messages.EventRevokeAccepted, messages.EventRevokeCancelled)
		w.quiet()
	})
}
