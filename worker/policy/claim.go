package policy

import "time"

// claim is one revoke-accepted event, and what the events after it say.
type claim struct {
	seq   uint64    // its place in the events stream
	at    time.Time // when the server stored it
	order int64
	name  string // the command's, as in subjects: "source.incident.id"
	thing string // what an allowance for it would name: "incident.INC-42", "source.soar"

	held  bool // revoke-held is stored
	begun bool // an event says that it was let through: a request, or an end
	ended bool // a final event is stored

	// Of the account.
	covered bool // an allowance covers it
	over    bool // the limit was reached before it
	reached Limit
	before  int // orders counted before it in that window
}

// mark is what an event other than revoke-accepted says about its command.
type mark int

const (
	markHeld    mark = iota + 1 // revoke-held
	markBegun                   // revoke-requested: it was sent
	markRevoked                 // a final event after which the order is, or may be, changed
	markEnded                   // a final event that says nothing was sent
)

// set takes a mark in, and reports whether it was new.
func (c *claim) set(m mark) bool {
	was := *c
	switch m {
	case markHeld:
		c.held = true
	case markBegun:
		c.begun = true
	case markRevoked, markEnded:
		c.begun, c.ended = true, true
	}
	return was.held != c.held || was.begun != c.begun || was.ended != c.ended
}

// monotone keeps the times of a stream from going back: another leader's clock
// may be a little behind.
func monotone(claims []*claim, at time.Time) time.Time {
	if n := len(claims); n > 0 && at.Before(claims[n-1].at) {
		return claims[n-1].at
	}
	return at
}
