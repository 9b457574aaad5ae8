package policy

import (
	"time"

	"certrecall/worker/statements"
)

// Allowance is what operators have allowed one thing, for people.
type Allowance struct {
	What   string `json:"for"`    // "incident.INC-42", "source.soar"
	Orders int64  `json:"orders"` // in force
	Words  []Word `json:"words"`  // that stand
	// EndsAt is when it is worth less by itself; zero is never.
	EndsAt time.Time `json:"ends_at,omitzero"`
}

// Word is what one operator allows.
type Word struct {
	Operator string    `json:"operator"`
	Orders   int64     `json:"orders"`
	Until    time.Time `json:"until,omitzero"`
	Reason   string    `json:"reason"`
	Said     time.Time `json:"said"`
}

// Allowances works out from all statements what is allowed at a moment.
func Allowances(said []statements.Statement, secondAbove int64, at time.Time) []Allowance {
	book := statements.NewBook()
	for _, s := range said {
		book.Add(s)
		if s.Stamp.After(at) {
			at = s.Stamp // this clock is behind the server's
		}
	}
	var all []Allowance
	for _, what := range book.Things(statements.Allow) {
		a := Allowance{What: what, Words: []Word{}}
		stand := standing(book.History(statements.Allow, what), at)
		a.Orders = allowed(stand, secondAbove)
		for _, s := range stand {
			a.Words = append(a.Words, Word{s.Operator, s.Orders, s.Until, s.Reason, s.Stamp.UTC()})
			if !s.Until.IsZero() && (a.EndsAt.IsZero() || s.Until.Before(a.EndsAt)) {
				a.EndsAt = s.Until
			}
		}
		all = append(all, a)
	}
	return all
}
