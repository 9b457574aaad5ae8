package status

import (
	"cmp"
	"iter"
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
	rows       *table
	latest     map[target]uint32 // the last command of those for the same thing
	known      map[int64]named   // what plans and lists say of orders
	counts     map[State]int
	work       work
	unreadable int

	// Where to go on: the first sequence not read.
	nextEvent, nextCommand uint64
}

func newView(names messages.Names, f Filter) *View {
	return &View{
		names: names, filter: f,
		rows: newTable(), latest: map[target]uint32{}, known: map[int64]named{}, counts: map[State]int{}, work: work{},
	}
}

// Filter is what the view is about.
func (v *View) Filter() Filter { return v.filter }

// Len is how many commands there are.
func (v *View) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rows.size
}

// Counts gives the number of commands by state; states without any are absent.
func (v *View) Counts() map[State]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.counts)
}

// Plans gives the number of those that only plan, by state.
func (v *View) Plans() map[State]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts := map[State]int{}
	for _, chunk := range v.rows.chunks {
		for i := range chunk {
			if chunk[i].flags&flagDryRun != 0 {
				counts[State(v.rows.texts.text(chunk[i].state))]++
			}
		}
	}
	return counts
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
	var rows []Row
	for r := range v.Each(now) {
		if keep(&r) {
			rows = append(rows, r)
		}
	}
	return rows
}

// Each yields every command, in order of receipt, as of now. A view of a
// million commands is walked without a copy of it.
func (v *View) Each(now time.Time) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		v.mu.Lock()
		order := v.inOrder()
		v.mu.Unlock()
		for _, i := range order {
			v.mu.Lock()
			r := v.row(i, now)
			v.mu.Unlock()
			if !yield(r) {
				return
			}
		}
	}
}

// inOrder returns the places of all rows, oldest first. The caller holds mu.
func (v *View) inOrder() []uint32 {
	order := make([]uint32, v.rows.size)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		x, y := v.rows.at(a), v.rows.at(b)
		return cmp.Or(cmp.Compare(x.received, y.received), cmp.Compare(x.order, y.order), cmp.Compare(x.id, y.id), cmp.Compare(a, b))
	})
	return order
}

// row returns a row as of now. The caller holds mu.
func (v *View) row(i uint32, now time.Time) Row {
	r := v.rows.get(i)
	r.overdue(now)
	if n, ok := v.known[r.OrderID]; ok && r.CommonName == "" {
		r.CommonName, r.Serial = n.of(r.CertificateID)
	}
	return r
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
	i, ok := v.rows.find(c)
	if !ok {
		return Row{}, false
	}
	return v.row(i, now), true
}

// edit is one row that is being changed. The view's mu is held.
type edit struct {
	Row
	view *View
	at   uint32
}

// edit begins to change the row of a command, new if there is none.
func (v *View) edit(c messages.CommandName) *edit {
	at := v.rows.place(c)
	return &edit{v.rows.get(at), v, at}
}

// keep ends a change.
func (e *edit) keep() {
	if !e.view.filter.Digests {
		e.Digest = ""
	}
	e.view.rows.set(e.at, e.Row)
	e.view.compare(e)
}

// enter puts a row into a state.
func (e *edit) enter(s State, since time.Time) {
	if e.State == s {
		return
	}
	e.leave()
	e.State, e.Since = s, since
	e.view.counts[s]++
}

func (e *edit) leave() {
	if e.State == "" {
		return
	}
	if e.view.counts[e.State]--; e.view.counts[e.State] == 0 {
		delete(e.view.counts, e.State)
	}
}

// forget makes a row new.
func (e *edit) forget() {
	e.leave()
	e.Row = Row{Source: e.Source, Incident: e.Incident, ID: e.ID}
}

// event takes one event into the view, and gives the row before and after it.
func (v *View) event(e messages.Event) (before State, after Row, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.filter.matches(e.Command(), e.OrderID) {
		return "", Row{}, false
	}
	r := v.edit(e.Command())
	before = r.State
	// A corrected command goes on under the id of a rejected message: it may be
	// claimed already, or stand in the queue behind that message's end.
	switch rejected := e.Name == messages.EventCommandRejected; {
	case before == Invalid && !rejected:
		r.forget()
	case before == Queued && rejected && r.Received.After(e.ReceivedAt):
		return "", Row{}, false
	}
	r.describe(e)
	r.advance(e)
	v.learn(&r.Row, e)
	r.keep()
	return before, r.Row, true
}

// describe takes over what comes from the command.
func (e *edit) describe(m messages.Event) {
	e.Lane, e.Action = m.Lane, m.Action
	if m.CommandID != m.ID {
		e.ClaimedID = m.CommandID
	}
	e.OrderID, e.CertificateID = m.OrderID, m.CertificateID
	e.RequestedBy, e.Comments, e.SkipApproval, e.Reason = m.RequestedBy, m.Comments, m.SkipApproval, m.RevocationReason
	e.Deadline, e.Expires, e.ReplayOf, e.Received = m.Deadline, m.Expires, m.ReplayOf, m.ReceivedAt
	if m.Digest != "" {
		e.Digest = m.Digest
	}
}

// advance takes over what became of it.
func (e *edit) advance(m messages.Event) {
	e.Attempts = max(e.Attempts, m.Attempts)
	e.RequestID = cmp.Or(m.RequestID, e.RequestID)
	e.Status = cmp.Or(m.Status, e.Status)
	e.Already = e.Already || m.Already
	e.decided(m.Request)
	switch m.Name {
	case messages.EventRevokeAccepted:
		e.Accepted = m.Time
	case messages.EventRevokeRequested:
		e.Requested = m.Time
	default:
	}
	if h := m.Held; h != nil {
		e.HeldBy, e.HeldCount = h.Limit, h.Count
	}
	s := stateOf(m.Name)
	if s == "" || e.State.Final() || !s.Final() && s.rank() < e.State.rank() {
		return
	}
	e.enter(s, m.Time)
	if !s.Final() {
		return
	}
	e.Finished, e.Already = m.Time, m.Already
	e.Certificates, e.ApprovalNeeded = m.Count, m.ApprovalNeeded
	e.OrderStatus, e.Product = m.OrderStatus, m.Product
	e.CancelledBy, e.CancelReason = m.CancelledBy, m.CancelReason
	e.DryRun = s == Planned
	if p := m.Error; p != nil {
		e.Error = &Problem{p.Type, e.view.rows.texts.once(p.Detail), p.Status, e.view.rows.texts.once(p.Code), p.Retryable, p.ConflictsWith}
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
	r := v.edit(c.Name())
	if r.State == Invalid && received.After(r.Received) {
		r.forget()
	}
	if r.State != "" {
		return true
	}
	r.fill(c)
	r.Received = received
	r.enter(Queued, received)
	r.keep()
	return true
}

// fill describes a row by its command, where no event does.
func (e *edit) fill(c messages.Command) {
	e.Lane, e.Action = c.Lane, c.Action()
	e.OrderID, e.CertificateID, e.DryRun = c.OrderID, c.CertificateID, c.DryRun
	e.RequestedBy, e.Comments, e.SkipApproval, e.Reason = c.RequestedBy, c.Comments, c.SkipApproval, c.RevocationReason
	e.Deadline, e.Expires, e.ReplayOf, e.ExpectedCommonName = c.Deadline, c.Expires, c.ReplayOf, c.ExpectedCommonName
	if e.view.filter.Digests {
		e.Digest = c.Digest()
	}
}

// parked takes in a waiting key. Events are right where they say more: a key
// is only a reminder, and may outlive its command for a moment.
func (v *View) parked(c messages.Command, w ledger.Waiting) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.filter.matches(c.Name(), w.Order) {
		return
	}
	r := v.edit(c.Name())
	if r.State.Final() && r.State != Invalid {
		return
	}
	if r.State == "" {
		r.fill(c)
		r.OrderID, r.Received = w.Order, w.ReceivedAt
	}
	switch w.Phase {
	case ledger.Queued:
		if r.State == "" {
			r.enter(Accepted, w.Since)
		}
	case ledger.Parked:
		r.RequestID = cmp.Or(r.RequestID, w.RequestID)
		r.enter(Waiting, w.Since)
	default: // a later version's, or the policy's: what the events say stands
		if r.State == "" {
			r.enter(Held, w.Since)
		}
	}
	r.keep()
}

// letter takes in a dead letter. One of a message that was rejected is not of
// the corrected command that went on under its id.
func (v *View) letter(e messages.EventName, c messages.CommandName, sequence uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i, ok := v.rows.find(c)
	if !ok {
		return
	}
	if s := v.rows.get(i).State; s == stateOf(e) || s == Retried {
		v.rows.at(i).letter = sequence
	}
}

func (v *View) couldNotRead() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unreadable++
}
