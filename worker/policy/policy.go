package policy

import (
	"fmt"
	"slices"
	"strings"

	"certrecall/messages"
)

// anyOther is the line for every source that no other line names.
const anyOther = "*"

// Rule is what one source may.
type Rule struct {
	// Limits of distinct orders; none is no limit.
	Limits Limits
	// NoSkipApproval and NoUrgent forbid the field and the lane.
	NoSkipApproval, NoUrgent bool
}

// Policy is what a file says. The zero value allows everything.
type Policy struct {
	Sources map[string]Rule
	// SecondOperatorAbove is the largest allowance for which one operator's word
	// is enough; 0 is any.
	SecondOperatorAbove int64
}

// Of gives the rule of a source.
func (p Policy) Of(source string) Rule {
	if r, named := p.Sources[source]; named {
		return r
	}
	return p.Sources[anyOther]
}

// Forbids says which field or lane of the command its source may not use; ""
// is none.
func (p Policy) Forbids(c messages.Command) string {
	r := p.Of(c.Source)
	switch {
	case r.NoSkipApproval && c.SkipApproval:
		return fmt.Sprintf("skip_approval: the policy does not let %s revoke without an administrator's approval: leave it out", c.Source)
	case r.NoUrgent && c.Lane == messages.LaneRevokeUrgent:
		return fmt.Sprintf("lane: the policy does not let %s use %s: send it to %s", c.Source, messages.LaneRevokeUrgent, messages.LaneRevoke)
	}
	return ""
}

// Lines describes the policy for people, a line a rule.
func (p Policy) Lines() []string {
	var lines []string
	for source, r := range p.Sources {
		limit := "no limit"
		if len(r.Limits) > 0 {
			limit = r.Limits.String()
		}
		if r.NoSkipApproval {
			limit += ", no skip_approval"
		}
		if r.NoUrgent {
			limit += ", no " + string(messages.LaneRevokeUrgent)
		}
		lines = append(lines, source+": "+limit)
	}
	slices.SortFunc(lines, func(a, b string) int { // every other source last
		if star := strings.HasPrefix(a, anyOther); star != strings.HasPrefix(b, anyOther) {
			if star {
				return 1
			}
			return -1
		}
		return strings.Compare(a, b)
	})
	if _, all := p.Sources[anyOther]; !all {
		lines = append(lines, "every other source: no limit")
	}
	if p.SecondOperatorAbove > 0 {
		lines = append(lines, fmt.Sprintf("an allowance of more than %d orders needs two operators", p.SecondOperatorAbove))
	} else {
		lines = append(lines, "one operator may allow any number of orders")
	}
	return lines
}
