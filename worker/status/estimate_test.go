package status_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/status"
)

func unused(t testing.TB, limits string) []budget.WindowUse {
	t.Helper()
	l, err := budget.ParseLimits(limits)
	if err != nil {
		t.Fatal(err)
	}
	var use []budget.WindowUse
	for _, w := range l {
		use = append(use, budget.WindowUse{Window: w, Left: w.Calls})
	}
	return use
}

func TestEstimateIsWhatTheWindowsAllowAtBest(t *testing.T) {
	t.Parallel()
	const limits = "1000/5m,100/5s"
	used := unused(t, limits)
	used[0].Used, used[1].Used = 1000, 100
	for _, test := range []struct {
		what                  string
		use                   []budget.WindowUse
		revocations, listings int
		low, high             time.Duration
	}{
		{"no limit", nil, 1000, 0, 0, 0},
		{"nothing to do", unused(t, limits), 0, 0, 0, 0},
		{"the burst", unused(t, limits), 100, 0, 0, 0},
		{"two bursts", unused(t, limits), 101, 0, 5500 * time.Millisecond, 5500 * time.Millisecond},
		// 1000 in ten bursts, then the window of five minutes, then ten bursts more.
		{"2000", unused(t, limits), 2000, 0, 350 * time.Second, 351 * time.Second},
		{"10000", unused(t, limits), 10000, 0, 45*time.Minute + 50*time.Second, 46 * time.Minute},
		{"one more than used up", used, 1, 0, 0, time.Second},
		// Listings may use 80 of 100.
		{"listings", unused(t, limits), 0, 81, 5500 * time.Millisecond, 5500 * time.Millisecond},
		{"listings come last", unused(t, limits), 100, 1, 5500 * time.Millisecond, 5500 * time.Millisecond},
	} {
		got := status.Estimate(test.use, budget.DefaultListingShare, test.revocations, test.listings)
		if got < test.low || got > test.high {
			t.Errorf("%s: %v, want %v to %v", test.what, got, test.low, test.high)
		}
	}
}

func TestEstimateNeverShrinksWithMoreWork(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var use []budget.WindowUse
		for range rapid.IntRange(1, 3).Draw(t, "windows") {
			w := budget.Window{Calls: rapid.IntRange(1, 50).Draw(t, "calls"), Per: time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second}
			used := rapid.IntRange(0, w.Calls+5).Draw(t, "used")
			use = append(use, budget.WindowUse{Window: w, Used: used, Left: max(0, w.Calls-used)})
		}
		n, m := rapid.IntRange(0, 200).Draw(t, "revocations"), rapid.IntRange(0, 50).Draw(t, "listings")
		now := status.Estimate(use, 0.8, n, m)
		if now < 0 {
			t.Fatalf("%v", now)
		}
		if more := status.Estimate(use, 0.8, n+1, m); more < now {
			t.Fatalf("%d revocations take %v, one more %v", n, now, more)
		}
		if more := status.Estimate(use, 0.8, n, m+1); more < now {
			t.Fatalf("%d listings take %v, one more %v", m, now, more)
		}
	})
}

func TestCallsAheadCountsWhatIsServedBefore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := func(id string, lane messages.Lane) messages.Command {
		c := revocation(id, 1)
		if c.Incident, c.Lane = "INC-2", lane; lane == messages.LaneListDuplicates {
			c.Comments = ""
		}
		return c
	}
	s.send(other("o1", messages.LaneRevoke)) // before ours: 1
	mine := revocation("m1", 2)
	mine.CertificateID = 5 // 4 calls
	s.send(mine)
	s.send(other("o2", messages.LaneRevoke))         // after ours
	s.send(other("o3", messages.LaneRevokeUrgent))   // overtakes: 1
	s.send(other("o4", messages.LaneListDuplicates)) // after ours
	if n, m := s.load(status.Filter{Incident: "INC-1"}).Calls(); n != 6 || m != 0 {
		t.Errorf("%d revocations and %d listings before the end of the incident, want 6 and 0", n, m)
	}
	if n, m := s.load(status.Filter{}).Calls(); n != 7 || m != 1 {
		t.Errorf("%d revocations and %d listings in all, want 7 and 1", n, m)
	}
	if n, m := s.load(status.Filter{Incident: "INC-3"}).Calls(); n != 0 || m != 0 {
		t.Errorf("%d revocations and %d listings of nothing", n, m)
	}
}
