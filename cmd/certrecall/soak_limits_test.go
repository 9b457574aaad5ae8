package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// TestProofLimit: four workers under 200/20s,100/5s, judged by the simulator
// in exact rolling windows with a block of 5 s: 470 revocations take 40 s at best.
func TestProofLimit(t *testing.T) {
	longProof(t)
	const n, ideal = 470, 40 * time.Second
	p, _, log := processPlant(t, 1, digicertsim.Options{
		Limits: []digicertsim.Window{{Calls: 200, Per: 20 * time.Second}, {Calls: 100, Per: 5 * time.Second}}, Block: 5 * time.Second,
		Latency: 50 * time.Millisecond,
	})
	commands := atOnce(n)
	p.publish(commands...)
	for range 4 {
		p.worker("--rate-limit", "200/20s,100/5s")
	}
	a := p.await(n, 2*time.Minute)
	calls := p.sim.Calls()
	took := a.last.Sub(calls[0].At)
	p.drained(log)
	check(p, loadOf(commands), log)
	t.Logf("%d revocations, four workers: %s from the first call to the last answer, %.1f %% over the ideal %s; %d calls, %d over the limit; most in 5 s: %d, in 20 s: %d",
		n, took.Round(10*time.Millisecond), 100*(took.Seconds()/ideal.Seconds()-1), ideal, len(calls), p.sim.OverLimit(), p.sim.Peak(5*time.Second), p.sim.Peak(20*time.Second))
	if over := p.sim.OverLimit(); over > 0 || took > ideal*11/10 || took < ideal {
		t.Errorf("%s, %d over the limit", took, over)
	}
}

// TestProofUrgentFirst: five urgent revocations against a wall of listings
// under ten calls a second.
func TestProofUrgentFirst(t *testing.T) {
	longProof(t)
	p, _, _ := processPlant(t, 1, digicertsim.Options{Limits: []digicertsim.Window{{Calls: 10, Per: time.Second}}, Block: 5 * time.Second})
	var wall, urgent []messages.Command
	for i := range 1000 {
		wall = append(wall, messages.Command{ID: fmt.Sprintf("list-%d", i), Source: "proof", Lane: messages.LaneListDuplicates, OrderID: proofOrder(i)})
	}
	for i := range 5 {
		urgent = append(urgent, messages.Command{
			ID: fmt.Sprintf("urgent-%d", i), Source: "soc", Lane: messages.LaneRevokeUrgent, OrderID: proofOrder(2000 + i), Comments: "urgent", SkipApproval: true,
		})
	}
	p.publish(wall...)
	for range 2 {
		p.worker("--rate-limit", "10/1s")
	}
	listed, answered, began := 0, 0, time.Time{}
	var last time.Time
	p.follow(time.Minute, func(e messages.Event, at time.Time) bool {
		switch e.Name {
		case messages.EventDuplicatesListed:
			if listed++; listed == 30 {
				began = time.Now()
				p.publish(urgent...)
			}
		case messages.EventRevoked:
			answered, last = answered+1, at
		default:
		}
		return answered < len(urgent)
	})
	took := last.Sub(began)
	t.Logf("1,000 listings queued, %d listed; five urgent revocations answered %s after they were published; %d calls over the limit", listed, took.Round(10*time.Millisecond), p.sim.OverLimit())
	if answered != len(urgent) || took > 3*time.Second || p.sim.OverLimit() > 0 {
		t.Errorf("%d answered in %s, %d over the limit", answered, took, p.sim.OverLimit())
	}
}

// TestProofOutage: 300 commands while DigiCert is down for ten seconds.
func TestProofOutage(t *testing.T) {
	longProof(t)
	p, _, log := processPlant(t, 1, digicertsim.Options{AutoDecide: time.Second})
	commands := mixed(300)
	workers := []*proc{p.worker(), p.worker(), p.worker()}
	for _, w := range workers {
		if !eventually(w.works) {
			t.Fatal("a worker did not start")
		}
	}
	p.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 503, Times: -1})
	down := time.Now()
	p.publish(commands...)
	select {
	case <-t.Context().Done():
	case <-time.After(10*time.Second - time.Since(down)):
	}
	p.sim.ClearFaults()
	back := time.Now()
	into := len(slices.DeleteFunc(p.sim.Calls(), func(c digicertsim.Call) bool { return c.Status != http.StatusServiceUnavailable }))
	a := p.await(len(commands), 2*time.Minute)
	p.drained(log)
	check(p, loadOf(commands), log)
	t.Logf("%d commands, DigiCert down for %s: %d calls into it; all answered %s after it was back", len(commands), back.Sub(down).Round(time.Second), into, a.last.Sub(back).Round(100*time.Millisecond))
	if into >= 200 || a.last.Sub(back) > 45*time.Second {
		t.Errorf("%d calls, %s", into, a.last.Sub(back))
	}
}

// TestProofWrongKey: with a wrong key nothing is answered and hardly anything
// is called; the file is mended, and the same process goes on.
func TestProofWrongKey(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{})
	log := newTranscript(t)
	p.keyFile = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(p.keyFile, []byte("not-the-key"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", reservedPort(t))
	commands := atOnce(40)
	p.publish(commands...)
	w := p.worker("--http-addr", address)
	var said string
	refused := eventually(func() bool {
		status, body := get("http://" + address + "/readyz")
		said = body
		return status == http.StatusServiceUnavailable && strings.Contains(body, "key-refused") && strings.Contains(body, "DigiCert refuses the key")
	})
	if !refused {
		t.Errorf("/readyz does not say that the key is refused: %s", said)
	}
	select { // a while, in which a worker that hammers would
	case <-t.Context().Done():
	case <-time.After(3 * time.Second):
	}
	calls := p.sim.CallCount()
	if p.sim.Stats().Effective > 0 || strings.Contains(w.read(), `"outcome":"revoke`) {
		t.Error("commands were answered with a wrong key")
	}
	mended := time.Now()
	if err := os.WriteFile(p.keyFile, []byte(scriptKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := p.await(len(commands), time.Minute)
	p.drained(log)
	check(p, loadOf(commands), log)
	t.Logf("%d commands, wrong key: %d calls, /readyz: %s; all answered %s after the file was mended", len(commands), calls, strings.TrimSpace(said), a.last.Sub(mended).Round(100*time.Millisecond))
	if calls > 5 {
		t.Errorf("%d calls with a wrong key", calls)
	}
}

// TestProofSIGTERM: a worker is told to stop with eight calls in flight and
// sixty commands waiting.
func TestProofSIGTERM(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{})
	log := newTranscript(t)
	commands := atOnce(68)
	p.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultLatency, Op: digicertsim.OpRevokeOrder, Delay: 3 * time.Second, Times: -1})
	p.publish(commands...)
	first := p.worker() // of two minutes of ack wait
	inFlight := func() int {
		return len(slices.DeleteFunc(p.sim.Calls(), func(c digicertsim.Call) bool { return c.Op != digicertsim.OpRevokeOrder }))
	}
	if !eventually(func() bool { return inFlight() >= 8 }) {
		t.Fatal("the calls never came")
	}
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told := time.Now()
	p.sim.ClearFaults()
	second := p.worker()
	code := first.wait(t).ExitCode()
	ended := time.Since(told)
	a := p.await(len(commands), time.Minute)
	p.drained(log)
	check(p, loadOf(commands), log)
	recorded := first.count(`"outcome":"revoked"`)
	t.Logf("SIGTERM with 8 calls in flight and 60 waiting: %d recorded, exit code %d after %s; the other worker answered %d, all done %s after the signal",
		recorded, code, ended.Round(100*time.Millisecond), second.count(`"outcome":"revoked"`), a.last.Sub(told).Round(100*time.Millisecond))
	if code != 0 || recorded < 8 || inFlight() != len(commands) || a.last.Sub(told) > 20*time.Second {
		t.Errorf("exit code %d, %d recorded, %d calls for %d commands, %s", code, recorded, inFlight(), len(commands), a.last.Sub(told))
	}
}
