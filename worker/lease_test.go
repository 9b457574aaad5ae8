package worker

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// TestLeaseIsLookedAtSoon: a command that meets the lease of another's call
// goes on soon after that call has ended, not when the lease would have.
func TestLeaseIsLookedAtSoon(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultLatency, Op: digicertsim.OpRevokeOrder, Delay: 3 * time.Second})
		one := func(c *Config) { c.Concurrency, c.AckWait = 1, 2*time.Minute }
		w.start(one)
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.wait("the call", time.Minute, func() bool { return len(w.puts(4711)) == 1 })
		w.start(one) // the first has no slot free
		w.publish(messages.LaneRevoke, "servicenow", revocation("b", 4711))
		e := w.waitFor("servicenow", "b", messages.EventRevokeRequested, 10*time.Second)
		if !e.Already || w.effective(4711) != 1 {
			t.Errorf("already %v, %d revocations took effect", e.Already, w.effective(4711))
		}
	})
}

// TestSweepDiesWhileItReads: a sweep that dies between the read of an order and
// its event leaves no lease, so that the next one tells what was decided at once.
func TestSweepDiesWhileItReads(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		const poll = 2 * time.Second
		dead := make(chan struct{})
		var die sync.Once
		first := w.startHooked(func(at step) {
			if at == stepRead {
				die.Do(func() { close(dead) })
				runtime.Goexit()
			}
		}, func(c *Config) { c.ApprovalPoll = poll })
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		requested := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		if err := w.sim.Approve(requested.RequestID); err != nil {
			t.Fatal(err)
		}
		<-dead
		first.kill()
		w.start(func(c *Config) { c.ApprovalPoll = poll })
		w.waitFor("soar", "a", messages.EventRevoked, 2*poll)
	})
}
