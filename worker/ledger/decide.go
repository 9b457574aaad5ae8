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

func (r *Record) decideOpen(c Claimant, a *Attempt, now time.Time) Answer {
	open := a.Command == c.Command
	if r.Lease.live(now) {
		return Answer{Next: Later, Until: r.Lease.Until, Why: WhyLease, Open: open}
	}
	if due := a.Ended.Add(SettleTime); a.Refusal == nil && !a.UntouchedAt.IsZero() && now.Before(due) {
		return Answer{Next: Later, Until: due, Why: WhySettle, Open: open}
	}
	return Answer{Next: Read, Open: open}
}

func (r *Record) decideSettled(c Claimant, t *Target, n Note, now time.Time) Answer {
	switch t.State {
	case Requested:
		for _, q := range t.Requests {
			if q.By == c.Command && q.open() {
				return Answer{Next: Await, Request: q}
			}
		}
		if q := t.waiting(); q != nil && (!c.Skip || n.SkipRefused) {
			return Answer{Next: Adopt, Request: *q}
		}
		if !c.Skip && t.waiting() == nil {
			// Another command's request is approved and the target does not read revoked yet.
			for _, q := range t.Requests {
				if q.By != "" && q.open() {
					return Answer{Next: Adopt, Request: q}
				}
			}
		}
	case Rejected:
		// A command that asks for more than a request is answered by none but its own.
		if e := t.Effect; e != nil && !e.At.Before(c.Received) && (!c.Skip || n.SkipRefused || e.Command == c.Command) {
			return Answer{Next: Finish, State: Rejected, Effect: *e}
		}
		return Answer{Next: Read}
	case Refused:
		return Answer{Next: Read}
	case Untouched, Revoked:
		if r.Commands[c.Command] != nil && t.voided(c.Command) != nil {
			return Answer{Next: Read} // its request is no more: what is left is to say so
		}
	}
	if now.Before(n.NotBefore) {
		return Answer{Next: Later, Until: n.NotBefore, Why: WhyBackoff}
	}
	return Answer{Next: Send}
}
