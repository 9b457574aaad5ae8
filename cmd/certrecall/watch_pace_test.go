package main

import (
	"testing"
	"time"

	"certrecall/worker/status"
)

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	limited := status.Fleet{Budget: []status.Window{{Calls: 100, Seconds: 5}}}
	for name, test := range map[string]struct {
		fleet        status.Fleet
		answered     []int // second by second
		open         int
		lowest, most time.Duration
	}{
		"nothing open":                     {limited, []int{0, 5}, 0, 0, 0},
		"nothing known":                    {status.Fleet{}, nil, 100, 0, 0},
		"at the rate of late":              {limited, []int{0, 2, 4, 6, 8, 10}, 100, 50 * time.Second, 50 * time.Second},
		"stalled: no rate":                 {status.Fleet{}, []int{7, 7, 7}, 100, 0, 0},
		"faster than the budget could":     {limited, []int{0, 1000, 2000}, 500, 500 * time.Millisecond, 500 * time.Millisecond},
		"only the last minute is reckoned": {limited, upTo(0, 300), 60, time.Minute, time.Minute},
	} {
		p := &pace{}
		begin := time.Now()
		for i, n := range test.answered {
			p.sample(begin.Add(time.Duration(i)*time.Second), tally{status.Revoked: n, status.Queued: test.open})
			p.sample(begin.Add(time.Duration(i)*time.Second+time.Millisecond), tally{status.Revoked: n}) // too early to count
		}
		if got := p.left(test.fleet, test.open); got < test.lowest || got > test.most {
			t.Errorf("%s: %v, want %v to %v", name, got, test.lowest, test.most)
		}
	}
}

func upTo(from, to int) []int {
	var all []int
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}
