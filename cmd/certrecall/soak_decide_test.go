package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// TestProofEightSystems: eight systems revoke one order at once, and one id
// names two orders at once.
func TestProofEightSystems(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{})
	log := newTranscript(t)
	const order, systems = firstSoakOrder + 1, 8
	var commands []messages.Command
	for i := range systems {
		commands = append(commands, messages.Command{
			ID: "incident-1", Source: fmt.Sprintf("system-%d", i), Lane: messages.Lanes()[i%2], OrderID: order, Comments: "eight at once",
		})
	}
	for i := range 2 {
		commands = append(commands, messages.Command{
			ID: "one-id", Source: "proof", Lane: messages.LaneRevoke, OrderID: order + 1 + int64(i), Comments: "two orders", SkipApproval: true,
		})
	}
	for range 3 {
		p.worker()
	}
	p.publish(commands...)
	requests, already, rejected := map[int64]int{}, 0, 0
	answered := p.follow(time.Minute, func(e messages.Event, _ time.Time) bool {
		switch e.Name {
		case messages.EventRevokeRequested:
			requests[e.RequestID]++
			if e.Already {
				already++
			}
		case messages.EventCommandRejected:
			rejected++
			if e.CommandID != "one-id" || e.Error.Type != messages.ErrorCommandConflict {
				t.Errorf("rejected: %s as %s", e.CommandID, e.Error.Type)
			}
		default:
		}
		total := 0
		for _, n := range requests {
			total += n
		}
		return total < systems || rejected == 0
	})
	puts := len(slices.DeleteFunc(p.sim.Calls(), func(c digicertsim.Call) bool { return c.OrderID != order || c.Op != digicertsim.OpRevokeOrder }))
	if !answered || len(requests) != 1 || already != systems-1 || puts != 1 {
		t.Fatalf("requests %v, %d of %d say already, %d calls, %d rejected", requests, already, systems, puts, rejected)
	}
	for id := range requests {
		if err := p.sim.Approve(id); err != nil {
			t.Fatal(err)
		}
	}
	a := p.await(systems+2, time.Minute)
	revoked, late := 0, 0
	for _, e := range a.by {
		if e.OrderID == order && e.Name == messages.EventRevoked {
			revoked++
			if e.Already {
				late++
			}
		}
	}
	p.drained(log)
	check(p, loadOf(commands), log)
	t.Logf("%d systems: %d call, %d request id, %d say already; after the approval %d final events, %d say already; one id for two orders: 1 acted on, %d a conflict",
		systems, puts, len(requests), already, revoked, late, rejected)
	if revoked != systems || late != systems-1 || p.sim.Effective(order+1)+p.sim.Effective(order+2) != 1 {
		t.Errorf("%d revoked, %d already; orders of the one id: %d and %d", revoked, late, p.sim.Effective(order+1), p.sim.Effective(order+2))
	}
}

// TestProofLostCommits: the call took effect and its answer was lost, in every
// way; the request is found by reading back, and nothing is sent again.
func TestProofLostCommits(t *testing.T) {
	longProof(t)
	p := newPlant(t, digicertsim.Options{})
	log := newTranscript(t)
	lost := []digicertsim.Fault{
		{Kind: digicertsim.FaultResetAfter},
		{Kind: digicertsim.FaultStatus, Status: 502, Commit: true},
		{Kind: digicertsim.FaultHang, Commit: true},
		{Kind: digicertsim.FaultTruncate},
		{Kind: digicertsim.FaultLateCommit, Delay: 8 * time.Second},
		{Kind: digicertsim.FaultLateCommit, Delay: 8 * time.Second, Status: 502},
	}
	var commands []messages.Command
	for i, f := range slices.Concat(lost, lost) {
		c := messages.Command{ID: fmt.Sprintf("lost-%d", i), Source: "proof", Lane: messages.LaneRevoke, OrderID: proofOrder(i), Comments: "lost"}
		c.SkipApproval = i >= len(lost)
		f.Op, f.OrderID = digicertsim.OpRevokeOrder, c.OrderID
		p.sim.Script(f)
		commands = append(commands, c)
	}
	began := time.Now()
	p.publish(commands...)
	p.worker("--call-timeout", "2s", "--retry-max-interval", "2s")
	found, revoked := map[int64]bool{}, 0
	p.follow(time.Minute, func(e messages.Event, _ time.Time) bool {
		switch e.Name {
		case messages.EventRevokeRequested:
			found[e.RequestID] = !e.Already
		case messages.EventRevoked:
			revoked++
		default:
		}
		return len(found)+revoked < len(commands)
	})
	took := time.Since(began)
	for _, q := range p.sim.Requests() {
		if q.OrderID < firstSoakOrder {
			continue // of the simulator's standard orders
		}
		if !found[q.ID] {
			t.Errorf("request %d of order %d was not told as the command's own", q.ID, q.OrderID)
		}
		if err := p.sim.Approve(q.ID); err != nil {
			t.Error(err)
		}
	}
	p.await(len(commands), time.Minute)
	p.drained(log)
	check(p, loadOf(commands), log)
	puts := len(slices.DeleteFunc(p.sim.Calls(), func(c digicertsim.Call) bool { return c.Op != digicertsim.OpRevokeOrder }))
	t.Logf("%d answers lost (reset, 502, hang, half a body, commit 8 s late): %d calls, %d request ids found by reading back, %d revoked at once; in %s",
		len(commands), puts, len(found), revoked, took.Round(time.Second))
	if puts != len(commands) || len(found) != len(lost) {
		t.Errorf("%d calls for %d commands; %d requests found", puts, len(commands), len(found))
	}
}

// TestProofSweeperDies: the worker that sweeps is killed while it tells
// decisions; all are told within two poll intervals.
func TestProofSweeperDies(t *testing.T) {
	longProof(t)
	const n, poll = 150, 2 * time.Second
	p := newPlant(t, digicertsim.Options{Latency: 100 * time.Millisecond})
	log := newTranscript(t)
	var commands []messages.Command
	for i := range n {
		commands = append(commands, messages.Command{ID: fmt.Sprintf("w-%d", i), Source: "proof", Lane: messages.LaneRevoke, OrderID: proofOrder(i), Comments: "waits"})
	}
	p.publish(commands...)
	args := []string{"--approval-poll", poll.String(), "--concurrency", "32"}
	workers := []*proc{p.worker(args...), p.worker(args...)}
	waiting := 0
	p.follow(time.Minute, func(e messages.Event, _ time.Time) bool {
		if e.Name == messages.EventRevokeRequested {
			waiting++
		}
		return waiting < n
	})
	for _, q := range p.sim.Requests() {
		if q.OrderID < firstSoakOrder {
			continue // of the simulator's standard orders
		}
		if err := p.sim.Approve(q.ID); err != nil {
			t.Fatal(err)
		}
	}
	told, toldThen, killed, last := 0, 0, time.Time{}, time.Time{}
	p.follow(time.Minute, func(e messages.Event, _ time.Time) bool {
		if e.Name != messages.EventRevoked {
			return true
		}
		told++
		if told == 20 {
			sweeper := slices.MaxFunc(workers, func(a, b *proc) int { return a.count(`"outcome":"revoked"`) - b.count(`"outcome":"revoked"`) })
			_ = sweeper.Process.Kill()
			<-sweeper.ended
			killed, toldThen = time.Now(), sweeper.count(`"outcome":"revoked"`)
		}
		last = time.Now()
		return told < n
	})
	took := last.Sub(killed)
	p.drained(log)
	check(p, loadOf(commands), log)
	t.Logf("%d decisions; the sweeping worker was killed after telling about %d; all told %s later (two poll intervals are %s)", told, toldThen, took.Round(10*time.Millisecond), 2*poll)
	if told != n || toldThen == 0 || toldThen > n*3/4 || took > 2*poll {
		t.Errorf("%d of %d told, %d before the kill, %s after it", told, n, toldThen, took)
	}
}

func (w *proc) count(text string) int { return strings.Count(w.read(), text) }
