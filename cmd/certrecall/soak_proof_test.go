package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/streams"
)

// The proofs are named situations with real processes, each with its figures.
// The long ones run one after the other under make proofs, so that their
// times mean something; the short ones run in every test.

// longProof skips the test unless make proofs asks for it.
func longProof(t *testing.T) {
	t.Helper()
	if os.Getenv("CERTRECALL_PROOFS") == "" {
		t.Skip("takes up to a minute of a quiet machine; make proofs runs it")
	}
}

// processPlant is a plant on nats-server processes.
func processPlant(t *testing.T, nodes int, o digicertsim.Options) (*plant, []*natsProcess, *transcript) {
	t.Helper()
	log := newTranscript(t)
	servers := startNATS(t, log.dir, nodes)
	js, err := jetstream.New(connectNATS(t, servers))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlantOn(t, natsURLs(servers), js, streams.Options{Replicas: nodes}, o)
	p.logs = log.dir
	return p, servers, log
}

// proofOrder is the order of the i-th command of a proof: no request of it is rejected.
func proofOrder(i int) int64 { return firstSoakOrder + int64(10*i) }

// mixed are n commands on as many orders: half of them revocations that wait
// for an administrator, a quarter that do not, a quarter lists.
func mixed(n int) []messages.Command {
	var all []messages.Command
	for i := range n {
		c := messages.Command{ID: fmt.Sprintf("p-%d", i), Source: "proof", Lane: messages.LaneRevoke, OrderID: proofOrder(i), Comments: "proof"}
		switch i % 4 {
		case 1:
			c.SkipApproval = true
		case 3:
			c.Lane, c.Comments = messages.LaneListDuplicates, ""
		}
		all = append(all, c)
	}
	return all
}

// atOnce are n revocations on as many orders that need no approval.
func atOnce(n int) []messages.Command {
	var all []messages.Command
	for i := range n {
		all = append(all, messages.Command{
			ID: fmt.Sprintf("p-%d", i), Source: "proof", Lane: messages.LaneRevoke, OrderID: proofOrder(i), Comments: "proof", SkipApproval: true,
		})
	}
	return all
}

// loadOf is what check needs to know of commands that were published.
func loadOf(commands []messages.Command) *load {
	l := &load{}
	for _, c := range commands {
		l.all = append(l.all, &published{cmd: c})
	}
	return l
}

// answers are final events, and when the stream stored the last.
type answers struct {
	by   map[string]messages.Event
	last time.Time
}

// await waits for n final events.
func (p *plant) await(n int, limit time.Duration) answers {
	p.t.Helper()
	a := answers{by: map[string]messages.Event{}}
	p.follow(limit, func(e messages.Event, at time.Time) bool {
		if e.Name.Final() {
			a.by[e.Source+"/"+e.ID], a.last = e, at
		}
		return len(a.by) < n
	})
	if len(a.by) < n {
		p.t.Errorf("%d of %d commands were answered within %s; left: %s", len(a.by), n, limit, p.left())
	}
	return a
}

// while breaks things again and again until n commands are answered.
func (p *plant) while(n int, limit time.Duration, low, high int, breakOne func(*rand.Rand)) answers {
	p.t.Helper()
	var a answers
	answered := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() { defer close(answered); a = p.await(n, limit) })
	defer waiting.Wait()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for {
		select {
		case <-answered:
			return a
		case <-time.After(time.Duration(low+rng.IntN(high-low)) * time.Millisecond):
			breakOne(rng)
		}
	}
}

// TestProofKilledWorkers: 600 revocations, three workers, one of them killed
// every 150 to 500 ms.
func TestProofKilledWorkers(t *testing.T) {
	longProof(t)
	p, _, log := processPlant(t, 1, digicertsim.Options{AutoDecide: time.Second, Latency: 20 * time.Millisecond})
	const n = 600
	commands := mixed(n * 4 / 3) // without the lists
	var revokes []messages.Command
	for _, c := range commands {
		if c.Action() == messages.ActionRevoke {
			revokes = append(revokes, c)
		}
	}
	p.publish(revokes...)
	start := func() *proc {
		return p.worker("--ack-wait", soakAckWait.String(), "--call-timeout", "1s", "--retry-max-interval", "2s", "--concurrency", "4")
	}
	workers, kills, began := []*proc{start(), start(), start()}, 0, time.Now()
	p.while(n, 5*time.Minute, 150, 500, func(rng *rand.Rand) {
		i := rng.IntN(len(workers))
		_ = workers[i].Process.Kill()
		<-workers[i].ended
		workers[i] = start()
		kills++
	})
	took := time.Since(began)
	p.drained(log)
	check(p, loadOf(revokes), log)
	t.Logf("%d revocations answered in %s with %d workers killed; %d effective calls", n, took.Round(time.Second), kills, p.sim.Stats().Effective)
	if got := p.sim.Stats().Effective; got != n {
		t.Errorf("%d revocations took effect, want %d", got, n)
	}
}

// TestProofNATSRestarts: 800 commands, NATS killed and stopped under load, and
// no worker ends.
func TestProofNATSRestarts(t *testing.T) {
	longProof(t)
	p, nodes, log := processPlant(t, 1, digicertsim.Options{AutoDecide: time.Second, Latency: 100 * time.Millisecond})
	commands := mixed(800)
	p.publish(commands...)
	workers, began, restarts := []*proc{p.worker("--ack-wait", "5s"), p.worker("--ack-wait", "5s")}, time.Now(), 0
	p.while(len(commands), 3*time.Minute, 1500, 3000, func(rng *rand.Rand) {
		if restarts%2 == 0 {
			nodes[0].kill()
		} else {
			nodes[0].stop()
		}
		restarts++
		log.printf("NATS is away")
		select {
		case <-t.Context().Done():
		case <-time.After(time.Duration(rng.IntN(1000)) * time.Millisecond):
		}
		nodes[0].start()
		log.printf("NATS is back")
	})
	took := time.Since(began)
	p.drained(log)
	check(p, loadOf(commands), log)
	for _, w := range workers {
		select {
		case <-w.ended:
			t.Errorf("worker %d ended: %s", w.Process.Pid, w.ProcessState)
		default:
		}
	}
	t.Logf("%d commands answered once in %s with NATS restarted %d times; no worker ended", len(commands), took.Round(time.Second), restarts)
	if restarts < 2 {
		t.Errorf("NATS was restarted %d times only", restarts)
	}
}

// TestProofClusterLosesLeader: three nats-servers with three replicas of
// everything; the one that leads the commands, then the one that leads the
// events, is killed under load.
func TestProofClusterLosesLeader(t *testing.T) {
	longProof(t)
	p, nodes, log := processPlant(t, 3, digicertsim.Options{AutoDecide: time.Second, Latency: 100 * time.Millisecond})
	commands := mixed(400)
	p.publish(commands...)
	args := []string{"--replicas", "3", "--ack-wait", "5s", "--concurrency", "2"}
	p.worker(args...)
	p.worker(args...)
	began, kills := time.Now(), 0
	var away *natsProcess
	of := []string{p.names.CommandsStream(), p.names.EventsStream(), "KV_" + p.names.OrdersBucket()}
	p.while(len(commands), 5*time.Minute, 3000, 3001, func(*rand.Rand) {
		if away != nil {
			away.start()
			log.printf("%s is back", away.name)
			away = nil
			return
		}
		stream := of[kills%len(of)]
		if away = p.leader(nodes, stream); away != nil {
			away.kill()
			kills++
			log.printf("%s, the leader of %s, is killed", away.name, stream)
		}
	})
	took := time.Since(began)
	if away != nil {
		away.start()
	}
	p.drained(log)
	check(p, loadOf(commands), log)
	t.Logf("%d commands answered once in %s with %d leaders killed", len(commands), took.Round(time.Second), kills)
	if kills == 0 {
		t.Error("no leader was killed")
	}
}

// leader finds the process that leads a stream; nil if there is none now.
func (p *plant) leader(nodes []*natsProcess, stream string) *natsProcess {
	s, err := p.js.Stream(p.t.Context(), stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return nil
	}
	for _, n := range nodes {
		if n.name == s.CachedInfo().Cluster.Leader {
			return n
		}
	}
	return nil
}
