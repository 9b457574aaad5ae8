package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// TestTwoWorkersAnswerEachCommandOnce runs a thousand commands of both kinds
// through two worker processes, one of which is told to stop in the middle:
// each command has one answer, each order is revoked once, and what the
// stopped worker held is taken over at once, not after the ack wait.
func TestTwoWorkersAnswerEachCommandOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{AutoDecide: time.Second, Latency: 5 * time.Millisecond})
	const commands, stopAfter, limit = 1000, 300, time.Minute // of two minutes of ack wait
	var all []messages.Command
	want := map[string]messages.EventName{}
	for i := range commands {
		c := messages.Command{ID: fmt.Sprintf("e2e-%d", i), Source: "test", Lane: messages.LaneRevoke, OrderID: int64(10*i + 1), Comments: "end to end"}
		switch i % 5 {
		case 0: // waits for the approval
		case 1:
			c.Lane, c.SkipApproval = messages.LaneRevokeUrgent, true
		case 2:
			c.SkipApproval = true
		default:
			c.Lane, c.Comments = messages.LaneListDuplicates, ""
		}
		want[c.ID] = messages.EventRevoked
		if c.Lane == messages.LaneListDuplicates {
			want[c.ID] = messages.EventDuplicatesListed
		}
		all = append(all, c)
	}
	p.publish(all...)
	began := time.Now()
	first, second := p.worker(), p.worker()

	finals := map[string]int{}
	p.events(limit, func(e messages.Event) bool {
		if !e.Name.Final() {
			return true
		}
		finals[e.ID]++
		if e.Name != want[e.ID] || e.Already {
			t.Errorf("%s: %s, already %v; want %s", e.ID, e.Name, e.Already, want[e.ID])
		}
		if len(finals) == stopAfter {
			if err := first.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
		return len(finals) < commands
	})
	t.Logf("%d commands in %s from the start of the workers", commands, time.Since(began).Round(time.Millisecond))
	if code := first.wait(t).ExitCode(); code != 0 {
		t.Errorf("the stopped worker ended with %d, want 0", code)
	}
	for id, n := range finals {
		if n != 1 {
			t.Errorf("%s has %d final events", id, n)
		}
	}
	for i := range commands {
		revoked := 0
		if i%5 < 3 {
			revoked = 1
		}
		if n := p.sim.Effective(int64(10*i + 1)); n != revoked {
			t.Errorf("order %d: %d revocations took effect, want %d", 10*i+1, n, revoked)
		}
	}
	p.queueEmpty()
	for _, w := range []*proc{first, second} {
		log := w.read()
		if n := strings.Count(log, `"message":"command"`); n < stopAfter/10 || w == first && n > commands-stopAfter {
			t.Errorf("a worker wrote %d lines of %d commands: none was stopped in the middle", n, commands)
		}
		if strings.Contains(log, scriptKey) {
			t.Error("a log shows the API key")
		}
	}
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if code := second.wait(t).ExitCode(); code != 0 {
		t.Errorf("the other worker ended with %d, want 0", code)
	}
}

// TestSecondSignalEndsAtOnce: the first signal waits for a call that hangs, the
// second does not; the next worker then finds out what became of the call.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{})
	p.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultHang, Op: digicertsim.OpRevokeOrder, Commit: true})
	w := p.worker("--ack-wait", "1s", "--call-timeout", "2s", "--shutdown-grace", "5m")
	p.publish(messages.Command{ID: "hangs", Source: "test", Lane: messages.LaneRevoke, OrderID: 4711, Comments: "hangs", SkipApproval: true})
	calls := func() int {
		return len(slices.DeleteFunc(p.sim.Calls(), func(c digicertsim.Call) bool { return c.Op != digicertsim.OpRevokeOrder }))
	}
	if !eventually(func() bool { return calls() == 1 }) {
		t.Fatal("the call never came")
	}
	began := time.Now()
	signalled := eventually(func() bool { // the second only counts once the first was seen
		_ = w.Process.Signal(syscall.SIGTERM)
		select {
		case <-w.ended:
			return true
		default:
			return false
		}
	})
	if status, ok := w.ProcessState.Sys().(syscall.WaitStatus); !signalled || !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Fatalf("ended by %v, want the second SIGTERM", w.ProcessState)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the second signal took %s", took)
	}

	p.worker("--ack-wait", "1s", "--call-timeout", "2s")
	p.events(time.Minute, func(e messages.Event) bool {
		if e.Name.Final() && (e.Name != messages.EventRevoked || e.Already) {
			t.Errorf("%s, already %v; want revoked", e.Name, e.Already)
		}
		return !e.Name.Final()
	})
	if n := calls(); n != 1 {
		t.Errorf("%d revocations sent, want the one that hung", n)
	}
}

// TestKilledWorkersLoseNothing kills worker processes while they work: every
// command is still answered, and every order revoked once.
func TestKilledWorkersLoseNothing(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{Latency: 20 * time.Millisecond})
	const commands = 40
	var all []messages.Command
	for i := range commands {
		all = append(all, messages.Command{ID: fmt.Sprintf("k-%d", i), Source: "test", Lane: messages.LaneRevoke, OrderID: int64(10*i + 1), Comments: "killed", SkipApproval: true})
	}
	p.publish(all...)
	args := []string{"--ack-wait", "1s", "--call-timeout", "500ms", "--concurrency", "4"}
	victim := p.worker(args...)
	finals, killed := map[string]bool{}, 0
	p.events(time.Minute, func(e messages.Event) bool {
		if !e.Name.Final() {
			return true
		}
		if e.Name != messages.EventRevoked {
			t.Errorf("%s: %s, want revoked", e.ID, e.Name)
		}
		finals[e.ID] = true
		if len(finals) >= 10*(killed+1) && killed < 2 {
			killed++
			_ = victim.Process.Kill()
			<-victim.ended
			victim = p.worker(args...)
		}
		return len(finals) < commands
	})
	for i := range commands {
		if n := p.sim.Effective(int64(10*i + 1)); n != 1 {
			t.Errorf("order %d: %d revocations took effect", 10*i+1, n)
		}
	}
	p.queueEmpty()
}
