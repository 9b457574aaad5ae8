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
	// Target is what DigiCert says it is about, if Named: a certificate, or [WholeOrder].
	Target int64
	Named  bool
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
	if t.Attempt == nil && t.Doubt == nil && !read.Missing && t.settledBefore(read) {
		t.State, t.Effect = Untouched, nil
	}
	r.conclude(t, now)
	if d := t.Doubt; d != nil && !read.Missing && d.agreed(d.Since, read) {
		t.Doubt = nil
		if e := t.Effect; e != nil {
			e.ReadBy = read.ID
		}
	}
	if t.Doubt == nil {
		r.void(t, read)
	}
	r.keepGoing(t)
	if e := t.Effect; e != nil && e.ReadBy == "" {
		e.ReadBy = read.ID
	}
}

// keepGoing takes a command that follows a request out of the row of failures
// before: its retry budget is for failures in a row.
func (r *Record) keepGoing(t *Target) {
	if t.State != Requested {
		return
	}
	for command, n := range r.Commands {
		own := slices.ContainsFunc(t.Requests, func(q Request) bool { return q.By == command && q.open() })
		if own && t.Attempt == nil || n.Attempts == 0 && r.Targets[n.Target] == t {
			n.recovered()
		}
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

// see files a request under the target of the command that caused it; one from
// outside under the target that DigiCert names, if that is the one that was
// read. What names none is nobody's until something shows whose it is.
func (r *Record) see(target int64, s SeenRequest, now time.Time) {
	by, of := r.owner(s.Comments)
	old, known := r.filed(s.ID)
	switch {
	case by != "":
	case known:
		of = old
	case s.Named && s.Target == target:
		of = target
	default:
		return
	}
	t := r.target(of)
	if known && old != of {
		was := r.Targets[old]
		t.Requests = append(t.Requests, *was.request(s.ID))
		was.Requests = slices.DeleteFunc(was.Requests, func(q Request) bool { return q.ID == s.ID })
		r.conclude(was, now)
	}
	s.By = by
	if a := t.Attempt; a != nil && s.By == a.Command && !slices.Contains(a.Known, s.ID) {
		s.Reason = a.Reason
	}
	if have := t.request(s.ID); have != nil && have.Waits() && !s.Waits() && s.Decided.IsZero() {
		s.Decided = now // the order does not say when
	}
	r.add(t, s.Request, now)
	if of != target {
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
	if a.Refusal != nil && t.waiting() != nil {
		r.refuse(t, a, read) // what waits answers the command
		return
	}
	if read.Missing && a.Refusal == nil {
		return // the key may not see the order: that shows nothing
	}
	if !a.agreed(a.Ended, read) {
		return
	}
	if a.Refusal != nil {
		r.refuse(t, a, read)
		return
	}
	t.Attempt = nil
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
func (r *Record) Decided(q Request, now time.Time) {
	target, known := r.filed(q.ID)
	if !known {
		return
	}
	t := r.Targets[target]
	have := t.request(q.ID)
	if q.Status == RequestGone && (have.void() || have.Status == "rejected" || now.Sub(have.Since) < SettleTime) {
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
	r.note(c, now, maxNotes)
	r.Observe(c.Target, read, now)
}

// SetMember notes that the certificate belongs to the order; that never changes.
func (r *Record) SetMember(certificate int64) { r.target(certificate).Member = true }

// Member reports whether the certificate is known to belong to the order.
func (r *Record) Member(certificate int64) bool {
	t := r.Targets[certificate]
	return t != nil && t.Member
}
