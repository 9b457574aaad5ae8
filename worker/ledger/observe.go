package ledger

import (
	"fmt"
	"slices"
	"time"
)

// Reading is what one read of the order showed of a target.
type Reading struct {
	// ID is random per read: it keeps a repeated swap from counting one read twice.
	ID string
	// Began is when the read began, server time: only what began after a PUT
	// ended can show that it had no effect.
	Began time.Time
	// Revoked is true if the target reads revoked.
	Revoked bool
	// Missing is true if DigiCert does not know the order (404).
	Missing bool
	// OrderStatus is DigiCert's word.
	OrderStatus string
	// Requests are the revoke requests of the order.
	Requests []SeenRequest
}

// SeenRequest is a revoke request as the order shows it.
type SeenRequest struct {
	Request
	Comments string
}

// Observe takes a reading into the record. Evidence of an effect counts
// whenever it was read; the absence of one only if the read began after the
// PUT ended, and twice (see [SettleTime]).
func (r *Record) Observe(target int64, read Reading, now time.Time) {
	t := r.target(target)
	for _, s := range read.Requests {
		r.see(target, s, now)
	}
	if read.Revoked {
		r.observeRevoked(target, read, now)
		return
	}
	if t.Attempt != nil {
		r.observeOpen(t, read)
	}
	if t.Attempt == nil && t.settledBefore(read) {
		t.State, t.Effect = Untouched, nil
	}
	r.conclude(t, now)
	r.void(t, read)
	if e := t.Effect; e != nil && e.ReadBy == "" {
		e.ReadBy = read.ID
	}
}

// void ends every command of the target whose own request came to nothing
// without an administrator's no: it is withdrawn, or DigiCert does not know it
// any more.
func (r *Record) void(t *Target, read Reading) {
	for command, n := range r.Commands {
		q := t.voided(command)
		if q == nil || n.Outcome != nil || t.Attempt != nil && t.Attempt.Command == command {
			continue
		}
		no := Refusal{Type: "refused", Detail: fmt.Sprintf("the revocation request %d reads %s, and nothing is revoked", q.ID, q.Status)}
		if q.Status == RequestGone {
			no.Detail = fmt.Sprintf("DigiCert does not know the revocation request %d any more, and nothing is revoked", q.ID)
		}
		n.Outcome = &Outcome{Kind: "revoke-failed", Refusal: no.after(read), RequestID: q.ID}
	}
}

// voided is the command's own request that came to nothing; nil if there is
// none, or if another of its own is open or was rejected.
func (t *Target) voided(command string) *Request {
	var void *Request
	for i := range t.Requests {
		switch q := &t.Requests[i]; {
		case q.By != command:
		case !q.void():
			return nil
		default:
			void = q
		}
	}
	return void
}

// after gives the refusal the type that a read of the order calls for.
func (no Refusal) after(read Reading) Refusal {
	switch {
	case read.Missing:
		no.Type = "order-not-found"
	case read.OrderStatus != "" && read.OrderStatus != "issued":
		no.Type = "order-not-revocable"
		no.Detail += "; the order reads " + read.OrderStatus
	case no.Type == "":
		no.Type = "refused"
	}
	return no
}

// settledBefore reports whether the target was rejected or refused, and read
// again since: then a new command may begin.
func (t *Target) settledBefore(read Reading) bool {
	if t.State != Rejected && t.State != Refused {
		return false
	}
	return t.Effect == nil || t.Effect.ReadBy != read.ID && !read.Began.Before(t.Effect.At)
}

// see files a request under the target of the command that caused it; one
// from outside under the target that was read, unless it is known elsewhere.
func (r *Record) see(target int64, s SeenRequest, now time.Time) {
	t := r.target(target)
	s.By = r.owner(t, s.Comments)
	if n := r.Commands[s.By]; n != nil && n.Target != target {
		t = r.target(n.Target)
	}
	if s.By == "" && r.elsewhere(s.ID, target) {
		return
	}
	if a := t.Attempt; a != nil && s.By == a.Command && !slices.Contains(a.Known, s.ID) {
		s.Reason = a.Reason
	}
	if have := t.request(s.ID); have != nil && have.Waits() && !s.Waits() && s.Decided.IsZero() {
		s.Decided = now // the order does not say when
	}
	r.add(t, s.Request, now)
	if other := r.Targets[target]; other != t {
		r.conclude(t, now) // what waits there forbids a PUT there
	}
}

func (r *Record) observeRevoked(target int64, read Reading, now time.Time) {
	t := r.target(target)
	if t.State == Revoked {
		return
	}
	e := Effect{Status: "revoked", At: now}
	for _, q := range t.Requests {
		if q.Status == "approved" {
			e = Effect{Command: q.By, Reason: q.Reason, RequestID: q.ID, Status: q.Status, At: now}
			if q.By != "" {
				break
			}
		}
	}
	if q := r.approvedForAll(target); q != nil && read.OrderStatus == "revoked" && e.Command == "" && (t.Attempt == nil || !t.Attempt.Skip) {
		// The certificate went with its order. A PUT of its own that needs approval
		// would show a request of its own.
		e = Effect{Command: q.By, Reason: q.Reason, RequestID: q.ID, Status: q.Status, At: now}
	}
	if a := t.Attempt; a != nil && a.Refusal == nil && e.Command == "" {
		// After an unclear answer to our own call the revocation is taken for ours,
		// whatever requests of others the order's past has.
		e = Effect{Command: a.Command, Reason: a.Reason, Status: "revoked", At: now}
	}
	if e.Command == "" && e.RequestID == 0 {
		// A late commit of an earlier unclear attempt explains it just as well.
		for command, n := range r.Commands {
			if n.Unclear && n.Target == target && n.Outcome == nil {
				e.Command = command
			}
		}
	}
	e.Attempts = r.Note(e.Command).Attempts
	r.revoked(target, e)
}

// approvedForAll is a command's approved request to revoke the whole order;
// nil if the target is the order itself.
func (r *Record) approvedForAll(target int64) *Request {
	whole := r.Targets[WholeOrder]
	if target == WholeOrder || whole == nil {
		return nil
	}
	for i := range whole.Requests {
		if q := &whole.Requests[i]; q.Status == "approved" && q.By != "" {
			return q
		}
	}
	return nil
}

func (r *Record) observeOpen(t *Target, read Reading) {
	a := t.Attempt
	for _, q := range t.Requests {
		if q.By == a.Command && !slices.Contains(a.Known, q.ID) {
			t.Attempt = nil
			return
		}
	}
	if a.Ended.IsZero() || read.Began.Before(a.Ended) {
		return
	}
	if a.Refusal != nil {
		r.refuse(t, a, read)
		return
	}
	if a.UntouchedAt.IsZero() {
		a.UntouchedAt, a.UntouchedBy = read.Began, read.ID
		return
	}
	if read.ID != a.UntouchedBy && read.Began.Sub(a.Ended) >= SettleTime {
		t.Attempt = nil
	}
}

// refuse ends the command of a refused attempt, unless another's request waits
// that answers it.
func (r *Record) refuse(t *Target, a *Attempt, read Reading) {
	t.Attempt = nil
	n := r.Commands[a.Command]
	if n == nil {
		return
	}
	if t.waiting() != nil {
		n.SkipRefused = true
		return
	}
	n.Outcome = &Outcome{Kind: "revoke-failed", Refusal: a.Refusal.after(read)}
	if t.State == Untouched || t.State == Rejected {
		t.State, t.Effect = Refused, &Effect{Command: a.Command, At: a.Ended, ReadBy: read.ID}
	}
}

// RequestGone is our own word for a request that DigiCert does not know any
// more. Of a request younger than [SettleTime] it says nothing: reads lag.
const RequestGone = "gone"

// Decided takes a fresh read of one known request into the record.
func (r *Record) Decided(target int64, q Request, now time.Time) {
	t := r.target(target)
	have := t.request(q.ID)
	if have == nil || q.Status == RequestGone && now.Sub(have.Since) < SettleTime {
		return
	}
	if q.Decided.IsZero() && !q.Waits() {
		q.Decided = now
	}
	r.add(t, q, now)
	r.conclude(t, now)
}

// Recall takes a reading into a record that knows nothing of a command which
// may have sent before: a request that ends in its suffix is its own.
func (r *Record) Recall(c Claimant, read Reading, now time.Time) {
	r.note(c, now)
	r.Observe(c.Target, read, now)
}

// SetMember notes that the certificate belongs to the order; that never changes.
func (r *Record) SetMember(certificate int64) { r.target(certificate).Member = true }

// Member reports whether the certificate is known to belong to the order.
func (r *Record) Member(certificate int64) bool {
	t := r.Targets[certificate]
	return t != nil && t.Member
}
