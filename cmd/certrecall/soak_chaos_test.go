package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
)

const (
	soakWorkers     = 3
	soakCallTimeout = 2 * time.Second
	soakAckWait     = 2 * time.Second
	// longestFreeze is longer than a call, the ack wait, and what is left of a
	// lease when the call begins; the second read finds what was sent after it.
	longestFreeze = 5 * time.Second
)

// chaos breaks the processes of a plant, one thing every 150 to 500 ms.
type chaos struct {
	p    *plant
	nats *natsProcess
	log  *transcript
	rng  *rand.Rand
	args []string // of the workers

	workers [soakWorkers]*proc
	thaw    [soakWorkers]time.Time // when a frozen one goes on; zero = it runs
	leaving []*proc                // told to stop

	budget jetstream.KeyValue // of the fleet: any of its keys may go at any time
	pause  *atomic.Int64      // before a new connection to DigiCert passes its first byte

	deletions, slowLines                              int
	kills, freezes, stops, natsKills, faults, outages int
	outageUntil                                       time.Time
}

// run starts the workers and breaks things until ctx ends.
func (c *chaos) run(ctx context.Context) {
	for i := range c.workers {
		c.start(i)
	}
	nextNATS := time.Now().Add(c.between(3000, 6000))
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.between(150, 500)):
		}
		now := time.Now()
		for i, at := range c.thaw {
			if !at.IsZero() && now.After(at) {
				c.goOn(i)
			}
		}
		c.breakDigiCert(now)
		c.freezeDials()
		c.deleteKey(ctx)
		if now.After(nextNATS) {
			c.restartNATS(ctx)
			nextNATS = time.Now().Add(c.between(5000, 12000))
			continue
		}
		c.breakWorker(c.rng.IntN(soakWorkers))
	}
}

func (c *chaos) breakWorker(i int) {
	w, frozen := c.workers[i], !c.thaw[i].IsZero()
	switch roll := c.rng.IntN(10); {
	case roll < 5: // frozen or not
		c.kills++
		c.log.printf("SIGKILL worker %d", w.Process.Pid)
		_ = w.Process.Kill()
		<-w.ended
		c.thaw[i] = time.Time{}
		c.start(i)
	case roll < 8 && !frozen:
		c.freezes++
		long := c.between(100, int(longestFreeze.Milliseconds()))
		c.log.printf("SIGSTOP worker %d for %s", w.Process.Pid, long)
		_ = w.Process.Signal(syscall.SIGSTOP)
		c.thaw[i] = time.Now().Add(long)
	case roll < 9 && !frozen && w.works():
		c.stops++
		c.log.printf("SIGTERM worker %d", w.Process.Pid)
		_ = w.Process.Signal(syscall.SIGTERM)
		c.leaving = append(c.leaving, w)
		c.start(i)
	}
}

// works reports whether the worker has come so far that it heeds signals.
func (w *proc) works() bool { return strings.Contains(w.read(), `"working"`) }

func (c *chaos) breakDigiCert(now time.Time) {
	switch {
	case !c.outageUntil.IsZero():
		if now.After(c.outageUntil) {
			c.outageUntil = time.Time{}
			c.p.sim.ClearFaults()
			c.log.printf("DigiCert is back")
		}
	case c.rng.IntN(60) == 0:
		c.outages++
		long := c.between(500, 2500)
		c.outageUntil = now.Add(long)
		c.log.printf("DigiCert answers 503 for %s", long)
		c.p.sim.ClearFaults()
		c.p.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 503, Times: -1})
	case c.rng.IntN(2) == 0:
		c.faults++
		f := randomFault(c.rng)
		c.log.printf("fault %+v", f)
		c.p.sim.Script(f)
	}
}

// freezeDials lets new connections wait, for less and for more than a call may take.
func (c *chaos) freezeDials() {
	switch {
	case c.pause.Load() > 0 && c.rng.IntN(4) == 0:
		c.pause.Store(0)
	case c.rng.IntN(12) == 0:
		c.slowLines++
		long := c.between(100, 2500)
		c.log.printf("new connections to DigiCert are frozen for %s", long)
		c.pause.Store(int64(long))
	}
}

// deleteKey deletes one key of the fleet's budget: a record, a turn, a mark.
func (c *chaos) deleteKey(ctx context.Context) {
	if c.rng.IntN(6) != 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	lister, err := c.budget.ListKeys(ctx)
	if err != nil {
		return // NATS is away
	}
	var keys []string
	for key := range lister.Keys() {
		if key != "not-before" { // without it nobody knows of a 429, which is an operator's to decide
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return
	}
	key := keys[c.rng.IntN(len(keys))]
	c.log.printf("delete %s", key)
	if err := c.budget.Delete(ctx, key); err == nil {
		c.deletions++
	}
}

func (c *chaos) restartNATS(ctx context.Context) {
	c.natsKills++
	away := c.between(0, 1500)
	if c.rng.IntN(4) == 0 {
		c.log.printf("SIGTERM NATS, away for %s", away)
		c.nats.stop()
	} else {
		c.log.printf("SIGKILL NATS, away for %s", away)
		c.nats.kill()
	}
	select {
	case <-ctx.Done():
	case <-time.After(away):
	}
	c.nats.start()
	c.log.printf("NATS started")
}

func (c *chaos) start(i int) {
	c.workers[i] = c.p.worker(c.args...)
	c.log.printf("worker %d started, log %s", c.workers[i].Process.Pid, c.workers[i].log.Name())
}

func (c *chaos) goOn(i int) {
	c.log.printf("SIGCONT worker %d", c.workers[i].Process.Pid)
	_ = c.workers[i].Process.Signal(syscall.SIGCONT)
	c.thaw[i] = time.Time{}
}

// heal ends everything that is broken.
func (c *chaos) heal() {
	for i, at := range c.thaw {
		if !at.IsZero() {
			c.goOn(i)
		}
	}
	c.p.sim.ClearFaults()
	c.pause.Store(0)
	c.log.printf("healed")
	c.shortenRetries()
}

// shortenRetries replaces the workers by ones with the shortest retry budget. A
// made-up order whose PUT was cut off reads as missing, which says nothing of
// that PUT, so its command is tried for the whole budget and then is
// outcome-unknown; nobody wants to wait a day for that.
func (c *chaos) shortenRetries() {
	c.args = append(c.args, "--retry-max-elapsed", "1m")
	for i, w := range c.workers {
		for deadline := time.Now().Add(drainPatience); !w.works() && time.Now().Before(deadline); {
			select {
			case <-c.p.t.Context().Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
		c.log.printf("SIGTERM worker %d", w.Process.Pid)
		_ = w.Process.Signal(syscall.SIGTERM)
		c.leaving = append(c.leaving, w)
		c.start(i)
	}
}

// end stops the workers in order: each must end well.
func (c *chaos) end() {
	for _, w := range c.workers {
		select {
		case <-w.ended:
			c.log.violation("worker %d ended by itself: %s", w.Process.Pid, w.ProcessState)
		default:
		}
		_ = w.Process.Signal(syscall.SIGTERM)
	}
	for _, w := range append(c.leaving, c.workers[:]...) {
		if state := w.wait(c.p.t); !state.Success() {
			c.log.violation("worker %d was told to stop and ended with %s", w.Process.Pid, state)
		}
	}
}

func (c *chaos) figures() string {
	return fmt.Sprintf("workers: %d killed, %d frozen, %d told to stop; NATS restarted %d times; %d faults, %d outages of DigiCert, %d frozen dials; %d keys deleted",
		c.kills, c.freezes, c.stops, c.natsKills, c.faults, c.outages, c.slowLines, c.deletions)
}

func (c *chaos) between(low, high int) time.Duration {
	return time.Duration(low+c.rng.IntN(high-low)) * time.Millisecond
}
