package status

import "certrecall/messages"

// target is what a command is for: two commands with the same target want the
// same, and the later one stands for both.
type target struct {
	source, incident, action uint32
	order, certificate       int64
}

// attempts reports whether the row is known to be more than a plan, which never
// stands in the place of the real thing.
func (r *Row) attempts() bool {
	switch {
	case r.State == Invalid || r.DryRun || r.OrderID == 0:
		return false
	case r.Action == messages.ActionListDuplicates:
		return true
	}
	return !r.Accepted.IsZero() || r.State == Queued || r.State == Waiting || r.State == Held
}

// compare finds which of two commands for the same thing is the later one. The
// caller holds mu, and has changed and kept r.
func (v *View) compare(r *edit) {
	p := v.rows.at(r.at)
	t := target{p.source, p.incident, p.action, p.order, p.certificate}
	last, found := v.latest[t]
	switch {
	case found && last == r.at:
	case r.attempts() && (!found || p.received > v.rows.at(last).received):
		v.latest[t] = r.at
		if found {
			v.retried(&edit{v.rows.get(last), v, last}, r.ID)
		}
	case found && v.rows.at(last).received > p.received:
		v.retried(r, v.rows.at(last).id)
	}
}

// retried says of a command that ended otherwise than asked that another one
// stands in its place.
func (v *View) retried(r *edit, by string) {
	if r.State.Final() && !r.State.Well() && r.State != Retried {
		r.enter(Retried, r.Since)
		r.RetriedAs = by
		v.rows.set(r.at, r.Row)
	}
}
