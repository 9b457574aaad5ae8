package worker

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

// TestABurstMeetsWarmConnections: a connection takes 600 ms to make and is closed
// when it was idle for half a minute. Commands that waited for longer than that
// all go out at once when the pause is over, and nothing but them was sent.
func TestABurstMeetsWarmConnections(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		var dials atomic.Int32
		slow := func(c *Config) {
			dial := c.DigiCert.DialContext
			c.Concurrency = 4
			c.DigiCert.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials.Add(1)
				time.Sleep(600 * time.Millisecond) // synctest
				return dial(ctx, network, addr)
			}
		}
		w.start(slow)
		w.pass(2 * time.Second)
		if n := dials.Load(); n != 1 {
			t.Errorf("%d connections while nothing waits, want that of the probe", n)
		}
		if err := gate.Pause(t.Context(), w.control(), gate.Revocations, gate.Order{By: "ada", Reason: "wait"}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
		for i := range int64(20) {
			w.publish(messages.LaneRevoke, "soar", revocation(string(rune('a'+i)), 100+i))
		}
		w.pass(2*time.Minute + 10*time.Second)
		if n := dials.Load(); n > 1+4*6 {
			t.Errorf("%d connections in two minutes for 4 slots", n)
		}
		if n := len(w.sim.Calls()); n != 1 {
			t.Errorf("%d calls arrived before the pause was over, want the probe's", n)
		}
		resumed := time.Now()
		if err := gate.Resume(t.Context(), w.control(), gate.Revocations, gate.Order{By: "ada", Reason: "go on"}); err != nil {
			t.Fatal(err)
		}
		w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		puts := slices.DeleteFunc(w.sim.Calls(), func(c digicertsim.Call) bool { return c.Method != http.MethodPut })
		if len(puts) < 4 {
			t.Fatalf("%d PUTs", len(puts))
		}
		for i, p := range puts[:4] {
			if late := p.At.Sub(resumed); late > 500*time.Millisecond {
				t.Errorf("PUT %d arrived %s after the pause was over", i, late)
			}
		}
	})
}
