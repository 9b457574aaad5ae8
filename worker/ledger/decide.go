package ledger

import "time"

// Claimant is the command that asks, as far as the record is concerned.
type Claimant struct {
	// Command is "<source>/<id>".
	Command string
	Target  int64
	// Skip asks for more than a waiting request: revocation without approval.
	Skip   bool
	Reason string
	// Received is when the stream stored the command, server time.
	Received time.Time
	// Expects: the command says what the order is, by its common name.
	Expects bool
	// Identified: a read has shown that the order is that.
	Identified bool
}

// Next is what may be done now. The set is closed: switch over it exhaustively.
type Next int

const (
	// Send: nothing stands against a PUT. Only a [Record.Begin] that was swapped in may lead to it.
	Send Next = iota + 1
	// Read: take the lease, read the order, [Record.Observe], and ask again.
	Read
	// Await: the command's own request waits for an administrator (Answer.Request).
	Await
	// Adopt: another's request waits (Answer.Request) and the command asks for
	// nothing more; read the request freshly before relying on it.
	Adopt
	// Later: not before Answer.Until; another holds the lease, the second read
	// is not due, or the next try is not.
	Later
	// Finish: it is decided; Answer.State and Answer.Effect, or Answer.Outcome, say how.
	Finish
	// Identify: read that the target is the order's and is what the command
	// means, before it is told anything of it.
	Identify
	// Crowded: as many commands as the record can hold are being tried on the order.
	Crowded
)

// Why says what a [Later] waits for.
type Why string

// The reasons to wait.
const (
	WhyLease   Why = "another attempt holds the lease of the order"
	WhySettle  Why = "the second read after an unclear answer is not due"
	WhyBackoff Why = "the next try is not due"
)

// Answer is what [Record.Decide] knows.
type Answer struct {
	Next    Next
	Until   time.Time
	Why     Why
	Request Request
	State   State
	Effect  Effect
	Outcome *Outcome
	// Open is true while a PUT of this very command has an unclear outcome: then
	// a reason to stop forbids further PUTs but decides nothing.
	Open bool
}

// Decide says what is known for the command and what may be done now.
// It changes nothing.
func (r *Record) Decide(c Claimant, now time.Time) Answer {
	t := r.Targets[c.Target]
	if t == nil {
		t = &Target{}
	}
	n := r.Note(c.Command)
	if n.Outcome != nil {
		return Answer{Next: Finish, Outcome: n.Outcome}
	}
	if r.unidentified(c, n) {
		return r.identify(c, n, now)
	}
	if t.State == Revoked {
		return Answer{Next: Finish, State: Revoked, Effect: *t.Effect}
	}
	if whole := r.Targets[WholeOrder]; c.Target != WholeOrder && whole != nil && whole.State == Revoked {
		return Answer{Next: Finish, State: Revoked, Effect: *whole.Effect}
	}
	if a := t.Attempt; a != nil {
		return r.decideOpen(c, a, now)
	}
	if r.Lease.live(now) {
		return Answer{Next: Later, Until: r.Lease.Until, Why: WhyLease}
	}
	return r.decideSettled(c, t, n, now)
}

// unidentified reports whether nothing has shown yet that the command's target
// is the order's and the one that was meant. What it has sent for was.
func (r *Record) unidentified(c Claimant, n Note) bool {
	if n.Attempts > 0 {
		return false
	}
	return c.Target != WholeOrder && !r.Member(c.Target) || c.Expects && !c.Identified
}

func (r *Record) identify(c Claimant, n Note, now time.Time) Answer {
	switch {
	case now.Before(n.settles()):
		return Answer{Next: Later, Until: n.settles(), Why: WhySettle}
	case now.Before(n.NotBefore):
		return Answer{Next: Later, Until: n.NotBefore, Why: WhyBackoff}
	case r.crowded(c):
		return Answer{Next: Crowded}
	}
	return Answer{Next: Identify}
}

// settles is when a second read may agree with what one said against the command.
func (n Note) settles() time.Time {
	if n.Suspicion == nil {
		return time.Time{}
	}
	return n.Suspicion.At.Add(SettleTime)
}

// crowded reports whether the record has no room for one more command to try.
func (r *Record) crowded(c Claimant) bool {
	return r.Commands[c.Command] == nil && len(r.Commands) >= maxTried
}

// readAgain is Read, but not before the second of two reads may agree.
func (n Note) readAgain(since Silence, of, now time.Time) Answer {
	if due := later(since.due(of), n.settles()); now.Before(due) {
		return Answer{Next: Later, Until: due, Why: WhySettle}
	}
	return Answer{Next: Read}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (r *Record) decideOpen(c Claimant, a *Attempt, now time.Time) Answer {
	open := a.Command == c.Command
	if r.Lease.live(now) {
		return Answer{Next: Later, Until: r.Lease.Until, Why: WhyLease, Open: open}
	}
	if due := a.due(a.Ended); now.Before(due) {
		return Answer{Next: Later, Until: due, Why: WhySettle, Open: open}
	}
	return Answer{Next: Read, Open: open}
}

func (r *Record) decideSettled(c Claimant, t *Target, n Note, now time.Time) Answer {
	switch t.State {
	case Requested:
		if a, follows := t.decideRequested(c, n); follows {
			return a
		}
	case Rejected:
		// A command that asks for more than a request is answered by none but its own.
		e := t.Effect
		if e == nil || e.At.Before(c.Received) || c.Skip && !n.SkipRefused && e.Command != c.Command {
			return n.readAgain(Silence{}, time.Time{}, now)
		}
		if t.Doubt == nil || e.Command != "" {
			return Answer{Next: Finish, State: Rejected, Effect: *e}
		}
	case Refused:
		return n.readAgain(Silence{}, time.Time{}, now)
	case Untouched, Revoked:
		if t.Doubt == nil && r.Commands[c.Command] != nil && t.voided(c.Command) != nil {
			return n.readAgain(Silence{}, time.Time{}, now) // its request is no more: what is left is to say so
		}
	}
	if d := t.Doubt; d != nil {
		return n.readAgain(d.Silence, d.Since, now)
	}
	if now.Before(n.settles()) {
		return Answer{Next: Later, Until: n.settles(), Why: WhySettle}
	}
	if now.Before(n.NotBefore) {
		return Answer{Next: Later, Until: n.NotBefore, Why: WhyBackoff}
	}
	if r.crowded(c) {
		return Answer{Next: Crowded}
	}
	return Answer{Next: Send}
}

// decideRequested finds the request that answers the command.
func (t *Target) decideRequested(c Claimant, n Note) (Answer, bool) {
	for _, q := range t.Requests {
		if q.By == c.Command && q.open() {
			return Answer{Next: Await, Request: q}, true
		}
	}
	waiting := t.waiting()
	if waiting != nil && (!c.Skip || n.SkipRefused) {
		return Answer{Next: Adopt, Request: *waiting}, true
	}
	if !c.Skip && waiting == nil {
		// Another command's request is approved and the target does not read revoked yet.
		for _, q := range t.Requests {
			if q.By != "" && q.open() {
				return Answer{Next: Adopt, Request: q}, true
			}
		}
	}
	return Answer{}, false
}
