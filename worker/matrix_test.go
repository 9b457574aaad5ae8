package worker

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/statements"
)

// The crash matrix stops a worker for ever after each step, and the stall
// matrix freezes it there until another worker has finished; both for every
// scenario that passes the step. Whatever happens, what the promises say must
// hold. A step that no scenario passes fails the tests.

// scenario is a few commands, what DigiCert does to them, and what somebody
// does while the first worker is away.
type scenario struct {
	faults    []digicertsim.Fault
	behaviour digicertsim.Behaviour
	// lag is how old what every read shows is.
	lag       time.Duration
	policy    string
	publish   func(w *world)
	meanwhile func(w *world)
	// effects is how many PUTs may have had an effect, per order.
	effects map[int64]int
	// finals are the final events that are right for each command.
	finals map[string][]messages.EventName
}

// administratorAfter is when a waiting request is decided; requests of orders
// that end in 9 are rejected.
const administratorAfter = 40 * time.Second

// aDuplicate is a certificate of order 4711 at the simulator.
const aDuplicate int64 = 4711*1000 + 1

// hurried shortens the settings, for less fake time a row.
func hurried(c *Config) {
	c.AckWait, c.CallTimeout, c.ApprovalPoll = 10*time.Second, 5*time.Second, 10*time.Second
}

func one(body fields, finals ...messages.EventName) scenario {
	return scenario{
		publish: func(w *world) { w.publish(messages.LaneRevoke, "soar", body) },
		effects: map[int64]int{body["order_id"].(int64): 1},
		finals:  map[string][]messages.EventName{"soar/" + body["id"].(string): finals},
	}
}

func (s scenario) with(f digicertsim.Fault) scenario {
	f.Op = digicertsim.OpRevokeOrder
	s.faults = append(slices.Clone(s.faults), f)
	return s
}

func scenarios() map[string]scenario {
	plain := one(revocation("a", 4711), messages.EventRevoked)
	skip := one(revocation("a", 4711, fields{"skip_approval": true}), messages.EventRevoked)
	all := map[string]scenario{
		"201":                             plain,
		"204":                             skip,
		"rejected":                        one(revocation("a", 4719), messages.EventRevokeRejected),
		"one certificate":                 one(revocation("a", 4711, fields{"certificate_id": aDuplicate}), messages.EventRevoked),
		"201, commit lost in a reset":     plain.with(digicertsim.Fault{Kind: digicertsim.FaultResetAfter}),
		"204, commit lost in a reset":     skip.with(digicertsim.Fault{Kind: digicertsim.FaultResetAfter}),
		"201, commit lost in a 502":       plain.with(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 502, Commit: true}),
		"201, commit lost in a hang":      plain.with(digicertsim.Fault{Kind: digicertsim.FaultHang, Commit: true}),
		"201, commit lost in half a body": plain.with(digicertsim.Fault{Kind: digicertsim.FaultTruncate}),
		"201, commit 8 s late":            plain.with(digicertsim.Fault{Kind: digicertsim.FaultLateCommit, Delay: 8 * time.Second}),
		"204, commit 8 s late":            skip.with(digicertsim.Fault{Kind: digicertsim.FaultLateCommit, Delay: 8 * time.Second}),
		"reset without commit, then 201":  plain.with(digicertsim.Fault{Kind: digicertsim.FaultResetBefore}),
		"502 without commit, then 204":    skip.with(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 502}),
		"throttled, then 201":             plain.with(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 429, Code: "request_limit_exceeded"}),
	}
	refused := one(revocation("a", 4711), messages.EventRevokeFailed).with(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 400, Code: "bad_request_format", Times: -1})
	refused.effects = map[int64]int{4711: 0}
	all["refused"] = refused

	// Two messages of one command are one command, whichever worker and lane has them.
	bothLanes := func(s scenario, body fields) scenario {
		s.publish = func(w *world) {
			w.publish(messages.LaneRevoke, "soar", body)
			w.publish(messages.LaneRevokeUrgent, "soar", body)
		}
		return s
	}
	all["in both lanes"] = bothLanes(plain, revocation("a", 4711))
	once := one(revocation("a", 4711), messages.EventRevokeFailed, messages.EventRevoked).with(digicertsim.Fault{Kind: digicertsim.FaultStatus, Status: 400, Code: "bad_request_format"})
	all["refused once, in both lanes"] = bothLanes(once, revocation("a", 4711))
	lagging := plain.with(digicertsim.Fault{Kind: digicertsim.FaultResetAfter})
	lagging.lag = 4 * time.Second
	all["201, commit lost, and reads lag"] = lagging

	all["deadline passes"] = one(revocation("a", 4711, fields{"deadline": time.Date(2000, 1, 1, 0, 0, 20, 0, time.UTC)}), messages.EventRevoked)

	two := scenario{
		publish: func(w *world) {
			w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
			w.publish(messages.LaneRevoke, "servicenow", revocation("b", 4711))
		},
		effects: map[int64]int{4711: 1},
		finals:  map[string][]messages.EventName{"soar/a": {messages.EventRevoked}, "servicenow/b": {messages.EventRevoked}},
	}
	all["two commands on one order"] = two
	stronger := two
	stronger.publish = func(w *world) {
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.publish(messages.LaneRevokeUrgent, "servicenow", revocation("b", 4711, fields{"skip_approval": true}))
	}
	stronger.effects = map[int64]int{4711: 2} // the request, and the revocation that does not wait for it
	all["two commands, one skips approval"] = stronger

	cancelled := one(revocation("a", 4711), messages.EventRevoked, messages.EventRevokeCancelled)
	cancelled.meanwhile = func(w *world) {
		kv, err := w.js.KeyValue(w.t.Context(), w.names.ControlBucket())
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := gate.Cancel(w.t.Context(), kv, gate.Selector{Order: 4711}, "operator", "wrong file"); err != nil {
			w.t.Fatal(err)
		}
	}
	all["cancelled meanwhile"] = cancelled
	all["expired meanwhile"] = one(revocation("a", 4711, fields{"expires": time.Date(2000, 1, 1, 0, 0, 5, 0, time.UTC)}),
		messages.EventRevoked, messages.EventRevokeFailed)

	expired := one(revocation("a", 4711, fields{"expires": time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}), messages.EventRevokeFailed)
	expired.effects = map[int64]int{4711: 0}
	all["expired before"] = expired

	all["held, then allowed"] = scenario{
		policy: "sources: {soar: {revocations: 1/1h}}",
		publish: func(w *world) {
			w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
			w.publish(messages.LaneRevoke, "soar", revocation("b", 4712, fields{"skip_approval": true}))
			go func() { // an operator, once both have been judged
				time.Sleep(time.Minute) // synctest
				w.allow("operator", "source.soar", statements.Words{Orders: 1})
			}()
		},
		effects: map[int64]int{4711: 1, 4712: 1},
		finals:  map[string][]messages.EventName{"soar/a": {messages.EventRevoked}, "soar/b": {messages.EventRevoked}},
	}

	all["one id for two orders"] = scenario{
		publish: func(w *world) {
			w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
			w.publish(messages.LaneRevoke, "soar", revocation("a", 4712))
		},
		effects: map[int64]int{4711: 1, 4712: 1},
		finals:  map[string][]messages.EventName{"soar/a": {messages.EventRevoked}},
	}
	return all
}

// passed are the steps that a scenario passes when nothing is stopped.
func (s scenario) passed(t *testing.T) []step {
	var mu sync.Mutex
	seen := map[step]bool{}
	s.run(t, func(w *world) {
		w.startHooked(func(at step) {
			mu.Lock()
			defer mu.Unlock()
			seen[at] = true
		}, hurried)
		s.publish(w)
		s.finish(w)
	})
	var in []step
	for _, st := range steps {
		if seen[st] {
			in = append(in, st)
		}
	}
	return in
}

func (s scenario) run(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorld(t, digicertsim.Options{AutoDecide: administratorAfter, Behaviour: s.behaviour, ReadLag: s.lag}, func(_ *testing.T, w *world) {
		w.sim.Script(s.faults...)
		if s.policy != "" {
			w.policed(s.policy)
		}
		f(w)
	})
}

// finish waits until every command has its answer, and judges all that was said and done.
func (s scenario) finish(w *world) {
	w.t.Helper()
	w.wait("a final event for each command", 20*time.Minute, func() bool { return s.answered(w) })
	w.wait("an empty queue", 5*time.Minute, func() bool {
		st, err := w.js.Stream(w.t.Context(), w.names.CommandsStream())
		return err == nil && st.CachedInfo().State.Msgs == 0
	})
	w.pass(25 * time.Second) // two sweeps, and whatever else might still come
	s.judge(w)
}

func (s scenario) answered(w *world) bool {
	for key := range s.finals {
		source, id := splitKey(key)
		said := w.events(source, id)
		if len(said) == 0 || !said[len(said)-1].Name.Final() {
			return false
		}
	}
	return true
}

func (s scenario) judge(w *world) {
	w.t.Helper()
	for _, key := range slices.Sorted(maps.Keys(s.finals)) {
		source, id := splitKey(key)
		said := w.events(source, id)
		if said[0].Name != messages.EventRevokeAccepted {
			w.t.Errorf("%s begins with %s", key, said[0].Name)
		}
		last := said[len(said)-1]
		if !slices.Contains(s.finals[key], last.Name) {
			w.t.Errorf("%s ends with %s: %v", key, last.Name, last.data)
		}
		for _, e := range said[:len(said)-1] {
			if e.Name.Final() {
				w.t.Errorf("%s is followed by more: %v", e.Name, namesOf(said))
			}
		}
		order, _ := w.sim.Order(last.OrderID)
		if done := last.Name == messages.EventRevoked; done && last.CertificateID == 0 && order.Status != "revoked" {
			w.t.Errorf("%s is told as revoked, the order reads %s", key, order.Status)
		}
		if last.Name != messages.EventRevoked && order.Status == "revoked" {
			w.t.Errorf("%s ends with %s, the order reads revoked: %v", key, last.Name, last.data)
		}
		if last.Name == messages.EventRevokeFailed && len(s.effects) == 1 && len(s.finals) == 1 && w.effective(last.OrderID) > 0 {
			w.t.Errorf("%s is told as failed, and a PUT of it had an effect: %v", key, last.data)
		}
		if last.Error != nil && last.Name != messages.EventRevokeRejected && len(w.deadLetters()) == 0 {
			w.t.Errorf("%s failed without a dead letter", key)
		}
	}
	total := 0
	for order, most := range s.effects {
		n := w.effective(order)
		total += n
		if n > most {
			w.t.Errorf("%d effective PUTs for order %d: %+v", n, order, w.puts(order))
		}
	}
	if len(s.effects) == 2 && len(s.finals) == 1 && total != 1 {
		w.t.Errorf("%d effective PUTs for one id", total)
	}
	w.quiet()
}

func splitKey(key string) (source, id string) {
	for i := range key {
		if key[i] == '/' {
			return key[:i], key[i+1:]
		}
	}
	return key, ""
}

// forEachStep runs f for every scenario and every step that it passes.
func forEachStep(t *testing.T, f func(t *testing.T, s scenario, at step)) {
	reached := map[step]bool{}
	all := scenarios()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		var in []step
		t.Run(name, func(t *testing.T) { in = s.passed(t) })
		for _, at := range in {
			reached[at] = true
			t.Run(fmt.Sprintf("%s/%s", name, at), func(t *testing.T) { f(t, s, at) })
		}
	}
	for _, at := range steps {
		if !reached[at] {
			t.Errorf("no scenario passes the step %q: add one", at)
		}
	}
}

func TestCrashMatrix(t *testing.T) {
	forEachStep(t, func(t *testing.T, s scenario, at step) {
		s.run(t, func(w *world) {
			var first *running
			var died atomic.Bool
			first = w.startHooked(func(here step) {
				if here == at && died.CompareAndSwap(false, true) {
					first.cfg.Conn.Close()
				}
				if died.Load() {
					runtime.Goexit() // nothing of this worker goes on
				}
			}, hurried)
			s.publish(w)
			w.wait("the crash", 20*time.Minute, func() bool { return died.Load() || s.answered(w) })
			first.kill()
			if s.meanwhile != nil {
				s.meanwhile(w)
			}
			w.start(hurried)
			s.finish(w)
		})
	})
}

func TestStallMatrix(t *testing.T) {
	forEachStep(t, func(t *testing.T, s scenario, at step) {
		s.run(t, func(w *world) {
			ice := &ice{env: w.env}
			frozen := atomic.Bool{}
			w.startFrozen(ice, func(here step) {
				if here == at && frozen.CompareAndSwap(false, true) {
					ice.freeze()
				}
				ice.pass()
			})
			s.publish(w)
			w.wait("the stall", 20*time.Minute, func() bool { return frozen.Load() || s.answered(w) })
			if s.meanwhile != nil {
				s.meanwhile(w)
			}
			w.start(hurried)
			w.pass(90 * time.Second) // the lease, the ack wait and two reads are over
			ice.thaw()
			s.finish(w)
		})
	})
}
