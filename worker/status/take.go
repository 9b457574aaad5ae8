package status

import (
	"cmp"
	"time"

	"certrecall/messages"
	"certrecall/worker/ledger"
)

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
