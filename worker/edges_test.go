package worker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
)

// Every store that is gone at run time is named, and the worker is ready again
// when it is back.
func TestReadyzNamesAStoreThatIsGone(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.pass(10 * time.Second)
		for stream, name := range worker.storeNames() {
			s, err := w.js.Stream(t.Context(), stream)
			if err != nil {
				t.Fatal(err)
			}
			cfg := s.CachedInfo().Config
			if err := w.js.DeleteStream(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			w.pass(30 * time.Second)
			code, body := worker.get("/readyz")
			if code != http.StatusServiceUnavailable || !strings.Contains(body, name+" is gone") {
				t.Errorf("without %s: %d %s", stream, code, body)
			}
			if code, _ := worker.get("/livez"); code != http.StatusOK {
				t.Errorf("without %s /livez says %d: a restart would not help", stream, code)
			}
			if _, err := w.js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			w.wait("readiness after "+stream+" is back", time.Minute, func() bool { return worker.Ready().Ready })
		}
	})
}

// A base URL that leads elsewhere, or a key that was never accepted, is no
// worker that is ready.
func TestReadyzBeforeTheKeyWasAccepted(t *testing.T) {
	for name, fault := range foreign() {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.sim.Script(fault)
				worker := w.start()
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
				w.pass(10 * time.Minute)
				code, body := worker.get("/readyz")
				if code != http.StatusServiceUnavailable || !strings.Contains(body, string(gate.KeyRefused)) || !strings.Contains(body, "has not accepted the key yet") {
					t.Errorf("/readyz: %d %s", code, body)
				}
				if n := w.sim.CallCount(); n > 60 {
					t.Errorf("%d calls", n)
				}
				w.sim.ClearFaults()
				w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
				if code, body := worker.get("/readyz"); code != http.StatusOK {
					t.Errorf("/readyz: %d %s", code, body)
				}
			})
		})
	}
}

// A command that hangs is told once a minute, and fails /livez in the end.
func TestACommandThatHangs(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		core, lines := observer.New(zapcore.WarnLevel)
		hang := make(chan struct{})
		worker := w.startHooked(func(s step) {
			if s == stepBegun {
				<-hang
			}
		}, func(c *Config) { c.Log = zap.New(core) })
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.pass(5*time.Minute + 10*time.Second)
		if n := lines.FilterMessage("a command waits").Len(); n < 4 || n > 6 {
			t.Errorf("%d lines in five minutes", n)
		}
		if code, _ := worker.get("/livez"); code != http.StatusOK {
			t.Errorf("/livez after five minutes: %d", code)
		}
		w.pass(6 * time.Minute)
		if code, body := worker.get("/livez"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no progress") {
			t.Errorf("/livez: %d %s", code, body)
		}
		if code, body := worker.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "hangs") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		close(hang)
		w.pass(30 * time.Second)
		if code, body := worker.get("/livez"); code != http.StatusOK {
			t.Errorf("/livez: %d %s", code, body)
		}
	})
}

// A command that waits for a permit does not hang, however long it takes.
func TestWaitingForAPermitIsNoHanging(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		limits, err := budget.ParseLimits("1/1h")
		if err != nil {
			t.Fatal(err)
		}
		worker := w.start(func(c *Config) { c.Limits = limits })
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.pass(40 * time.Minute)
		if code, body := worker.get("/livez"); code != http.StatusOK {
			t.Errorf("/livez: %d %s", code, body)
		}
	})
}

// A listing or dry run that expires or is cancelled while it waits for its
// permit makes no call.
func TestListingsAreLookedAtAgainAfterThePermit(t *testing.T) {
	for name, dry := range map[string]bool{"listing": false, "dry run": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				limits, err := budget.ParseLimits("10/10m")
				if err != nil {
					t.Fatal(err)
				}
				w.start(func(c *Config) { c.Limits = limits })
				for i := range int64(10) {
					w.publish(messages.LaneRevokeUrgent, "soar", revocation(fmt.Sprint("u", i), 100+i))
				}
				w.pass(5 * time.Second)
				before := w.sim.CallCount()
				send := func(id string, order int64, more fields) {
					if dry {
						more["dry_run"] = true
						w.publish(messages.LaneRevoke, "cli", revocation(id, order, more))
						return
					}
					more["id"], more["order_id"] = id, order
					w.publish(messages.LaneListDuplicates, "cli", more)
				}
				send("old", 12, fields{"expires": time.Now().Add(time.Minute).UTC().Format(time.RFC3339)})
				send("off", 13, fields{"incident": "INC-1"})
				w.pass(30 * time.Second)
				w.cancel(gate.Selector{Incident: "INC-1"})
				w.wait("answers", 25*time.Minute, func() bool { return len(w.read(w.names.SourceSubject("cli"))) >= 2 })
				for _, e := range w.read(w.names.SourceSubject("cli")) {
					failed := e.Error != nil && e.Error.Type == messages.ErrorExpired
					cancelled := e.Name == messages.EventListDuplicatesCancelled || e.Name == messages.EventRevokeCancelled
					if !failed && !cancelled {
						t.Errorf("%s: %v", e.Name, e.data)
					}
				}
				for _, c := range w.sim.Calls()[before:] {
					if c.OrderID == 12 || c.OrderID == 13 {
						t.Errorf("asked for order %d: %s", c.OrderID, c.Op)
					}
				}
				synctest.Wait()
			})
		})
	}
}

// Nothing that /readyz shows is anybody's name.
func TestReadyzNamesNoPerson(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.pass(time.Second)
		if err := gate.Pause(t.Context(), w.control(), gate.Both, gate.Order{By: "grace-hopper", Reason: "wrong file"}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		if _, body := worker.get("/readyz"); strings.Contains(body, "hopper") || !strings.Contains(body, "wrong file") {
			t.Errorf("/readyz: %s", body)
		}
	})
}

// What cannot be read any more is absent, and no name stands for a gauge and a counter.
func TestStaleGaugesAreAbsent(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		// The way to the server is cut, not the server stopped: a server that ends
		// in a bubble can wait for fake time with a lock held.
		ice := &ice{env: w.env}
		worker := w.startFrozen(ice, nil)
		w.pass(time.Minute)
		stale := []string{"certrecall_queue_pending{", "certrecall_queue_oldest_age_seconds{", "certrecall_sweep_age_seconds ", "certrecall_dead_letters_stored ", "certrecall_approvals_waiting "}
		for _, name := range stale {
			if _, body := worker.get("/metrics"); !strings.Contains(body, "\n"+name) {
				t.Errorf("%s is absent", name)
			}
		}
		ice.freeze()
		w.pass(time.Minute)
		_, body := worker.get("/metrics")
		for _, name := range stale {
			if strings.Contains(body, "\n"+name) {
				t.Errorf("%s is there without NATS", name)
			}
		}
		if !strings.Contains(body, "\ncertrecall_nats_connected 0") {
			t.Error("the loss of NATS is not exported")
		}
		ice.thaw()
		w.wait("the gauges", time.Minute, func() bool {
			_, body := worker.get("/metrics")
			return strings.Contains(body, "\ncertrecall_queue_pending{") && strings.Contains(body, "\ncertrecall_nats_connected 1")
		})
		families, err := worker.cfg.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, f := range families {
			name := strings.TrimSuffix(f.GetName(), "_total")
			if names[name] {
				t.Errorf("two metrics fall into the family %s", name)
			}
			names[name] = true
		}
	})
}
