package status

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"certrecall/messages"
	"certrecall/worker/ledger"
)

// View is where the commands of a filter stand. [Reader.Load] makes one and
// [Reader.Follow] keeps it up to date; its methods may be called meanwhile.
type View struct {
	names  messages.Names
	filter Filter

	mu         sync.Mutex
	rows       map[messages.CommandName]*Row
	latest     map[target]*Row // the last command of those for the same thing
	counts     map[State]int
	work       work
	unreadable int
	texts      texts

	// Where to go on: the first sequence not read.
	nextEvent, nextCommand uint64
}

func newView(names messages.Names, f Filter) *View {
	return &View{
		names: names, filter: f,
		rows: map[messages.CommandName]*Row{}, latest: map[target]*Row{}, counts: map[State]int{}, work: work{}, texts: texts{},
	}
}

// Len is how many commands there are.
func (v *View) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.rows)
}

// Counts gives the number of commands by state; states without any are absent.
func (v *View) Counts() map[State]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.counts)
}

// Unreadable is how many events, commands and waiting keys could not be read.
func (v *View) Unreadable() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.unreadable
}

// Rows gives every command, oldest first, as of now (which decides what is overdue).
func (v *View) Rows(now time.Time) []Row {
	return v.Select(now, func(*Row) bool { return true })
}

// Select gives the commands that keep reports true for, oldest first.
func (v *View) Select(now time.Time, keep func(*Row) bool) []Row {
	v.mu.Lock()
	var rows []Row
	for _, r := range v.rows {
		r.overdue(now)
		if keep(r) {
			rows = append(rows, *r)
		}
	}
	v.mu.Unlock()
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(a.Received.Compare(b.Received), cmp.Compare(a.OrderID, b.OrderID), cmp.Compare(a.Key(), b.Key()))
	})
	return rows
}

func (r *Row) overdue(now time.Time) {
	end := now
	if r.State.Final() {
		end = r.Finished
	}
	r.Overdue = !r.Deadline.IsZero() && end.After(r.Deadline)
}

// Get gives one command.
func (v *View) Get(c messages.CommandName, now time.Time) (Row, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.rows[c]
	if !ok {
		return Row{}, false
	}
	r.overdue(now)
	return *r, true
}

// enter puts a row into a state. The caller holds mu.
func (v *View) enter(r *Row, s State, since time.Time) {
	if r.State == s {
		return
	}
	v.leave(r)
	r.State, r.Since = s, since
	v.counts[s]++
}

func (v *View) leave(r *Row) {
	if r.State == "" {
		return
	}
	if v.counts[r.State]--; v.counts[r.State] == 0 {
		delete(v.counts, r.State)
	}
}

// forget makes a row new. The caller holds mu.
func (v *View) forget(r *Row) {
	v.leave(r)
	*r = Row{Source: r.Source, Incident: r.Incident, ID: r.ID}
}

// row gives the row of a command, new if there is none. The caller holds mu.
func (v *View) row(c messages.CommandName) *Row {
	r := v.rows[c]
	if r == nil {
		r = &Row{Source: v.texts.once(c.Source), Incident: v.texts.once(c.Incident), ID: c.ID}
		v.rows[r.Name()] = r
	}
	return r
}

// event takes one event into the view, and gives the row before and after it.
func (v *View) event(e messages.Event) (before State, after Row, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.filter.matches(e.Command(), e.OrderID) {
		return "", Row{}, false
	}
	r := v.row(e.Command())
	before = r.State
	// A corrected command goes on under the id of a rejected message: it may be
	// claimed already, or stand in the queue behind that message's end.
	switch rejected := e.Name == messages.EventCommandRejected; {
	case before == Invalid && !rejected:
		v.forget(r)
	case before == Queued && rejected && r.Received.After(e.ReceivedAt):
		return "", Row{}, false
	}
	v.describe(r, e)
	v.advance(r, e)
	v.compare(r)
	return before, *r, true
}

// describe takes over what comes from the command.
func (v *View) describe(r *Row, e messages.Event) {
	r.Lane, r.Action = v.lane(e.Lane), v.action(e.Action)
	if e.CommandID != e.ID {
		r.ClaimedID = e.CommandID
	}
	r.OrderID, r.CertificateID = e.OrderID, e.CertificateID
	r.RequestedBy = v.texts.once(e.RequestedBy)
	r.Comments, r.SkipApproval = v.texts.once(e.Comments), e.SkipApproval
	r.Reason = messages.RevocationReason(v.texts.once(string(e.RevocationReason)))
	r.Deadline, r.Expires, r.ReplayOf, r.Received = e.Deadline, e.Expires, e.ReplayOf, e.ReceivedAt
	if e.Digest != "" {
		r.Digest = e.Digest
	}
}

// advance takes over what became of it.
func (v *View) advance(r *Row, e messages.Event) {
	r.Attempts = max(r.Attempts, e.Attempts)
	if e.RequestID != 0 {
		r.RequestID = e.RequestID
	}
	if e.Status != "" {
		r.Status = v.texts.once(e.Status)
	}
	r.Already = r.Already || e.Already
	r.decided(e.Request)
	switch e.Name {
	case messages.EventRevokeAccepted:
		r.Accepted = e.Time
	case messages.EventRevokeRequested:
		r.Requested = e.Time
	default:
	}
	s := stateOf(e.Name)
	if s == "" || r.State.Final() || s == Accepted && r.State == Waiting {
		return
	}
	v.enter(r, s, e.Time)
	if !s.Final() {
		return
	}
	r.Finished, r.Already = e.Time, e.Already
	r.Certificates, r.ApprovalNeeded = e.Count, e.ApprovalNeeded
	r.OrderStatus = v.texts.once(e.OrderStatus)
	r.DryRun = s == Planned
	if p := e.Error; p != nil {
		r.Error = &Problem{p.Type, v.texts.once(p.Detail), p.Status, v.texts.once(p.Code), p.Retryable, p.ConflictsWith}
	}
}

// queued takes in a command that stands in the commands stream. It reports
// whether the view is about it.
func (v *View) queued(c messages.Command, received time.Time, sequence uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.nextCommand = max(v.nextCommand, sequence+1)
	ours := c.ID != "" && v.filter.matches(c.Name(), c.OrderID)
	v.work.add(c, ours)
	if !ours {
		return false
	}
	r := v.row(c.Name())
	if r.State == Invalid && received.After(r.Received) {
		v.forget(r)
	}
	if r.State != "" {
		return true
	}
	v.fill(r, c)
	r.Received, r.sequence = received, sequence
	v.enter(r, Queued, received)
	v.compare(r)
	return true
}

// fill describes a row by its command, where no event does.
func (v *View) fill(r *Row, c messages.Command) {
	r.Lane, r.Action = c.Lane, c.Action()
	r.OrderID, r.CertificateID, r.DryRun = c.OrderID, c.CertificateID, c.DryRun
	r.RequestedBy = v.texts.once(c.RequestedBy)
	r.Comments, r.SkipApproval = v.texts.once(c.Comments), c.SkipApproval
	r.Reason = messages.RevocationReason(v.texts.once(string(c.RevocationReason)))
	r.Deadline, r.Expires, r.ReplayOf, r.Digest = c.Deadline, c.Expires, c.ReplayOf, c.Digest()
}

// parked takes in a waiting key. Events are right where they say more: a key
// is only a reminder, and may outlive its command for a moment.
func (v *View) parked(c messages.Command, w ledger.Waiting) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.filter.matches(w.Name(), w.Order) {
		return
	}
	r := v.row(w.Name())
	if r.State.Final() && r.State != Invalid {
		return
	}
	if r.State == "" {
		v.fill(r, c)
		r.OrderID, r.Received = w.Order, w.ReceivedAt
	}
	switch w.Phase {
	case ledger.Queued:
		if r.State == "" {
			v.enter(r, Accepted, w.Since)
		}
	case ledger.Parked:
		r.RequestID = cmp.Or(r.RequestID, w.RequestID)
		v.enter(r, Waiting, w.Since)
	}
	v.compare(r)
}

// letter takes in a dead letter. One of a message that was rejected is not of
// the corrected command that went on under its id.
func (v *View) letter(e messages.EventName, c messages.CommandName, sequence uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.rows[c]; r != nil && (r.State == stateOf(e) || r.State == Retried) {
		r.DeadLetter = sequence
	}
}

func (v *View) couldNotRead() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unreadable++
}

func (v *View) lane(l messages.Lane) messages.Lane { return messages.Lane(v.texts.once(string(l))) }

func (v *View) action(a messages.Action) messages.Action {
	return messages.Action(v.texts.once(string(a)))
}

// texts keeps what repeats once: the commands of an incident share most texts.
type texts map[string]string

// maxTexts bounds what is kept to be shared; beyond it texts stand alone.
const maxTexts = 4096

func (t texts) once(s string) string {
	if s == "" {
		return ""
	}
	if known, ok := t[s]; ok {
		return known
	}
	if len(t) < maxTexts {
		t[s] = s
	}
	return s
}
