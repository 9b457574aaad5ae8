package ledger

import (
	"slices"
	"time"
)

// TakeLease makes owner the one who may call DigiCert for the order for d.
// It reports false while another's lease is live. The attempt of a lease that
// died counts as ended when that lease did.
func (r *Record) TakeLease(owner string, now time.Time, d time.Duration) bool {
	if r.Lease.live(now) && r.Lease.Owner != owner {
		return false
	}
	r.closeDead(owner, now)
	r.Lease = &Lease{Owner: owner, Until: now.Add(d)}
	return true
}

// closeDead dates the end of a PUT whose process said nothing more: with its lease.
func (r *Record) closeDead(owner string, now time.Time) {
	for _, t := range r.Targets {
		if a := t.Attempt; a != nil && a.Owner != owner && a.Ended.IsZero() {
			a.Ended = now
			if l := r.Lease; l != nil && l.Owner == a.Owner {
				a.Ended = l.Until
			}
			if n := r.Commands[a.Command]; n != nil {
				n.Unclear = true
			}
		}
	}
}

// Release gives the lease back if owner still holds it.
func (r *Record) Release(owner string) {
	if r.Lease != nil && r.Lease.Owner == owner {
		r.Lease = nil
	}
}

// Begin writes an attempt down: the write-ahead of a PUT. The lease outlives
// timeout, the longest the call may take, by [LeaseSlack]. Begin is idempotent
// for one owner, so that a swap whose answer was lost may be repeated. It
// reports false, and changes nothing, if [Record.Decide] does not answer Send.
func (r *Record) Begin(c Claimant, owner string, now time.Time, timeout time.Duration) bool {
	until := now.Add(timeout + LeaseSlack)
	if t := r.Targets[c.Target]; t != nil && t.Attempt != nil && t.Attempt.Owner == owner && r.Lease != nil && r.Lease.Owner == owner {
		r.Lease.Until = until
		return true
	}
	held := r.Lease
	if held != nil && held.Owner == owner {
		r.Lease = nil
	}
	if r.Decide(c, now).Next != Send {
		r.Lease = held
		return false
	}
	r.Lease = &Lease{Owner: owner, Until: until}
	t, n := r.target(c.Target), r.note(c, now, maxTried)
	t.Puts++
	n.Attempts++
	t.Attempt = &Attempt{Owner: owner, Command: c.Command, Reason: c.Reason, Skip: c.Skip, Known: r.known(), Begun: now}
	return true
}

// TakeBack closes an attempt that provably did nothing: never written, or
// answered 401, 403 or 429. The call still counts as one of the command's
// attempts if counts is set.
func (r *Record) TakeBack(c Claimant, owner string, counts bool) {
	r.Release(owner)
	t := r.target(c.Target)
	if t.Attempt == nil || t.Attempt.Owner != owner {
		return
	}
	t.Attempt = nil
	t.Puts--
	if n := r.Commands[c.Command]; n != nil && !counts {
		n.Attempts--
	}
}

// EndUnclear writes down that the PUT ended without a clear answer.
func (r *Record) EndUnclear(c Claimant, owner string, now time.Time) {
	r.Release(owner)
	if a := r.target(c.Target).Attempt; a != nil && a.Owner == owner {
		a.Ended = now
		if a.UntouchedAt.Before(now) {
			// Another read it while this process was frozen: before it ended, as far as we know.
			a.Silence = Silence{}
		}
		if n := r.Commands[c.Command]; n != nil {
			n.Unclear = true
		}
	}
}

// EndRefused writes down DigiCert's clear no. The attempt stays open until two
// reads have shown that the no hides no success.
func (r *Record) EndRefused(c Claimant, owner string, now time.Time, no Refusal) {
	r.Release(owner)
	if a := r.target(c.Target).Attempt; a != nil && a.Owner == owner {
		a.Ended, a.Refusal = now, &no
		if a.UntouchedAt.Before(now) {
			a.Silence = Silence{}
		}
	}
}

// EndRevoked writes down a 204. It holds also when it comes after the lease.
func (r *Record) EndRevoked(c Claimant, owner string, now time.Time) {
	r.Release(owner)
	t := r.target(c.Target)
	if t.State == Revoked {
		return
	}
	r.revoked(c.Target, Effect{Command: c.Command, Reason: c.Reason, Status: "revoked", Attempts: r.Note(c.Command).Attempts, At: now})
}

// EndRequested writes down the request that the PUT made. It holds also when
// it comes after the lease.
func (r *Record) EndRequested(c Claimant, owner string, now time.Time, q Request) {
	r.Release(owner)
	t := r.target(c.Target)
	if a := t.Attempt; a != nil && (a.Owner == owner || a.Command == c.Command) {
		t.Attempt = nil
	}
	q.By, q.Reason = c.Command, c.Reason
	r.add(t, q, now)
	r.conclude(t, now)
}

// revoked is for ever. The command whose call took effect on its own target
// needs no note any more: its attempts go on in the effect.
func (r *Record) revoked(target int64, e Effect) {
	t := r.target(target)
	t.State, t.Effect, t.Attempt, t.Doubt = Revoked, &e, nil, nil
	if n := r.Commands[e.Command]; n != nil && n.Target == target {
		delete(r.Commands, e.Command)
	}
}

func (r *Record) add(t *Target, q Request, now time.Time) {
	if have := t.request(q.ID); have != nil {
		switch {
		case q.Waits() && have.Status == RequestGone:
			have.Decided = time.Time{} // it is there after all
		case q.Waits() && !have.Waits():
			q.Status, q.Raw = "", nil // a decision stands; what says otherwise is older
		case !q.Waits() && (have.Waits() || q.Status == RequestGone && have.Status != RequestGone):
			t.doubt(have.By, q.Status, now)
		}
		if len(have.Raw) > len(q.Raw) && q.Status == have.Status {
			q.Raw = nil // an order shows its requests shortened, without who decided
		}
		if q.By != "" {
			have.By = q.By
		}
		if q.Reason != "" {
			have.Reason = q.Reason
		}
		if q.Status != "" {
			have.Status = q.Status
		}
		if !q.Decided.IsZero() {
			have.Decided = q.Decided
		}
		if len(q.Raw) > 0 {
			have.Raw = q.Raw
		}
		return
	}
	q.Since = now
	t.Requests = append(t.Requests, q)
	if q.Status == "approved" {
		t.doubt(q.By, q.Status, now)
	}
}

// doubt begins where a decision is seen that reads of the order may lag behind.
// What became of a request of our own is followed until the order shows it.
func (t *Target) doubt(by, status string, now time.Time) {
	if own := by != ""; own && (status == "approved" || status == "rejected") {
		return
	}
	t.Doubt = &Doubt{Since: now}
}

// conclude reckons the state from the requests of a target that does not read revoked.
func (r *Record) conclude(t *Target, now time.Time) {
	if t.State == Revoked {
		return
	}
	waits := false
	var rejected *Request
	for i := range t.Requests {
		q := &t.Requests[i]
		waits = waits || q.Waits() || q.By != "" && q.open()
		if q.By != "" && q.Status == "rejected" && r.undecided(q.By) && (rejected == nil || rejected.Decided.Before(q.Decided)) {
			rejected = q
		}
	}
	switch {
	case waits:
		t.State, t.Effect, t.Doubt = Requested, nil, nil
	case rejected != nil:
		if rejected.Decided.IsZero() {
			rejected.Decided = now
		}
		t.State = Rejected
		t.Effect = rejected.effect(now)
		r.reject(t)
	case t.State == Requested:
		t.State, t.Effect = Untouched, nil
		if q := t.lastRejected(); q != nil {
			// Another's request was rejected: that answers whoever was waiting on it.
			t.State = Rejected
			t.Effect = q.effect(now)
		}
	}
}

// effect is that of a decided request. DigiCert's clock may be ahead of ours.
func (r Request) effect(now time.Time) *Effect {
	at := r.Decided
	if at.After(now) {
		at = now
	}
	return &Effect{Command: r.By, Reason: r.Reason, RequestID: r.ID, Status: r.Status, At: at}
}

func (t *Target) lastRejected() *Request {
	var last *Request
	for i := range t.Requests {
		if q := &t.Requests[i]; q.Status == "rejected" && !q.Decided.IsZero() && (last == nil || last.Decided.Before(q.Decided)) {
			last = q
		}
	}
	return last
}

// undecided reports whether the command is noted and nothing certain is known of it.
func (r *Record) undecided(command string) bool {
	n := r.Commands[command]
	return n != nil && n.Outcome == nil
}

// reject writes the outcome down for every command whose own requests were all
// rejected, so that it stands however the target goes on.
func (r *Record) reject(t *Target) {
	for command, n := range r.Commands {
		i := slices.IndexFunc(t.Requests, func(q Request) bool { return q.By == command && q.Status == "rejected" })
		if i < 0 || n.Outcome != nil || t.Attempt != nil && t.Attempt.Command == command {
			continue
		}
		n.Outcome = &Outcome{
			Kind: "revoke-rejected", RequestID: t.Requests[i].ID,
			Refusal: Refusal{Type: "approval-rejected", Detail: "an administrator rejected the revocation request"},
		}
	}
}

// End writes a certain outcome of the command down before it is said: one that
// says nothing was sent (cancelled, expired, protected, poison, gave up) or
// that nothing more can be learnt. It reports false, and changes nothing, while
// a PUT of the command has an unclear outcome (force overrides that: the truth
// could not be read to the end of the budget) or a request of its own waits; nor
// while the record has no room for it.
func (r *Record) End(c Claimant, now time.Time, o Outcome, force bool) bool {
	if n := r.Commands[c.Command]; n != nil && n.Outcome != nil {
		return true
	}
	if t := r.Targets[c.Target]; t != nil {
		if !force && t.Attempt != nil && t.Attempt.Command == c.Command {
			return false
		}
		if slices.ContainsFunc(t.Requests, func(q Request) bool { return q.By == c.Command && q.open() }) {
			return false
		}
	}
	n := r.note(c, now, maxNotes)
	if n == nil {
		return false
	}
	o.Detail = clip(o.Detail)
	n.Outcome = &o
	return true
}

// Failed dates a failed call and the next try, and adds what it used of the
// retry budget. After a PUT (begun) a missing note means that the command has
// ended meanwhile, and nothing is written.
func (r *Record) Failed(c Claimant, now time.Time, spent, delay time.Duration, begun bool) {
	if begun && r.Commands[c.Command] == nil {
		return
	}
	n := r.note(c, now, maxTried)
	if n == nil {
		return // it will hear that the order is crowded
	}
	if n.First.IsZero() {
		n.First = now
	}
	n.Failures++
	n.Last, n.Spent, n.NotBefore = now, n.Spent+spent, now.Add(delay)
}

// recovered ends a row of failures: only those in a row spend the retry budget.
func (n *Note) recovered() {
	n.First, n.Last, n.NotBefore, n.Failures, n.Spent = time.Time{}, time.Time{}, time.Time{}, 0, 0
}

// Deny counts a 401 or 403 that was the command's own, and reports how many there were.
func (r *Record) Deny(c Claimant, now time.Time) int {
	n := r.note(c, now, maxTried)
	if n == nil {
		return 0
	}
	n.Denied++
	return n.Denied
}

// Suspect takes a read that speaks against the command: for a reason of that
// type nothing may be sent for it. It reports whether the read is the second
// of two that agree, [SettleTime] apart.
func (r *Record) Suspect(c Claimant, errorType string, read Reading, now time.Time) bool {
	n := r.note(c, now, maxTried)
	if n == nil {
		return false
	}
	if s := n.Suspicion; s == nil || s.Type != errorType {
		n.Suspicion = &Suspicion{Type: errorType, At: read.Began, By: read.ID}
	}
	s := n.Suspicion
	return s.By != read.ID && read.Began.Sub(s.At) >= SettleTime
}

// Trust takes back what a read said against the command: another says nothing of it.
func (r *Record) Trust(c Claimant) {
	if n := r.Commands[c.Command]; n != nil {
		n.Suspicion = nil
	}
}
