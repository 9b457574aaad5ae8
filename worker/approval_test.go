package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

func TestRejectedThenBegunAgain(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		first := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		w.publish(messages.LaneRevoke, "servicenow", revocation("b", 4711))
		w.waitFor("servicenow", "b", messages.EventRevokeRequested, time.Minute)
		if err := w.sim.Reject(first.RequestID); err != nil {
			t.Fatal(err)
		}
		e := w.waitFor("soar", "a", messages.EventRevokeRejected, 3*time.Minute)
		if e.Already || e.Status != "rejected" || e.RequestID != first.RequestID || e.Error.Type != messages.ErrorApprovalRejected {
			t.Errorf("says %v", e.data)
		}
		if e := w.waitFor("servicenow", "b", messages.EventRevokeRejected, 3*time.Minute); !e.Already || e.Attempts != 0 {
			t.Errorf("says %v", e.data)
		}
		w.publish(messages.LaneRevoke, "soar", revocation("again", 4711))
		second := w.waitFor("soar", "again", messages.EventRevokeRequested, time.Minute)
		if second.RequestID == first.RequestID || second.Already || len(w.puts(4711)) != 2 {
			t.Errorf("%d PUTs, says %v", len(w.puts(4711)), second.data)
		}
		if dead := w.deadLetters(); len(dead) != 0 {
			t.Errorf("%d dead letters for rejections", len(dead))
		}
	})
}

func TestSkipApprovalOnAWaitingOrder(t *testing.T) {
	const standard = "made-up-key-without-rights"
	for name, c := range map[string]struct {
		options digicertsim.Options
		want    messages.EventName
		already bool
		puts    int
	}{
		"administrator": {digicertsim.Options{}, messages.EventRevoked, false, 2},
		"forbidden":     {digicertsim.Options{Keys: []string{standard}, StandardKeys: []string{testKey}}, messages.EventRevokeRequested, true, 4},
		"ignored": {digicertsim.Options{Keys: []string{standard}, StandardKeys: []string{testKey},
			Behaviour: digicertsim.Behaviour{Skip: digicertsim.SkipIgnored}}, messages.EventRevokeRequested, false, 2},
		"ignored, second refused": {digicertsim.Options{Keys: []string{standard}, StandardKeys: []string{testKey},
			Behaviour: digicertsim.Behaviour{Skip: digicertsim.SkipIgnored, Second: digicertsim.SecondRefused}}, messages.EventRevokeRequested, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, c.options, func(t *testing.T, w *world) {
				w.start()
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
				first := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
				w.publish(messages.LaneRevokeUrgent, "soc", revocation("s", 4711, fields{"skip_approval": true}))
				e := w.waitFor("soc", "s", c.want, 5*time.Minute)
				if e.Already != c.already || len(w.puts(4711)) != c.puts {
					t.Errorf("%d PUTs, says %v", len(w.puts(4711)), e.data)
				}
				if c.want == messages.EventRevokeRequested {
					if err := w.sim.Approve(first.RequestID); err != nil {
						t.Fatal(err)
					}
				}
				w.waitFor("soc", "s", messages.EventRevoked, 5*time.Minute)
				last := w.waitFor("soar", "a", messages.EventRevoked, 5*time.Minute)
				if last.Already != (c.want == messages.EventRevoked) {
					t.Errorf("the first says %v", last.data)
				}
				w.pass(2 * time.Minute)
				w.quiet()
			})
		})
	}
}

func TestRequestInAStatusThatNobodyDocuments(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 201, Body: `{"id":77,"type":"revoke","status":"escalated"}`})
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		if e := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute); e.RequestID != 77 || e.Status != "escalated" {
			t.Errorf("says %v", e.data)
		}
		w.pass(30 * time.Second)
		if n := len(w.puts(4711)); n != 1 {
			t.Errorf("%d PUTs", n)
		}
	})
}

func TestApprovedWithoutEffectIsWarnedOf(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		core, logs := observer.New(zapcore.WarnLevel)
		w.start(func(c *Config) { c.Log = zap.New(core) })
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		e := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpOrder, Kind: digicertsim.FaultLag, Delay: 3 * time.Hour, Times: 100000},
			digicertsim.Fault{Op: digicertsim.OpStatusChanges, Kind: digicertsim.FaultStatus, Status: 200, Body: "{}", Times: -1})
		if err := w.sim.Approve(e.RequestID); err != nil {
			t.Fatal(err)
		}
		w.pass(50 * time.Minute)
		if n := logs.FilterMessageSnippet("does not read revoked").Len(); n != 0 {
			t.Errorf("%d warnings before an hour", n)
		}
		w.pass(20 * time.Minute)
		if n := logs.FilterMessageSnippet("does not read revoked").Len(); n == 0 {
			t.Error("no warning")
		}
		if n := len(w.puts(4711)); n != 1 {
			t.Errorf("%d PUTs", n)
		}
		w.sim.ClearFaults()
		w.waitFor("soar", "a", messages.EventRevoked, 3*time.Minute)
	})
}

func TestRevokedOutside(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		w.pass(10 * time.Minute)
		if err := w.sim.RevokeOutside(4711); err != nil {
			t.Fatal(err)
		}
		e := w.waitFor("soar", "a", messages.EventRevoked, 3*time.Minute)
		if !e.Already || e.Status != "revoked" || e.Attempts != 1 || e.RevocationReason != "" {
			t.Errorf("says %v", e.data)
		}
		w.publish(messages.LaneRevoke, "soar", revocation("b", 4712))
		w.waitFor("soar", "b", messages.EventRevokeRequested, time.Minute)
		w.publish(messages.LaneRevoke, "soar", revocation("late", 4711))
		if e := w.waitFor("soar", "late", messages.EventRevoked, time.Minute); !e.Already || e.Attempts != 0 || len(w.puts(4711)) != 1 {
			t.Errorf("says %v", e.data)
		}
	})
}

// What waits costs a call a thousand; what is decided costs two calls each.
func TestManyWaitingRequestsCostFewCalls(t *testing.T) {
	const waiting = 2500
	inWorld(t, digicertsim.Options{MaxCalls: -1}, func(t *testing.T, w *world) {
		w.start(func(c *Config) { c.Concurrency = 64 })
		for i := range waiting {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("c", i), int64(10_001+i)))
		}
		w.wait("all to wait", 10*time.Minute, func() bool { return w.sim.Stats().Effective == waiting })
		w.pass(2 * time.Minute)
		before := w.sim.CallCount()
		w.pass(10 * time.Minute)
		if n := w.sim.CallCount() - before; n > 11*8 {
			t.Errorf("%d calls in ten sweeps of %d waiting requests", n, waiting)
		}
		before = w.sim.CallCount()
		requests := w.sim.Requests()
		for _, q := range requests[len(requests)-100:] {
			if err := w.sim.Approve(q.ID); err != nil {
				t.Fatal(err)
			}
		}
		w.wait("the decided ones to be told", 5*time.Minute, func() bool {
			return len(w.read(w.names.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: "*"}))) == 100
		})
		if n := w.sim.CallCount() - before; n > 300 {
			t.Errorf("%d calls for 100 decisions", n)
		}
		if dead := w.deadLetters(); len(dead) > 0 {
			t.Errorf("%d dead letters, the first: %s", len(dead), strings.TrimSpace(string(dead[0].Data)))
		}
	})
}
