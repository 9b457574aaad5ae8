package worker

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// limit changes a stream's configuration, as an operator does.
func (w *world) limit(stream string, change func(*jetstream.StreamConfig)) {
	w.t.Helper()
	config := w.streamConfig(stream)
	change(&config)
	if _, err := w.js.UpdateStream(w.t.Context(), config); err != nil {
		w.t.Fatal(err)
	}
}

// full lets nothing more into the stream.
func (w *world) full(stream string) {
	w.t.Helper()
	s, err := w.js.Stream(w.t.Context(), stream)
	if err != nil {
		w.t.Fatal(err)
	}
	w.limit(stream, func(c *jetstream.StreamConfig) { c.MaxMsgs = int64(s.CachedInfo().State.Msgs) })
}

func (w *world) room(stream string) {
	w.t.Helper()
	w.limit(stream, func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
}

// "The store failed" is said also by a stream that is full: nothing was said,
// so nothing is sent, and when there is room all goes on by itself.
func TestFullEventsStreamIsNoClaim(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("first", 4710, fields{"skip_approval": true}))
		w.waitFor("soar", "first", messages.EventRevoked, time.Minute)
		w.full(w.names.EventsStream())
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": true}))
		w.pass(10 * time.Minute)
		if n := len(w.puts(4711)); n != 0 {
			t.Errorf("%d PUTs for a command that was never claimed", n)
		}
		w.room(w.names.EventsStream())
		w.waitFor("soar", "a", messages.EventRevoked, 10*time.Minute)
		wantEvents(t, w.events("soar", "a"), messages.EventRevokeAccepted, messages.EventRevoked)
		if n := len(w.puts(4711)); n != 1 {
			t.Errorf("%d PUTs", n)
		}
		w.pass(time.Minute)
		w.quiet()
	})
}

// A stream that fills between claim and final costs no final event.
func TestEventsStreamFillsBeforeTheFinalEvent(t *testing.T) {
	for name, more := range map[string]fields{
		"in hand":       {"skip_approval": true},
		"with deadline": {"skip_approval": true, "deadline": time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)},
		"from its key":  {},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				w.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultLatency, Delay: 5 * time.Second})
				w.start()
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, more))
				w.wait("the PUT", time.Minute, func() bool { return len(w.puts(4711)) == 1 })
				if more["skip_approval"] == nil {
					e := w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
					if err := w.sim.Approve(e.RequestID); err != nil {
						t.Fatal(err)
					}
				}
				w.full(w.names.EventsStream())
				w.pass(10 * time.Minute)
				w.room(w.names.EventsStream())
				w.waitFor("soar", "a", messages.EventRevoked, 10*time.Minute)
				if n := len(w.puts(4711)); n != 1 {
					t.Errorf("%d PUTs", n)
				}
				w.pass(2 * time.Minute)
				w.quiet()
			})
		})
	}
}
