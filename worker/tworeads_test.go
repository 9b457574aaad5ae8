package worker

import (
	"strconv"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

func itoa(id int64) string { return strconv.FormatInt(id, 10) }

// lagging is one read of an order that shows it as it was.
func lagging(d time.Duration) digicertsim.Fault {
	return digicertsim.Fault{Op: digicertsim.OpOrder, Kind: digicertsim.FaultLag, Delay: d}
}

// A refusal is final only when two reads agree that it hides no success: one
// may lag behind what makes DigiCert refuse.
func TestRefusalIsReadBackTwice(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.pass(time.Minute)
		if err := w.sim.RevokeOutside(4711); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		w.sim.Script(lagging(5 * time.Second))
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		if e := w.waitFor("soar", "a", messages.EventRevoked, 2*time.Minute); !e.Already || e.Attempts != 1 {
			t.Errorf("says %v", e.data)
		}
		w.pass(time.Minute)
		w.quiet()
	})
}

// The same where a request that waits outside is what makes DigiCert refuse.
func TestRefusalBesideAWaitingRequestIsReadBackTwice(t *testing.T) {
	inWorld(t, digicertsim.Options{Behaviour: digicertsim.Behaviour{Second: digicertsim.SecondRefused}}, func(t *testing.T, w *world) {
		w.start()
		w.sim.Order(4711)
		w.pass(time.Minute)
		outside := w.askOutside(4711, 0)
		w.pass(time.Second)
		w.sim.Script(lagging(5 * time.Second))
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		if e := w.waitFor("soar", "a", messages.EventRevokeRequested, 2*time.Minute); !e.Already || e.RequestID != outside {
			t.Errorf("says %v", e.data)
		}
		if err := w.sim.Approve(outside); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "a", messages.EventRevoked, 5*time.Minute)
	})
}

// An approval outside shows in its request before it shows in its order.
func TestOutsideApprovalIsReadBackTwice(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		outside := w.askOutside(4711, 0)
		w.start(func(c *Config) { c.ApprovalPoll = 20 * time.Second })
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultResetBefore})
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		if e := w.waitFor("soar", "a", messages.EventRevokeRequested, 2*time.Minute); !e.Already || e.RequestID != outside {
			t.Fatalf("says %v", e.data)
		}
		w.pass(time.Minute)
		before := len(w.puts(4711))
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpStatusChanges, Kind: digicertsim.FaultStatus, Status: 200, Body: "{}", Times: -1})
		if err := w.sim.Approve(outside); err != nil {
			t.Fatal(err)
		}
		w.sim.Script(lagging(time.Minute))
		if e := w.waitFor("soar", "a", messages.EventRevoked, 5*time.Minute); !e.Already || e.RequestID != outside {
			t.Errorf("says %v", e.data)
		}
		if n := len(w.puts(4711)) - before; n != 0 {
			t.Errorf("%d PUTs after the approval", n)
		}
	})
}

// One 404 for a request does not outweigh the order that shows it waiting.
func TestRequestNotFoundOnceIsFollowed(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		e := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		w.publish(messages.LaneRevoke, "servicenow", revocation("b", 4711))
		w.waitFor("servicenow", "b", messages.EventRevokeRequested, time.Minute)
		w.sim.Script(
			digicertsim.Fault{Op: digicertsim.OpRequests, Kind: digicertsim.FaultStatus, Status: 200, Body: "{}", Times: 2},
			digicertsim.Fault{Op: digicertsim.OpRequest, Kind: digicertsim.FaultStatus, Status: 404, Code: "not_found|request"},
		)
		w.pass(5 * time.Minute)
		if n := len(w.puts(4711)); n != 1 {
			t.Errorf("%d PUTs while the request waits", n)
		}
		harmed := 0
		for _, c := range w.sim.Calls() {
			if c.Op == digicertsim.OpRequest && c.Status == 404 {
				harmed++
			}
		}
		if harmed != 1 {
			t.Fatalf("%d requests were answered 404: the test shows nothing", harmed)
		}
		if err := w.sim.Approve(e.RequestID); err != nil {
			t.Fatal(err)
		}
		if e := w.waitFor("soar", "a", messages.EventRevoked, 5*time.Minute); e.Already {
			t.Errorf("says %v", e.data)
		}
		w.waitFor("servicenow", "b", messages.EventRevoked, 5*time.Minute)
		w.pass(2 * time.Minute)
		w.quiet()
	})
}

// While a PUT of ours has an unclear outcome, an order that DigiCert does not
// show is a failed read: the key may not see it.
func TestMissingOrderShowsNothingOfAnOpenPut(t *testing.T) {
	for name, times := range map[string]int{"for a while": 12, "for ever": -1} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.sim.Script(
					digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultResetAfter},
					digicertsim.Fault{Op: digicertsim.OpOrder, Kind: digicertsim.FaultStatus, Status: 404, Code: "not_found|order", Times: times},
				)
				w.start(func(c *Config) { c.RetryMaxElapsed, c.RetryMaxInterval = 30*time.Minute, 10*time.Second })
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
				if times < 0 {
					w.wantFailure("soar", "a", messages.ErrorOutcomeUnknown, time.Hour)
				} else if e := w.waitFor("soar", "a", messages.EventRevokeRequested, 20*time.Minute); e.Already {
					t.Errorf("says %v", e.data)
				}
				if n := len(w.puts(4711)); n != 1 {
					t.Errorf("%d PUTs", n)
				}
			})
		})
	}
}

// A 2xx means what its status and body say: an answer that lost its body, or
// never was DigiCert's, does not make a waiting request a revocation.
func TestSuccessWithoutABodyIsReadBack(t *testing.T) {
	for _, status := range []int{200, 201, 202} {
		for name, skip := range map[string]bool{"asks": false, "skips approval": true} {
			t.Run(itoa(int64(status))+" "+name, func(t *testing.T) {
				inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
					w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: status, Body: " ", Commit: true})
					w.start()
					w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": skip}))
					want := messages.EventRevokeRequested
					if skip {
						want = messages.EventRevoked
					}
					if e := w.waitFor("soar", "a", want, time.Minute); e.Already || e.Attempts != 1 {
						t.Errorf("says %v", e.data)
					}
					w.pass(2 * time.Minute)
					if n := count(w.events("soar", "a"), messages.EventRevoked); n != 0 && !skip {
						t.Error("told as revoked while its request waits")
					}
				})
			})
		}
	}
}
