package worker

import (
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// An order that says it has no requests has said so: the waiting requests of
// the whole account are not listed for it.
func TestNoRequestsIsAnAnswer(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpOrder, Kind: digicertsim.FaultStatus, Status: 200, Times: -1,
			Body: `{"id":4711,"status":"issued","certificate":{"id":6,"common_name":"a"},"requests":[]}`})
		w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultResetBefore})
		w.start(func(c *Config) { c.ApprovalPoll = time.Hour })
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		for _, c := range w.sim.Calls() {
			if c.Op == digicertsim.OpRequests && c.Path != digicertsim.BasePath+"/request?limit=1" {
				t.Errorf("%s %s was asked", c.Method, c.Path)
			}
		}
	})
}
