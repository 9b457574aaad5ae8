package digicertsim

import (
	"slices"
	"time"
)

// Operation names an operation of the API.
type Operation string

// The operations; "" is a call of anything else.
const (
	OpRevokeOrder       Operation = "revoke-order"
	OpRevokeCertificate Operation = "revoke-certificate"
	OpOrder             Operation = "order"
	OpDuplicates        Operation = "list-duplicates"
	OpReissues          Operation = "list-reissues"
	OpRequest           Operation = "request"
	OpRequests          Operation = "list-requests"
	OpStatusChanges     Operation = "status-changes"
)

// Call is one call that arrived.
type Call struct {
	// At is the time of arrival, by which limits are judged.
	At     time.Time `json:"at"`
	Op     Operation `json:"op"`
	Method string    `json:"method"`
	// Path has the query with it.
	Path string `json:"path"`
	// OrderID is also set for a certificate whose order is known.
	OrderID       int64  `json:"order_id,omitempty"`
	CertificateID int64  `json:"certificate_id,omitempty"`
	RequestID     int64  `json:"request_id,omitempty"`
	Body          string `json:"body,omitempty"`
	// Status is what was answered; 0 = nothing.
	Status int       `json:"status"`
	Fault  FaultKind `json:"fault,omitempty"`
	// Effective: a request was made, MadeRequest then has its id, or something was revoked. A late commit sets it late.
	Effective   bool  `json:"effective,omitempty"`
	MadeRequest int64 `json:"made_request,omitempty"`
	// OverLimit: refused by the limits.
	OverLimit bool `json:"over_limit,omitempty"`
}

// record keeps the last calls. A call is known by its number, counted from 0.
type record struct {
	limit int // 0 or less = none is kept
	calls []Call
	first int // number of calls[0]
	total int
}

func (r *record) add(c Call) (number int) {
	number = r.total
	r.total++
	if r.limit <= 0 {
		return number
	}
	if len(r.calls) >= 2*r.limit { // shifted rarely, so that adding costs little
		n := copy(r.calls, r.calls[len(r.calls)-r.limit:])
		r.first += len(r.calls) - n
		clear(r.calls[n:])
		r.calls = r.calls[:n]
	}
	r.calls = append(r.calls, c)
	return number
}

// get returns a call that is still kept, to be changed; else nil.
func (r *record) get(number int) *Call {
	if i := number - r.first; r.limit > 0 && i >= 0 && i < len(r.calls) {
		return &r.calls[i]
	}
	return nil
}

func (r *record) last() []Call { return r.calls[max(len(r.calls)-r.limit, 0):] }

func (r *record) reset() { *r = record{limit: r.limit} }

// Calls returns the recorded calls in the order they arrived, the last MaxCalls of them.
func (s *Simulator) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(time.Now())
	if s.record.limit <= 0 {
		return nil
	}
	return slices.Clone(s.record.last())
}

// CallCount counts all calls since the start, recorded or not.
func (s *Simulator) CallCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.total
}

// ForgetCalls empties the record and its counts.
func (s *Simulator) ForgetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.reset()
	s.overLimit = 0
}
