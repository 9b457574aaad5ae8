package client

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"certrecall/client/digicertsim"
)

// What each way to fail looks like to a revocation, and whether it had its effect: the class must never claim more
// than is known.
func TestFaultsAsClasses(t *testing.T) {
	t.Parallel()
	type fault = digicertsim.Fault
	for _, tt := range []struct {
		name      string
		fault     fault
		class     Class // "" = success
		effective int
		later     int // effective an hour later
	}{
		{"none", fault{Kind: digicertsim.FaultLatency}, "", 1, 1},
		{"slow", fault{Kind: digicertsim.FaultLatency, Delay: 19 * time.Second}, "", 1, 1},
		{"too slow, done", fault{Kind: digicertsim.FaultLatency, Delay: time.Minute, Commit: true}, ClassOutcomeUnknown, 1, 1},
		{"too slow, not done", fault{Kind: digicertsim.FaultLatency, Delay: time.Minute}, ClassOutcomeUnknown, 0, 0},
		{"hang", fault{Kind: digicertsim.FaultHang}, ClassOutcomeUnknown, 0, 0},
		{"reset before", fault{Kind: digicertsim.FaultResetBefore}, ClassOutcomeUnknown, 0, 0},
		{"reset after", fault{Kind: digicertsim.FaultResetAfter}, ClassOutcomeUnknown, 1, 1},
		{"late", fault{Kind: digicertsim.FaultLateCommit, Delay: time.Minute}, ClassOutcomeUnknown, 0, 1},
		{"late with a 504", fault{Kind: digicertsim.FaultLateCommit, Delay: time.Minute, Status: 504}, ClassOutcomeUnknown, 0, 1},
		{"cut off", fault{Kind: digicertsim.FaultTruncate}, ClassOutcomeUnknown, 1, 1},
		{"500 before", fault{Kind: digicertsim.FaultStatus}, ClassOutcomeUnknown, 0, 0},
		{"500 after", fault{Kind: digicertsim.FaultStatus, Commit: true}, ClassOutcomeUnknown, 1, 1},
		{"nonsense after", fault{Kind: digicertsim.FaultStatus, Status: 201, Body: "ok", Commit: true}, ClassOutcomeUnknown, 1, 1},
		{"firewall", fault{Kind: digicertsim.FaultHTML}, ClassOutcomeUnknown, 0, 0},
		{"HTML with 200", fault{Kind: digicertsim.FaultHTML, Status: 200, Commit: true}, ClassOutcomeUnknown, 1, 1},
		{"429", fault{Kind: digicertsim.FaultStatus, Status: 429, RetryAfter: "5"}, ClassThrottled, 0, 0},
		{"401", fault{Kind: digicertsim.FaultStatus, Status: 401}, ClassKeyRefused, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sim := digicertsim.New(digicertsim.Options{AutoOrders: true})
				sim.Script(tt.fault)
				c := piped(t, sim)
				_, err := c.RevokeOrder(t.Context(), 4711, Revocation{Comments: "c"})
				if tt.class == "" && err != nil || tt.class != "" && asError(t, err).Class != tt.class {
					t.Errorf("%v, want class %q", err, tt.class)
				}
				if n := len(sim.Calls()); n != 1 {
					t.Errorf("%d calls arrived", n)
				}
				if n := sim.Effective(4711); n != tt.effective {
					t.Errorf("%d effective, want %d", n, tt.effective)
				}
				pass(time.Hour)
				if n := sim.Effective(4711); n != tt.later {
					t.Errorf("%d effective an hour later, want %d", n, tt.later)
				}
			})
		})
	}
}

// A read survives what passes within its patience, whatever it is.
func TestReadsSurviveFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []digicertsim.FaultKind{
		digicertsim.FaultStatus, digicertsim.FaultResetBefore, digicertsim.FaultResetAfter, digicertsim.FaultTruncate, digicertsim.FaultLateCommit,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sim := digicertsim.New(digicertsim.Options{AutoOrders: true})
				sim.Script(digicertsim.Fault{Kind: kind, Times: 2})
				list, err := piped(t, sim).Reader(nil).ListDuplicates(t.Context(), 4711, false)
				if err != nil || len(list.Items) != 2 || len(sim.Calls()) != 3 {
					t.Errorf("%d calls, %d certificates: %v", len(sim.Calls()), len(list.Items), err)
				}
			})
		})
	}
}

func TestLimitsOfTheSimulatorThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := digicertsim.New(digicertsim.Options{AutoOrders: true, Limits: []digicertsim.Window{{Calls: 100, Per: 5 * time.Second}}, Block: 30 * time.Second})
		c := piped(t, sim)
		for id := range int64(100) {
			if _, err := c.RevokeOrder(t.Context(), id+1, Revocation{Comments: "c"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.RevokeOrder(t.Context(), 101, Revocation{Comments: "c"}); !errors.Is(err, ErrThrottled) {
			t.Errorf("the 101st call within five seconds: %v", err)
		}
		pass(30 * time.Second)
		if _, err := c.RevokeOrder(t.Context(), 101, Revocation{Comments: "c"}); err != nil || sim.OverLimit() != 1 {
			t.Errorf("after the block: %v, %d over the limit", err, sim.OverLimit())
		}
	})
}
