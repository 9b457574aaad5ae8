package worker

import (
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/budget"
)

// The sweep's own share, 3 calls a minute here, is too small for a poll every
// second; nobody else wants the rest, so an approval is still told soon.
func TestSweepTakesWhatNobodyWants(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		limits, err := budget.ParseLimits("60/1m")
		if err != nil {
			t.Fatal(err)
		}
		w.start(func(c *Config) { c.Limits, c.ApprovalPoll = limits, 5*time.Second })
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		e := w.waitFor("soar", "a", messages.EventRevokeRequested, 5*time.Second)
		w.pass(40 * time.Second)
		if err := w.sim.Approve(e.RequestID); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "a", messages.EventRevoked, 20*time.Second)
	})
}
