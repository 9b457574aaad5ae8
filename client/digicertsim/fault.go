package digicertsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of fault. All but FaultLatency, FaultLag and FaultTruncate prevent the effect of a PUT unless Commit
// is set or the kind says otherwise.
const (
	// FaultStatus answers Status with Code and Message as an error body, or with Body as it is.
	FaultStatus FaultKind = "status"
	// FaultHTML answers Status (0 = 403) with a page of HTML.
	FaultHTML FaultKind = "html"
	// FaultLatency delays the answer by Delay; the effect comes before the delay if Commit, else after it, and not at
	// all if the caller goes away meanwhile.
	FaultLatency FaultKind = "latency"
	// FaultResetBefore resets the connection; nothing happened.
	FaultResetBefore FaultKind = "reset-before"
	// FaultResetAfter resets the connection after the effect.
	FaultResetAfter FaultKind = "reset-after"
	// FaultLateCommit resets the connection, and the effect comes Delay later. With Status, that is answered instead.
	FaultLateCommit FaultKind = "late-commit"
	// FaultTruncate sends half of the usual answer's body and closes.
	FaultTruncate FaultKind = "truncate"
	// FaultHang answers nothing until the caller goes away, or until Delay if given; then it closes.
	FaultHang FaultKind = "hang"
	// FaultLag answers a read with the state of Delay ago.
	FaultLag FaultKind = "lag"
)

// Fault changes the answers to some calls.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Op, OrderID and CertificateID say which calls; "" and 0 = all.
	Op            Operation `json:"op,omitempty"`
	OrderID       int64     `json:"order_id,omitempty"`
	CertificateID int64     `json:"certificate_id,omitempty"`
	// From is how many of those calls pass unharmed first; Times how many are harmed then: 0 = one, below 0 = all.
	From  int `json:"from,omitempty"`
	Times int `json:"times,omitempty"`

	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	// Body is answered as it is, with ContentType ("" = application/json).
	Body        string `json:"body,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	// RetryAfter is the value of that header; Header has others.
	RetryAfter string            `json:"retry_after,omitempty"`
	Header     map[string]string `json:"header,omitempty"`
	// Delay is a string in JSON: "1.5s".
	Delay time.Duration `json:"-"`
	// Commit: the call has its effect before the fault.
	Commit bool `json:"commit,omitempty"`
}

// MarshalJSON writes the fault as UnmarshalJSON reads it.
func (f Fault) MarshalJSON() ([]byte, error) {
	type plain Fault
	delay := ""
	if f.Delay != 0 {
		delay = f.Delay.String()
	}
	return json.Marshal(struct {
		plain
		Delay string `json:"delay,omitempty"`
	}{plain(f), delay})
}

// UnmarshalJSON reads a fault. An unknown member is an error: a fault that does less than was asked for misleads.
func (f *Fault) UnmarshalJSON(b []byte) error {
	type plain Fault
	v := struct {
		*plain
		Delay string `json:"delay"`
	}{plain: (*plain)(f)}
	if err := decodeStrict(bytes.NewReader(b), &v); err != nil || v.Delay == "" {
		return err
	}
	delay, err := time.ParseDuration(v.Delay)
	f.Delay = delay
	return err
}

// scripted is a fault and how often it has matched.
type scripted struct {
	Fault
	seen int
}

func (f *scripted) matches(c *arrival) bool {
	return (f.Op == "" || f.Op == c.op) && (f.OrderID == 0 || f.OrderID == c.orderID) &&
		(f.CertificateID == 0 || f.CertificateID == c.certificateID)
}

// Script adds faults. A call is harmed by the first one, in the order they were added, whose turn it is.
func (s *Simulator) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &scripted{Fault: f})
	}
}

// ClearFaults takes all faults away.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault finds the fault of a call and counts it for all that match.
func (s *Simulator) takeFault(c *arrival) *Fault {
	var found *Fault
	for _, f := range s.faults {
		if !f.matches(c) {
			continue
		}
		f.seen++
		times := f.Times
		if times == 0 {
			times = 1
		}
		if found == nil && f.seen > f.From && (times < 0 || f.seen <= f.From+times) {
			found = new(f.Fault)
		}
	}
	if found == nil {
		return nil
	}
	if call := s.record.get(c.number); call != nil {
		call.Fault = found.Kind
	}
	return found
}

// serveFault answers a call that is to be harmed.
func (s *Simulator) serveFault(w http.ResponseWriter, r *http.Request, c *arrival, f *Fault) {
	done := effect{answer: answer{status: http.StatusOK}}
	committed := f.Commit || f.Kind == FaultResetAfter || f.Kind == FaultTruncate
	if committed {
		done = s.perform(c)
	}
	switch f.Kind {
	case FaultStatus:
		s.answer(w, c, s.faultAnswer(f))
	case FaultHTML:
		a := page(orDefault(f.Status, http.StatusForbidden))
		a.header = mergeHeader(f.Header, f.RetryAfter)
		s.answer(w, c, a)
	case FaultLatency:
		if !sleep(r.Context(), f.Delay) {
			reset(w)
			return
		}
		if !committed {
			done = s.perform(c)
		}
		s.answer(w, c, done.answer)
	case FaultLag:
		c.lag = f.Delay
		if !committed {
			done = s.perform(c)
		}
		s.answer(w, c, done.answer)
	case FaultLateCommit:
		s.commitLater(c, f.Delay)
		if f.Status != 0 {
			s.answer(w, c, s.faultAnswer(f))
			return
		}
		reset(w)
	case FaultTruncate:
		s.answered(c, done.status)
		done.writeHeader(w)
		_, _ = w.Write(done.body[:len(done.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case FaultHang:
		if f.Delay > 0 {
			sleep(r.Context(), f.Delay)
		} else {
			<-r.Context().Done()
		}
		reset(w)
	case FaultResetBefore, FaultResetAfter:
		reset(w)
	default:
		s.answer(w, c, s.problem(http.StatusInternalServerError, "unknown_fault", "The simulator knows no fault "+string(f.Kind)))
	}
}

// commitLater gives a call its effect after a delay.
func (s *Simulator) commitLater(c *arrival, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due.add(time.Now().Add(delay), func(at time.Time) { s.performAt(at, c) })
}

func (s *Simulator) faultAnswer(f *Fault) answer {
	a := answer{status: orDefault(f.Status, http.StatusInternalServerError), contentType: f.ContentType, body: []byte(f.Body)}
	if f.Body == "" && a.status != http.StatusNoContent {
		s.mu.Lock()
		a = s.problem(a.status, orDefault(f.Code, "internal_server_error"), orDefault(f.Message, "The simulator was told to fail."))
		s.mu.Unlock()
	}
	a.header = mergeHeader(f.Header, f.RetryAfter)
	return a
}
