package gate

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The meter against the plain sum over every closure there was.
func TestMeterTellsTheSumSinceAnyMoment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1_000_000, 0)
		now := start
		m := newMeter(now)
		var closures [][2]time.Time
		closed := false
		for _, d := range rapid.SliceOfN(rapid.IntRange(0, 1000), 0, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(d) * time.Second)
			switch {
			case rapid.Bool().Draw(t, "again"): // nothing changes
			case closed:
				closures[len(closures)-1][1] = now
				closed = false
			default:
				closures = append(closures, [2]time.Time{now})
				closed = true
			}
			m.set(now, closed)
		}
		now = now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "last")) * time.Second)
		from := start.Add(time.Duration(rapid.IntRange(-10, 60_000).Draw(t, "from")) * time.Second)
		var want time.Duration
		for _, c := range closures {
			began, ended := c[0], c[1]
			if ended.IsZero() {
				ended = now
			}
			if began.Before(from) {
				began = from
			}
			want += max(ended.Sub(began), 0)
		}
		if got := m.since(from, now); (got - want).Abs() > time.Millisecond {
			t.Fatalf("since %v = %v, want %v", from.Sub(start), got, want)
		}
	})
}

// A month of a 429 every ten seconds fits into bounded memory, and the sum stays right.
func TestMeterIsBounded(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_000_000, 0)
	now := start
	m := newMeter(now)
	const closures = 260_000
	for range closures {
		m.set(now, true)
		now = now.Add(5 * time.Second)
		m.set(now, false)
		now = now.Add(5 * time.Second)
	}
	if len(m.knots) > maxKnots {
		t.Errorf("%d knots, want at most %d", len(m.knots), maxKnots)
	}
	if got, want := m.since(start, now), closures*5*time.Second; got != want {
		t.Errorf("sum of all = %v, want %v", got, want)
	}
	if got := m.since(now.Add(-time.Hour), now); (got - 30*time.Minute).Abs() > time.Second {
		t.Errorf("sum of the last hour = %v, want 30m", got)
	}
	if got, want := m.since(now.Add(-15*24*time.Hour), now), 15*12*time.Hour; (got - want).Abs() > want/100 {
		t.Errorf("sum of half the time = %v, want about %v", got, want)
	}
}

// A clock that is set back adds nothing, and takes nothing away.
func TestMeterSurvivesAClockThatGoesBack(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	m := newMeter(now)
	m.set(now.Add(time.Minute), true)
	m.set(now, false)
	m.set(now.Add(2*time.Minute), true)
	if got := m.since(now, now.Add(3*time.Minute)); got != time.Minute {
		t.Errorf("since = %v, want 1m", got)
	}
}
