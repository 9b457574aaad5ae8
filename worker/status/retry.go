package status

import "certrecall/messages"

// target is what a command is for: two commands with the same target want the
// same, and the later one stands for both.
type target struct {
	source, incident   string
	action             messages.Action
	order, certificate int64
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
	return !r.Accepted.IsZero() || r.State == Queued || r.State == Waiting
}

// compare finds which of two commands for the same thing is the later one. The
// caller holds mu, and has changed r.
func (v *View) compare(r *Row) {
	t := target{r.Source, r.Incident, r.Action, r.OrderID, r.CertificateID}
	last := v.latest[t]
	switch {
	case last == r:
	case r.attempts() && (last == nil || r.Received.After(last.Received)):
		v.latest[t] = r
		if last != nil {
			v.retried(last, r)
		}
	case last != nil && last.Received.After(r.Received):
		v.retried(r, last)
	}
}

// retried says of a command that ended otherwise than asked that another one
// stands in its place.
func (v *View) retried(r, by *Row) {
	if r.State.Final() && !r.State.Well() && r.State != Retried {
		v.enter(r, Retried, r.Since)
		r.RetriedAs = by.ID
	}
}
