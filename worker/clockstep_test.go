package worker

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/streams"
)

// steppedServer is JetStream with a server whose clock was set.
type steppedServer struct {
	jetstream.JetStream
	by *atomic.Int64 // time.Duration
}

func (s steppedServer) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	stream, err := s.JetStream.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	info := *stream.CachedInfo()
	info.TimeStamp = info.TimeStamp.Add(time.Duration(s.by.Load()))
	return steppedStream{stream, &info}, nil
}

type steppedStream struct {
	jetstream.Stream
	info *jetstream.StreamInfo
}

func (s steppedStream) CachedInfo() *jetstream.StreamInfo { return s.info }

// TestNobodySendsBesideALeaseWhileTheServersClockSteps: two workers, two commands
// for one order, a call of 18 s, and one of the workers sees first that the
// server's clock was set. Set forward, the lease of the call looks dead to it;
// set back, what it writes looks dead to the other.
func TestNobodySendsBesideALeaseWhileTheServersClockSteps(t *testing.T) {
	for name, set := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
				const takes = 18 * time.Second
				w.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultLatency, Op: digicertsim.OpRevokeOrder, Delay: takes})
				var by atomic.Int64
				w.clock = func(js jetstream.JetStream) *streams.Clock {
					return streams.NewClock(steppedServer{js, &by}, w.names.CommandsStream())
				}
				// Whoever takes the first command stands still before it asks the ledger.
				held, goOn := make(chan int, 1), make(chan struct{})
				var workers []*running
				for i := range 2 {
					workers = append(workers, w.startHooked(func(at step) {
						if at != stepClaimed {
							return
						}
						select {
						case held <- i:
							<-goOn
						default:
						}
					}, func(c *Config) { c.Concurrency, c.AckWait = 1, 2*time.Minute }))
				}
				w.publish(messages.LaneRevoke, "servicenow", revocation("b", 4711))
				w.wait("the first command", time.Minute, func() bool { return len(held) == 1 })
				still := <-held
				held <- still // nobody else stands still
				see := func(r *running) {
					by.Store(int64(set))
					if err := r.clock.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
					ready := r.Ready()
					if !ready.Ready || len(ready.Reasons) != 1 || ready.Reasons[0].Gate != string(gate.Clock) || !strings.Contains(ready.Reasons[0].Detail, set.String()) {
						t.Errorf("/readyz after the step: %+v", ready)
					}
				}
				if set < 0 {
					see(workers[1-still])
				}
				w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
				w.pass(2 * time.Second)
				if set > 0 {
					see(workers[still])
				}
				close(goOn)
				w.pass(takes - 3*time.Second)
				if n := len(w.puts(4711)); n != 1 {
					t.Errorf("%d PUTs within the time of the first", n)
				}
				for source, id := range map[string]string{"soar": "a", "servicenow": "b"} {
					w.waitFor(source, id, messages.EventRevokeRequested, 5*time.Minute)
				}
				if n := w.effective(4711); n != 1 {
					t.Errorf("%d revocations took effect", n)
				}
				w.pass(3 * time.Minute)
				for _, r := range workers {
					if reason, closed := r.gates.Closed(gate.Revocations); closed {
						t.Errorf("still held back: %+v", reason)
					}
				}
				w.publish(messages.LaneRevoke, "soar", revocation("c", 4712))
				w.waitFor("soar", "c", messages.EventRevokeRequested, time.Minute)
			})
		})
	}
}

// TestExpiresDoesNotPassByAStep: a command that lives for ten minutes more is not
// told that it expired because the server's clock was set by an hour.
func TestExpiresDoesNotPassByAStep(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		var by atomic.Int64
		w.clock = func(js jetstream.JetStream) *streams.Clock {
			return streams.NewClock(steppedServer{js, &by}, w.names.CommandsStream())
		}
		r := w.start()
		expires := r.clock.Now().Add(10 * time.Minute)
		by.Store(int64(time.Hour))
		if err := r.clock.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.surelyPast(expires) {
			t.Error("passed by the step alone")
		}
		w.pass(11 * time.Minute)
		if !r.surelyPast(expires) {
			t.Error("never passes")
		}
	})
}
