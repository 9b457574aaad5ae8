package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/statements"
)

// policed has workers follow a policy.
func (w *world) policed(content string) func(*Config) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.policy = path
	return func(c *Config) { c.Policy = path }
}

func (w *world) allow(operator, what string, words statements.Words) {
	w.t.Helper()
	words.Reason = "drill"
	if _, err := statements.Say(w.t.Context(), w.control(), statements.Statement{
		Operator: operator, Verb: statements.Allow, What: what, Words: words,
	}); err != nil {
		w.t.Fatal(err)
	}
}

// count counts the events of a name.
func (w *world) count(name messages.EventName) int {
	return len(w.read(w.names.EventNameSubject(name)))
}

// settled waits until so many revocations are done and so many held.
func (w *world) settled(patience time.Duration, revoked, held int) {
	w.t.Helper()
	w.wait(fmt.Sprintf("%d revoked, %d ever held", revoked, held), patience, func() bool {
		return w.count(messages.EventRevoked) == revoked && w.count(messages.EventRevokeHeld) == held
	})
	w.pass(5 * time.Second)
	if got := w.count(messages.EventRevoked); got != revoked {
		w.t.Errorf("%d revoked, want %d", got, revoked)
	}
	if got := w.count(messages.EventRevokeHeld); got != held {
		w.t.Errorf("%d held, want %d", got, held)
	}
	puts := 0
	for _, c := range w.sim.Calls() {
		if c.Effective {
			puts++
		}
	}
	if puts != revoked {
		w.t.Errorf("%d effective PUTs, want %d", puts, revoked)
	}
}

func skipping(incident string) fields {
	return fields{"skip_approval": true, "incident": incident}
}

const fiveAnHour = "sources: {soar: {revocations: 5/1h}}\nsecond_operator_above: 8\n"

// A source with five an hour sends twenty: five are revoked, fifteen held. What
// operators allow goes on, in the order of the claims; one operator's word
// counts up to the threshold. What is cancelled ends.
func TestHeldUntilAllowed(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		policy := w.policed(fiveAnHour)
		for range 3 {
			w.start(policy, func(c *Config) { c.ApprovalPoll = 10 * time.Second })
		}
		for n := range int64(20) {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprintf("c-%d", n), 100+n, skipping("INC-1")))
		}
		w.settled(time.Minute, 5, 15)
		held := w.read(w.names.EventNameSubject(messages.EventRevokeHeld))
		if h := held[0].Held; h == nil || h.Source != "soar" || h.Limit != "5/1h" || h.Count != 5 {
			t.Errorf("held says %+v", held[0].data)
		}
		w.wait("an empty queue", time.Minute, w.queueEmpty)

		// A window that passes lets nothing go.
		w.pass(2 * time.Hour)
		w.settled(time.Minute, 5, 15)

		// One operator allows more than one may: as far as one may.
		before := w.claims(messages.EventRevokeHeld)
		w.allow("mira", "incident.INC-1", statements.Words{Orders: 12})
		w.pass(2 * time.Second)
		w.settled(0, 13, 15)
		var order []string
		for _, e := range w.read(w.names.EventNameSubject(messages.EventRevoked)) {
			if slices.Contains(before, e.ID) {
				order = append(order, e.ID)
			}
		}
		slices.Sort(order)
		first := slices.Clone(before[:8])
		slices.Sort(first)
		if !slices.Equal(order, first) {
			t.Errorf("%v went on, want the first eight of %v", order, before)
		}
		// The second one: as far as both said.
		w.allow("omar", "incident.INC-1", statements.Words{Orders: 10})
		w.settled(2*time.Second, 15, 15)

		w.cancel(gate.Selector{Incident: "INC-1"})
		w.wait("the rest cancelled", time.Minute, func() bool { return w.count(messages.EventRevokeCancelled) == 5 })
		for _, e := range w.read(w.names.EventNameSubject(messages.EventRevokeCancelled)) {
			if e.CancelledBy != "operator" || e.CancelReason != "wrong file" || e.Attempts != 0 {
				t.Errorf("cancelled says %v", e.data)
			}
		}
		w.settled(0, 15, 15)
		w.quiet()
	})
}

func (w *world) queueEmpty() bool {
	s, err := w.js.Stream(w.t.Context(), w.names.CommandsStream())
	return err == nil && s.CachedInfo().State.Msgs == 0
}

// claims gives the ids of commands with an event of the name, in the order of
// their claims.
func (w *world) claims(name messages.EventName) []string {
	with := map[string]bool{}
	for _, e := range w.read(w.names.EventNameSubject(name)) {
		with[e.ID] = true
	}
	var ids []string
	for _, e := range w.read(w.names.EventNameSubject(messages.EventRevokeAccepted)) {
		if with[e.ID] {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// Sixty-four at once, three workers, two of which are killed in the middle:
// nobody is over, and after a restart the count goes on.
func TestNobodyIsOverWhateverDies(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		policy := w.policed("sources: {soar: {revocations: 9/1h}}\n")
		crash := func(at step, nth int) func(step) {
			return func(s step) {
				if s == at {
					if nth--; nth == 0 {
						panic("killed")
					}
				}
			}
		}
		tweak := func(c *Config) { c.Concurrency = 8; c.AckWait = 2 * time.Second }
		one := w.startHooked(crash(stepClaimed, 3), policy, tweak)
		two := w.startHooked(crash(stepHeldKey, 2), policy, tweak)
		w.start(policy, tweak)
		for n := range int64(64) {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprintf("c-%d", n), 100+n, skipping("INC-1")))
		}
		w.pass(50 * time.Millisecond)
		one.kill()
		two.kill()
		w.settled(5*time.Minute, 9, 55)
		if got := w.claims(messages.EventRevoked); !slices.Equal(got, w.firstClaims(9)) {
			t.Errorf("revoked %v, want the first nine claims %v", got, w.firstClaims(9))
		}
		fresh := w.start(policy)
		w.publish(messages.LaneRevoke, "soar", revocation("late", 900, skipping("INC-2")))
		w.publish(messages.LaneRevoke, "soar", revocation("again", 100, skipping("INC-2"))) // an order that counts already
		w.wait("the order that counts already", time.Minute, func() bool { return w.count(messages.EventRevoked) == 10 && w.count(messages.EventRevokeHeld) == 56 })
		fresh.stop()
		w.pass(time.Hour)
		w.publish(messages.LaneRevoke, "soar", revocation("next-hour", 901, skipping("INC-2")))
		w.wait("the next hour's", time.Minute, func() bool { return w.count(messages.EventRevoked) == 11 })
	})
}

func (w *world) firstClaims(n int) []string {
	var ids []string
	for _, e := range w.read(w.names.EventNameSubject(messages.EventRevokeAccepted)) {
		ids = append(ids, e.ID)
	}
	return ids[:n]
}

// An allowance that is there first lets commands begin without holding them,
// and they do not count against their source.
func TestAllowedBefore(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start(w.policed("sources: {soar: {revocations: 2/1h}}\n"))
		w.allow("mira", "incident.INC-1", statements.Words{Orders: 4})
		for n := range int64(4) {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprintf("c-%d", n), 100+n, skipping("INC-1")))
		}
		w.settled(time.Minute, 4, 0)
		w.allow("omar", "incident.INC-1", statements.Words{Ended: true})
		w.pass(2 * time.Second)
		for n := range int64(3) {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprintf("d-%d", n), 200+n, fields{"skip_approval": true}))
		}
		w.settled(time.Minute, 6, 1)
		// A source's own allowance is for its commands without an incident.
		w.publish(messages.LaneRevoke, "soar", revocation("e", 300, skipping("INC-2")))
		w.settled(time.Minute, 6, 2)
		w.allow("mira", "source.soar", statements.Words{Orders: 10, Until: time.Now().Add(time.Minute)})
		w.settled(2*time.Second, 7, 2)
		w.pass(time.Minute)
		w.publish(messages.LaneRevoke, "soar", revocation("f", 301, fields{"skip_approval": true}))
		w.settled(time.Minute, 7, 3)
	})
}

// A held command still has its deadline, its end, and its protected order; a
// dry run is never held; what waits for an approval after it was allowed is
// followed as ever.
func TestHeldCommandsObey(t *testing.T) {
	inWorld(t, digicertsim.Options{AutoDecide: time.Minute}, func(t *testing.T, w *world) {
		path := filepath.Join(t.TempDir(), "protected")
		if err := os.WriteFile(path, []byte("# none\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.start(w.policed("sources: {soar: {revocations: 1/1h, urgent: false}, jira: {skip_approval: false}}\n"),
			func(c *Config) { c.ProtectedOrders = path; c.ApprovalPoll = 10 * time.Second })
		now := time.Now()
		w.publish(messages.LaneRevoke, "soar", revocation("first", 100, fields{"skip_approval": true}))
		w.waitFor("soar", "first", messages.EventRevoked, time.Minute)
		for id, more := range map[string]fields{
			"expires":   {"expires": now.Add(10 * time.Minute)},
			"overdue":   {"deadline": now.Add(5 * time.Minute)},
			"protected": {},
			"parked":    {},
			"dry":       {"dry_run": true},
		} {
			w.publish(messages.LaneRevoke, "soar", revocation(id, 101+int64(len(id)), more))
		}
		w.waitFor("soar", "dry", messages.EventRevokePlanned, time.Minute)
		for _, id := range []string{"expires", "overdue", "protected", "parked"} {
			w.waitFor("soar", id, messages.EventRevokeHeld, time.Minute)
		}
		w.pass(6 * time.Minute)
		w.waitFor("soar", "overdue", messages.EventRevokeOverdue, time.Minute)
		w.pass(5 * time.Minute)
		w.wantFailure("soar", "expires", messages.ErrorExpired, time.Minute)
		if err := os.WriteFile(path, []byte("110 # the front door\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.wantFailure("soar", "protected", messages.ErrorProtectedOrder, time.Minute)
		w.allow("mira", "source.soar", statements.Words{Orders: 10})
		w.waitFor("soar", "parked", messages.EventRevokeRequested, 2*time.Second)
		w.waitFor("soar", "parked", messages.EventRevoked, 5*time.Minute)
		w.waitFor("soar", "overdue", messages.EventRevoked, 5*time.Minute)

		w.publish(messages.LaneRevokeUrgent, "soar", revocation("urgent", 200))
		w.wantFailure("soar", "urgent", messages.ErrorNotAllowed, time.Minute)
		w.publish(messages.LaneRevoke, "jira", revocation("skip", 201, fields{"skip_approval": true}))
		w.wantFailure("jira", "skip", messages.ErrorNotAllowed, time.Minute)
		w.publish(messages.LaneRevoke, "jira", revocation("dry-skip", 202, fields{"skip_approval": true, "dry_run": true}))
		w.wantFailure("jira", "dry-skip", messages.ErrorNotAllowed, time.Minute)
		if n := len(w.puts(200)) + len(w.puts(201)); n != 0 {
			t.Errorf("%d PUTs for what is not allowed", n)
		}
		w.quiet()
	})
}
