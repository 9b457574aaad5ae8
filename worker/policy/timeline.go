package policy

import (
	"slices"
	"time"

	"certrecall/worker/statements"
)

// step is how many orders are allowed from a moment on.
type step struct {
	at time.Time
	n  int64
	// epoch tells one allowance from the next on the same thing: it grows when
	// there was none before.
	epoch int
}

// timeline works out what operators have allowed on one thing, from all that
// was said about it, in the order of the server's stamps. Of each operator the
// latest word stands, until its own time; a word that it is ended takes
// everybody's away.
func timeline(said []statements.Statement, secondAbove int64) []step {
	var moments []time.Time
	for _, s := range said {
		moments = append(moments, s.Stamp)
		if s.Until.After(s.Stamp) {
			moments = append(moments, s.Until)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	var steps []step
	last := step{}
	for _, at := range moments {
		next := step{at: at, n: allowed(standing(said, at), secondAbove), epoch: last.epoch}
		if next.n > 0 && last.n == 0 {
			next.epoch++
		}
		steps = append(steps, next)
		last = next
	}
	return steps
}

// standing gives the words that stand at a moment.
func standing(said []statements.Statement, at time.Time) []statements.Statement {
	latest := map[string]statements.Statement{}
	for _, s := range said {
		switch {
		case s.Stamp.After(at):
		case s.Ended && !s.Gone:
			clear(latest)
		default:
			latest[s.Operator] = s
		}
	}
	var all []statements.Statement
	for _, s := range latest {
		if !s.Gone && !s.Unreadable && s.Orders > 0 && (s.Until.IsZero() || s.Until.After(at)) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, statements.Later)
	return all
}

// allowed is how many orders words of different operators allow together: one
// counts up to secondAbove (0: any number), beyond it the second largest does.
func allowed(words []statements.Statement, secondAbove int64) int64 {
	var largest, second int64
	for _, s := range words {
		switch {
		case s.Orders > largest:
			largest, second = s.Orders, largest
		case s.Orders > second:
			second = s.Orders
		}
	}
	if secondAbove <= 0 {
		return largest
	}
	return max(min(largest, secondAbove), second)
}
