package budget

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseLimits(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Limits{
		"0":                  nil,
		" 0 ":                nil,
		"1000/5m,100/5s":     {{1000, 5 * time.Minute}, {100, 5 * time.Second}},
		"1000/5m, 100/5s":    {{1000, 5 * time.Minute}, {100, 5 * time.Second}},
		"1/24h":              {{1, 24 * time.Hour}},
		"10/1.5s":            {{10, 1500 * time.Millisecond}},
		"7/1h30m,1000000/1s": {{7, 90 * time.Minute}, {1_000_000, time.Second}},
	} {
		got, err := ParseLimits(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", s, d)
		}
		again, err := ParseLimits(got.String())
		if d := cmp.Diff(want, again); err != nil || d != "" {
			t.Errorf("%q is shown as %q: %v %s", s, got, err, d)
		}
	}
	for _, s := range []string{
		"", ",", "100", "100/", "/5s", "0/5s", "-1/5s", "1000001/5s", "100/5", "100/999ms", "100/25h", "100/1.0000001s",
		"100/5s,", "0,100/5s", "1/1s,1/2s,1/3s,1/4s,1/5s,1/6s,1/7s,1/8s,1/9s", "1e3/5s", "100/5s/3",
	} {
		if got, err := ParseLimits(s); err == nil {
			t.Errorf("%q was read as %v", s, got)
		}
	}
}

func TestLimitsString(t *testing.T) {
	t.Parallel()
	for want, l := range map[string]Limits{
		"0":              nil,
		"1000/5m,100/5s": {{1000, 5 * time.Minute}, {100, 5 * time.Second}},
		"1/1h":           {{1, time.Hour}},
		"1/1h5m":         {{1, 65 * time.Minute}},
		"1/10m10s":       {{1, 610 * time.Second}},
	} {
		if got := l.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		calls    int
		share    float64
		listings int
		sweep    Window
	}{
		{1000, 0.8, 800, Window{50, time.Second}},
		{100, 1, 100, Window{5, time.Second}},
		{39, 0.1, 4, Window{1, time.Second}},
		{10, 0.7, 7, Window{1, 2 * time.Second}},
		{10, 0.75, 8, Window{1, 2 * time.Second}},
		{1, 0.1, 1, Window{1, 20 * time.Second}},
	} {
		w := Window{tt.calls, time.Second}
		if l, s := w.listingCalls(tt.share), w.sweep(); l != tt.listings || s != tt.sweep {
			t.Errorf("%d calls at %v: %d for listings and %s for the sweep, want %d and %s", tt.calls, tt.share, l, s, tt.listings, tt.sweep)
		}
	}
	if s := (Window{1, MaxPer}).sweep(); s.Per != MaxPer {
		t.Errorf("the sweep's window is %s, longer than what is remembered", s.Per)
	}
}

func TestLaneNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for rank, lane := range byRank {
		if lane.rank() != rank {
			t.Errorf("%s has rank %d, want %d", lane, lane.rank(), rank)
		}
		seen[lane.String()] = true
	}
	if len(seen) != laneCount || Lane(7).String() != "lane 7" {
		t.Errorf("names %v, %s", seen, Lane(7))
	}
}
