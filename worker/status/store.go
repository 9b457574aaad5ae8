package status

import (
	"time"

	"certrecall/messages"
)

// table keeps rows small: a million of them fit in a few hundred megabytes.
// Texts that repeat are kept once, times as numbers, and what few rows have in
// a part of its own.
type table struct {
	chunks [][]packed
	size   int
	index  map[rowKey]uint32
	texts  texts
}

// chunkRows is how many rows are made room for at once.
const chunkRows = 4096

// rowKey is a command's name, with source and incident as texts of the table.
type rowKey struct {
	source, incident uint32
	id               string
}

// packed is a row as the table keeps it.
type packed struct {
	id                                                                           string
	order, certificate, request                                                  int64
	letter                                                                       uint64
	since, deadline, received, accepted, requested, finished                     int64 // microseconds since 1970; 0 is none
	source, incident, lane, action, state, status, comments, requestedBy, reason uint32
	attempts                                                                     int32
	flags                                                                        uint8
	rare                                                                         *rare
}

// rare is what few rows have.
type rare struct {
	claimedID, retriedAs, replayOf, digest string
	expires                                time.Time
	decision                               Decision
	certificates                           *int
	orderStatus, product                   string
	approvalNeeded                         *bool
	commonName, serial, account, expected  string
	cancelledBy, cancelReason, heldBy      string
	heldCount                              int
	problem                                *Problem
}

const (
	flagDryRun uint8 = 1 << iota
	flagAlready
	flagSkipApproval
)

func newTable() *table { return &table{index: map[rowKey]uint32{}, texts: newTexts()} }

func (t *table) key(c messages.CommandName) rowKey {
	return rowKey{t.texts.number(c.Source), t.texts.number(c.Incident), c.ID}
}

// find returns the place of a command.
func (t *table) find(c messages.CommandName) (uint32, bool) {
	i, ok := t.index[t.key(c)]
	return i, ok
}

// place returns the place of a command, a new one if there is none.
func (t *table) place(c messages.CommandName) uint32 {
	k := t.key(c)
	if i, ok := t.index[k]; ok {
		return i
	}
	i := uint32(t.size)
	if t.size%chunkRows == 0 {
		t.chunks = append(t.chunks, make([]packed, 0, chunkRows))
	}
	last := len(t.chunks) - 1
	t.chunks[last] = append(t.chunks[last], packed{id: c.ID, source: k.source, incident: k.incident})
	t.size++
	t.index[k] = i
	return i
}

func (t *table) at(i uint32) *packed { return &t.chunks[i/chunkRows][i%chunkRows] }

// get returns a row as others see it.
func (t *table) get(i uint32) Row {
	p := t.at(i)
	r := Row{
		Source: t.texts.text(p.source), Incident: t.texts.text(p.incident), ID: p.id,
		Lane: messages.Lane(t.texts.text(p.lane)), Action: messages.Action(t.texts.text(p.action)),
		OrderID: p.order, CertificateID: p.certificate, RequestID: p.request, DeadLetter: p.letter,
		State: State(t.texts.text(p.state)), Status: t.texts.text(p.status), Comments: t.texts.text(p.comments),
		RequestedBy: t.texts.text(p.requestedBy), Reason: messages.RevocationReason(t.texts.text(p.reason)),
		Since: moment(p.since), Deadline: moment(p.deadline), Received: moment(p.received),
		Accepted: moment(p.accepted), Requested: moment(p.requested), Finished: moment(p.finished),
		Attempts: int(p.attempts), DryRun: p.flags&flagDryRun != 0, Already: p.flags&flagAlready != 0,
		SkipApproval: p.flags&flagSkipApproval != 0,
	}
	if x := p.rare; x != nil {
		r.ClaimedID, r.RetriedAs, r.ReplayOf, r.Digest = x.claimedID, x.retriedAs, x.replayOf, x.digest
		r.Expires, r.Decision, r.Certificates, r.OrderStatus = x.expires, x.decision, x.certificates, x.orderStatus
		r.Product, r.ApprovalNeeded, r.CommonName, r.Serial, r.Account = x.product, x.approvalNeeded, x.commonName, x.serial, x.account
		r.ExpectedCommonName, r.CancelledBy, r.CancelReason = x.expected, x.cancelledBy, x.cancelReason
		r.HeldBy, r.HeldCount, r.Error = x.heldBy, x.heldCount, x.problem
	}
	return r
}

// set keeps a row in its place. Its name does not change.
func (t *table) set(i uint32, r Row) {
	p := t.at(i)
	p.lane, p.action = t.texts.number(string(r.Lane)), t.texts.number(string(r.Action))
	p.order, p.certificate, p.request, p.letter = r.OrderID, r.CertificateID, r.RequestID, r.DeadLetter
	p.state, p.status, p.comments = t.texts.number(string(r.State)), t.texts.number(r.Status), t.texts.number(r.Comments)
	p.requestedBy, p.reason = t.texts.number(r.RequestedBy), t.texts.number(string(r.Reason))
	p.since, p.deadline, p.received = micros(r.Since), micros(r.Deadline), micros(r.Received)
	p.accepted, p.requested, p.finished = micros(r.Accepted), micros(r.Requested), micros(r.Finished)
	p.attempts = int32(min(r.Attempts, 1<<30))
	p.flags = flag(flagDryRun, r.DryRun) | flag(flagAlready, r.Already) | flag(flagSkipApproval, r.SkipApproval)
	x := rare{
		r.ClaimedID, r.RetriedAs, r.ReplayOf, r.Digest, r.Expires, r.Decision, r.Certificates, r.OrderStatus, t.texts.once(r.Product),
		r.ApprovalNeeded, r.CommonName, r.Serial, t.texts.once(r.Account), r.ExpectedCommonName,
		t.texts.once(r.CancelledBy), t.texts.once(r.CancelReason), t.texts.once(r.HeldBy), r.HeldCount, r.Error,
	}
	if p.rare = nil; x != (rare{}) {
		p.rare = &x
	}
}

func flag(f uint8, set bool) uint8 {
	if set {
		return f
	}
	return 0
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// texts numbers texts, each kept once.
type texts struct {
	numbers map[string]uint32
	all     []string
}

func newTexts() texts { return texts{map[string]uint32{"": 0}, []string{""}} }

func (t *texts) number(s string) uint32 {
	if n, ok := t.numbers[s]; ok {
		return n
	}
	n := uint32(len(t.all))
	t.numbers[s] = n
	t.all = append(t.all, s)
	return n
}

func (t *texts) text(n uint32) string { return t.all[n] }

// once returns the copy of a text that is kept.
func (t *texts) once(s string) string { return t.all[t.number(s)] }
