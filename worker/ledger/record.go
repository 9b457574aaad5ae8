package ledger

import (
	"encoding/json"
	"slices"
	"time"
)

// WholeOrder is the target of a command that names no certificate.
const WholeOrder int64 = 0

// SettleTime is how long after the end of a PUT the second of two agreeing
// reads must begin: reads lag and commits come late.
const SettleTime = 10 * time.Second

// LeaseSlack is what a lease is longer than the time-out of the call it covers.
const LeaseSlack = 5 * time.Second

// State is what is known of a target, apart from an open attempt.
type State string

// The states; the package documentation says what each means.
const (
	Untouched State = ""
	Requested State = "requested"
	Revoked   State = "revoked"
	Rejected  State = "rejected"
	Refused   State = "refused"
)

// Record is all that is known of one order.
type Record struct {
	Order int64 `json:"order"`
	// Lease is held by whoever may call DigiCert for this order now; nil if nobody.
	Lease *Lease `json:"lease,omitempty"`
	// Targets by certificate id; [WholeOrder] is the order itself.
	Targets map[int64]*Target `json:"targets,omitempty"`
	// Commands by name: those that began something here and have not ended.
	Commands map[string]*Note `json:"commands,omitempty"`
	// Recent are the names of the last commands that began something here, the
	// latest last: by them people find what was done for an order. Nothing is
	// decided by it.
	Recent []string `json:"recent,omitempty"`
}

// Lease keeps others from calling DigiCert for the order until it ends.
type Lease struct {
	// Owner is random per attempt, never per process: a process that was
	// frozen past its lease does not take a later lease of its own for this one.
	Owner string `json:"owner"`
	// Until is in server time.
	Until time.Time `json:"until"`
}

// Target is what is known of the whole order or of one certificate of it.
type Target struct {
	State State `json:"state,omitempty"`
	// Puts counts the PUTs begun and not taken back. It only ever serves people;
	// the guard is Attempt.
	Puts int `json:"puts,omitempty"`
	// Attempt is the PUT whose outcome is not known; nil if there is none.
	Attempt *Attempt `json:"attempt,omitempty"`
	// Requests are all revoke requests known to concern this target.
	Requests []Request `json:"requests,omitempty"`
	// Doubt is what was decided outside and no two reads agree on yet; nil if there is none.
	Doubt *Doubt `json:"doubt,omitempty"`
	// Member is true once a certificate was found among the order's.
	Member bool `json:"member,omitempty"`
	// Effect says who caused State, for Revoked and Rejected.
	Effect *Effect `json:"effect,omitempty"`
}

// Attempt is one PUT, written down before it is sent.
type Attempt struct {
	Owner   string `json:"owner"`
	Command string `json:"command"`
	Reason  string `json:"reason,omitempty"`
	Skip    bool   `json:"skip,omitempty"`
	// Known are the revoke requests of the order known before the PUT: only
	// another id can be evidence of it.
	Known []int64 `json:"known,omitempty"`
	// Begun and Ended are in server time. Ended is zero while the PUT may run.
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended,omitzero"`
	// Refusal is DigiCert's clear no, before a read has confirmed that it hides no success.
	Refusal *Refusal `json:"refusal,omitempty"`
	Silence
}

// Silence remembers the first read that showed no effect of something. One
// read decides nothing: the second that agrees must have begun [SettleTime]
// after what it is asked about.
type Silence struct {
	// UntouchedAt dates the first such read, and UntouchedBy names it, so that
	// one read is never counted twice.
	UntouchedAt time.Time `json:"untouched_at,omitzero"`
	UntouchedBy string    `json:"untouched_by,omitempty"`
}

// agreed takes a read that shows no effect of what ended at since, and reports
// whether it is the second of two that agree.
func (s *Silence) agreed(since time.Time, read Reading) bool {
	if read.Began.Before(since) {
		return false
	}
	if s.UntouchedAt.IsZero() {
		s.UntouchedAt, s.UntouchedBy = read.Began, read.ID
		return false
	}
	return read.ID != s.UntouchedBy && read.Began.Sub(since) >= SettleTime
}

// due is when the second read may begin; zero if the first is still missing.
func (s *Silence) due(since time.Time) time.Time {
	if s.UntouchedAt.IsZero() {
		return time.Time{}
	}
	return since.Add(SettleTime)
}

// Doubt follows a decision that was not asked of us: a request of somebody
// outside that is decided, or one that DigiCert does not know any more. Reads
// of the order lag behind it, so it is settled as an open attempt is.
type Doubt struct {
	// Since is when the decision was seen, server time.
	Since time.Time `json:"since"`
	Silence
}

// Suspicion is a reason to end a command that one read gave: an order that
// DigiCert does not show, a certificate that is not the order's, or another
// common name than the expected one.
type Suspicion struct {
	// Type is the error type of the contract.
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	By   string    `json:"by"`
}

// Request is one revoke request of DigiCert's.
type Request struct {
	ID int64 `json:"id"`
	// By is the name of the command that caused it; "" is somebody outside.
	By     string `json:"by,omitempty"`
	Status string `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Decided is when it was approved or rejected, as far as known.
	Decided time.Time `json:"decided,omitzero"`
	// Since is when the record first had it.
	Since time.Time `json:"since,omitzero"`
	// Raw is DigiCert's object, for the event.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// Waits reports whether it may still be decided. A status that nobody documents
// is taken for that: it is followed, and must not lead to a PUT.
func (r Request) Waits() bool { return r.Status != "approved" && r.Status != "rejected" && !r.void() }

// open reports whether a request of ours may still take effect, or did.
func (r Request) open() bool { return r.Status != "rejected" && !r.void() }

// void reports whether the request came to nothing without an administrator's no.
func (r Request) void() bool {
	switch r.Status {
	case RequestGone, "canceled", "cancelled", "denied", "expired":
		return true
	}
	return false
}

// Effect says whose call took effect, and how.
type Effect struct {
	// Command is "" if somebody outside caused it.
	Command   string `json:"command,omitempty"`
	Reason    string `json:"reason,omitempty"`
	RequestID int64  `json:"request_id,omitempty"`
	// Status is DigiCert's word: the request's, or "revoked" where there was none.
	Status   string    `json:"status,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	At       time.Time `json:"at,omitzero"`
	// ReadBy names the read that showed it, which is none that came after it.
	ReadBy string `json:"read_by,omitempty"`
}

// Refusal is a final answer of DigiCert that is no success.
type Refusal struct {
	// Type is the error type of the contract.
	Type   string `json:"type,omitempty"`
	Detail string `json:"detail,omitempty"`
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
}

// Note is what is known of one command that has not ended.
type Note struct {
	// Target is what the command wants revoked.
	Target int64 `json:"target,omitempty"`
	// First is the begin of the first call of the row of failures that spends its
	// retry budget, server time; zero where a call has succeeded since.
	First time.Time `json:"first"`
	// Attempts are the PUTs begun for it; a 429 and a PUT never written do not count.
	Attempts int `json:"attempts,omitempty"`
	// Unclear is set once one of its PUTs ended without a clear answer.
	Unclear bool `json:"unclear,omitempty"`
	// Denied counts 401 and 403 answers that were the command's own.
	Denied int `json:"denied,omitempty"`
	// SkipRefused is set when skip_approval was refused while a request waited.
	SkipRefused bool `json:"skip_refused,omitempty"`
	// Failures counts failed calls in a row, for the backoff; Last is when the
	// latest failed, Spent what they used of the retry budget so far.
	Failures int           `json:"failures,omitempty"`
	Last     time.Time     `json:"last,omitzero"`
	Spent    time.Duration `json:"spent,omitempty"`
	// NotBefore is when the next try is due.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Suspicion is what one read said against the command.
	Suspicion *Suspicion `json:"suspicion,omitempty"`
	// Outcome is certain and only has to be said.
	Outcome *Outcome `json:"outcome,omitempty"`
}

// Outcome is how a command ends if not with the state of its target.
type Outcome struct {
	// Kind is the final event's name.
	Kind string `json:"kind"`
	// By is the operator who cancelled it; Refusal.Detail is then the reason.
	By string `json:"by,omitempty"`
	Refusal
	RequestID int64 `json:"request_id,omitempty"`
}

// Suffix ends the comments of every request that the command causes; it is how
// a request is known to be the command's.
func Suffix(command string) string { return " [certrecall " + command + "]" }

func (r *Record) target(id int64) *Target {
	t := r.Targets[id]
	if t == nil {
		t = &Target{}
		if r.Targets == nil {
			r.Targets = map[int64]*Target{}
		}
		r.Targets[id] = t
	}
	return t
}

const (
	// maxTried is how many commands may be tried on one order at a time. Those
	// that only wait for a request of another are not among them.
	maxTried = 128
	// maxNotes leaves room for the outcomes of others, which are said and
	// forgotten within moments.
	maxNotes = 2 * maxTried
)

// note returns the command's note, and makes it while there are fewer than
// room; nil if there are not.
func (r *Record) note(c Claimant, now time.Time, room int) *Note {
	n := r.Commands[c.Command]
	if n == nil && len(r.Commands) < room {
		n = &Note{Target: c.Target, First: now}
		if r.Commands == nil {
			r.Commands = map[string]*Note{}
		}
		r.Commands[c.Command] = n
		r.remember(c.Command)
	}
	return n
}

// maxRecent is how many names of commands a record keeps.
const maxRecent = 32

// remember puts a command among the last ones.
func (r *Record) remember(command string) {
	r.Recent = slices.DeleteFunc(r.Recent, func(name string) bool { return name == command })
	r.Recent = append(r.Recent, command)
	if over := len(r.Recent) - maxRecent; over > 0 {
		r.Recent = slices.Delete(r.Recent, 0, over)
	}
}

// Note returns what is known of the command; the zero Note if nothing is.
func (r *Record) Note(command string) Note {
	if n := r.Commands[command]; n != nil {
		return *n
	}
	return Note{}
}

// Forget drops what is known of a command: its final event is stored.
// It reports whether there was anything.
func (r *Record) Forget(command string) bool {
	_, had := r.Commands[command]
	delete(r.Commands, command)
	return had
}

// Unclear reports whether a PUT for the target ended, or may run, without an
// answer: then a read that shows nothing says nothing.
func (r *Record) Unclear(target int64) bool {
	t := r.Targets[target]
	return t != nil && t.Attempt != nil && t.Attempt.Refusal == nil
}

func (l *Lease) live(now time.Time) bool { return l != nil && now.Before(l.Until) }
