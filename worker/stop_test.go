package worker

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
)

// protect writes a file of protected orders, and has a worker mind it.
func (w *world) protect(content string) func(*Config) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "protected")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return func(c *Config) { c.ProtectedOrders = path }
}

func (w *world) control() jetstream.KeyValue {
	w.t.Helper()
	kv, err := w.js.KeyValue(w.t.Context(), w.names.ControlBucket())
	if err != nil {
		w.t.Fatal(err)
	}
	return kv
}

func (w *world) cancel(s gate.Selector) {
	w.t.Helper()
	if _, err := gate.Cancel(w.t.Context(), w.control(), s, "operator", "wrong file"); err != nil {
		w.t.Fatal(err)
	}
}

func TestProtectedOrdersFollowTheFile(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		path := filepath.Join(t.TempDir(), "protected")
		write := func(content string) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			w.pass(2 * protectedPoll)
		}
		write("# nothing yet\n")
		w.start(func(c *Config) { c.ProtectedOrders = path })
		write("0004711 # the company's front door\n")
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		if e := w.wantFailure("soar", "a", messages.ErrorProtectedOrder, time.Minute); e.Attempts != 0 {
			t.Errorf("says %v", e.data)
		}
		write("no number\n")
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4711, fields{"certificate_id": aDuplicate}))
		w.wantFailure("soar", "b", messages.ErrorProtectedOrder, time.Minute)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * protectedPoll)
		w.publish(messages.LaneRevoke, "soar", revocation("c", 4711))
		w.wantFailure("soar", "c", messages.ErrorProtectedOrder, time.Minute)
		write("4712\n")
		w.publish(messages.LaneRevoke, "soar", revocation("d", 4711))
		w.waitFor("soar", "d", messages.EventRevokeRequested, time.Minute)
		if n := len(w.puts(4711)); n != 1 {
			t.Errorf("%d PUTs", n)
		}
	})
}

func TestCancelledBeforeAnythingIsSent(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		if err := gate.Pause(t.Context(), w.control(), gate.Both, gate.Order{By: "operator", Reason: "look first"}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"incident": "INC-1"}))
		w.publish(messages.LaneListDuplicates, "soar", fields{"id": "l", "order_id": 4711, "incident": "INC-1"})
		w.pass(time.Minute)
		w.cancel(gate.Selector{Incident: "INC-1"})
		w.pass(time.Second)
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4712, fields{"incident": "INC-1"})) // after the cancellation
		for _, c := range w.sim.Calls() {
			if c.OrderID != 0 {
				t.Errorf("while paused: %s %s", c.Method, c.Path)
			}
		}
		if err := gate.Resume(t.Context(), w.control(), gate.Both, gate.Order{By: "operator", Reason: "seen"}); err != nil {
			t.Fatal(err)
		}
		e := w.waitFor("soar", "INC-1/a", messages.EventRevokeCancelled, time.Minute)
		if e.Attempts != 0 || e.Error != nil {
			t.Errorf("says %v", e.data)
		}
		w.waitFor("soar", "INC-1/l", messages.EventListDuplicatesCancelled, time.Minute)
		w.waitFor("soar", "INC-1/b", messages.EventRevokeRequested, time.Minute)
		if len(w.puts(4711)) != 0 || len(w.deadLetters()) != 0 {
			t.Errorf("PUTs %v, dead letters %v", w.puts(4711), w.deadLetters())
		}
	})
}

// A command may wait minutes for its permit: what is said of it meanwhile counts.
func TestCancelledOrExpiredWhileItWaitsForAPermit(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		limits, err := budget.ParseLimits("2/1m")
		if err != nil {
			t.Fatal(err)
		}
		w.start(func(c *Config) { c.Limits = limits })
		w.pass(30 * time.Second)
		w.publish(messages.LaneRevoke, "soar", revocation("first", 1))
		w.publish(messages.LaneRevoke, "soar", revocation("second", 2))
		w.pass(2 * time.Second)
		w.publish(messages.LaneRevoke, "soar", revocation("cancelled", 4711))
		w.publish(messages.LaneRevoke, "soar", revocation("expired", 4712, fields{"expires": time.Now().Add(5 * time.Second)}))
		w.pass(2 * time.Second)
		wantEvents(t, w.events("soar", "cancelled"), messages.EventRevokeAccepted)
		w.cancel(gate.Selector{Order: 4711})
		w.waitFor("soar", "cancelled", messages.EventRevokeCancelled, 5*time.Minute)
		w.wantFailure("soar", "expired", messages.ErrorExpired, 5*time.Minute)
		if len(w.puts(4711)) != 0 || len(w.puts(4712)) != 0 {
			t.Errorf("sent %v %v", w.puts(4711), w.puts(4712))
		}
	})
}

// After its PUT a command is answered by what DigiCert did, whatever is said of it.
func TestStopAfterThePut(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, OrderID: 4711, Kind: digicertsim.FaultHang, Commit: true},
			digicertsim.Fault{Op: digicertsim.OpRevokeOrder, OrderID: 4712, Kind: digicertsim.FaultHang})
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4712, fields{"expires": time.Now().Add(5 * time.Second)}))
		w.pass(time.Second)
		w.cancel(gate.Selector{Order: 4711})
		requested := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		if err := w.sim.Approve(requested.RequestID); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "a", messages.EventRevoked, 3*time.Minute)
		if e := w.wantFailure("soar", "b", messages.ErrorExpired, 3*time.Minute); e.Attempts != 1 {
			t.Errorf("says %v", e.data)
		}
		if n := len(w.puts(4712)); n != 1 {
			t.Errorf("%d PUTs", n)
		}
		w.quiet()
	})
}
