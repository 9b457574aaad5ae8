package status

import (
	"strings"
	"time"

	"certrecall/worker/gate"
)

// BudgetSpent is the reason of a hold where the windows are used up for now.
const BudgetSpent gate.Name = "budget-spent"

// spentFor is how far away the next call must be for the budget to hold
// something: a full window of a few seconds is the normal pace.
const spentFor = 3 * time.Second

// Hold is one thing that keeps calls of a kind from being made now.
type Hold struct {
	Gate   gate.Name `json:"gate"`
	Kind   gate.Kind `json:"kind"` // "" is all
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"` // zero: until somebody says so
}

// Holds are what keeps calls from being made, as far as NATS knows it: pauses
// of operators, the not-before of a 429, a budget that is spent. What a worker
// alone knows (its key is refused, DigiCert does not answer it) its /readyz
// tells.
func (f Fleet) Holds() []Hold {
	var all []Hold
	for _, p := range f.Pauses {
		all = append(all, Hold{Gate: gate.Paused, Kind: p.Kind, By: p.By, Reason: p.Reason, Since: p.Since})
	}
	if f.NotBefore.After(f.At) {
		return append(all, Hold{Gate: gate.NotBefore, By: "DigiCert", Reason: "429", Until: f.NotBefore})
	}
	if wait := Estimate(f.use, 1, 1, 0); wait > spentFor {
		var spent []string
		for _, w := range f.use {
			if w.Left == 0 {
				spent = append(spent, w.String())
			}
		}
		all = append(all, Hold{Gate: BudgetSpent, Reason: strings.Join(spent, ", "), Until: f.At.Add(wait)})
	}
	return all
}
