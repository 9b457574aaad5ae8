package policy

import (
	"testing"
	"time"

	"certrecall/worker/statements"
)

// What one operator, and what two of them, have allowed at a moment.
func TestTimeline(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return start.Add(time.Duration(minute) * time.Minute) }
	allow := func(who string, minute int, orders int64) statements.Statement {
		return statements.Statement{Operator: who, Stamp: at(minute), Words: statements.Words{Orders: orders}}
	}
	until := func(s statements.Statement, minute int) statements.Statement { s.Until = at(minute); return s }
	end := func(who string, minute int) statements.Statement {
		return statements.Statement{Operator: who, Stamp: at(minute), Words: statements.Words{Ended: true}}
	}
	gone := func(who string, minute int) statements.Statement {
		return statements.Statement{Operator: who, Stamp: at(minute), Gone: true}
	}
	for name, c := range map[string]struct {
		said   []statements.Statement
		above  int64
		minute int
		want   int64
		epoch  int
	}{
		"nothing said":                    {nil, 500, 1, 0, 0},
		"before it was said":              {[]statements.Statement{allow("mira", 1, 10)}, 500, 0, 0, 0},
		"one, below":                      {[]statements.Statement{allow("mira", 1, 10)}, 500, 2, 10, 1},
		"one, above: as far as one may":   {[]statements.Statement{allow("mira", 1, 12000)}, 500, 2, 500, 1},
		"one, where one is enough":        {[]statements.Statement{allow("mira", 1, 12000)}, 0, 2, 12000, 1},
		"the same one twice is one":       {[]statements.Statement{allow("mira", 1, 12000), allow("mira", 2, 12000)}, 500, 3, 500, 1},
		"two":                             {[]statements.Statement{allow("mira", 1, 12000), allow("omar", 2, 12000)}, 500, 3, 12000, 1},
		"two, the second larger":          {[]statements.Statement{allow("mira", 1, 12000), allow("omar", 2, 20000)}, 500, 3, 12000, 1},
		"three: the second largest":       {[]statements.Statement{allow("mira", 1, 900), allow("omar", 2, 800), allow("zoe", 3, 700)}, 500, 4, 800, 1},
		"two, the second below":           {[]statements.Statement{allow("mira", 1, 12000), allow("omar", 2, 10)}, 500, 3, 500, 1},
		"the latest of one":               {[]statements.Statement{allow("mira", 1, 100), allow("mira", 2, 10)}, 500, 3, 10, 1},
		"until":                           {[]statements.Statement{until(allow("mira", 1, 10), 5)}, 500, 4, 10, 1},
		"after until":                     {[]statements.Statement{until(allow("mira", 1, 10), 5)}, 500, 5, 0, 1},
		"one of two is over":              {[]statements.Statement{until(allow("mira", 1, 9000), 5), allow("omar", 2, 9000)}, 500, 6, 500, 1},
		"ended by another":                {[]statements.Statement{allow("mira", 1, 10), end("omar", 2)}, 500, 3, 0, 1},
		"allowed anew after the end":      {[]statements.Statement{allow("mira", 1, 10), end("omar", 2), allow("mira", 3, 7)}, 500, 4, 7, 2},
		"who ended it has not allowed it": {[]statements.Statement{allow("mira", 1, 900), end("omar", 2), allow("mira", 3, 900)}, 500, 4, 500, 2},
		"a key deleted by hand":           {[]statements.Statement{allow("mira", 1, 10), gone("mira", 2)}, 500, 3, 0, 1},
		"another's key deleted by hand":   {[]statements.Statement{allow("mira", 1, 10), gone("omar", 2)}, 500, 3, 10, 1},
	} {
		a := newAllowance()
		a.steps = timeline(c.said, c.above)
		if got := a.at(at(c.minute)); got.n != c.want || got.epoch != c.epoch {
			t.Errorf("%s: %d orders in epoch %d, want %d in %d", name, got.n, got.epoch, c.want, c.epoch)
		}
	}
}
