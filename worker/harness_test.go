package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"certrecall/client"
	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

const testKey = "made-up-key-of-an-administrator"

// world is a fleet in fake time: one JetStream server, one simulated DigiCert,
// and as many workers as a test starts.
type world struct {
	t     *testing.T
	env   *natstest.Env
	names messages.Names
	sim   *digicertsim.Simulator
	pipe  *natstest.PipeNet
	url   string
	js    jetstream.JetStream
	log   bool
	// policy is the file that every worker follows; "" is none.
	policy string
	clock  func(jetstream.JetStream) *streams.Clock // of the workers that start; nil = their own
}

// inWorld runs a test in a bubble. Orders 1 to 9,000 exist at the simulator.
func inWorld(t *testing.T, o digicertsim.Options, f func(t *testing.T, w *world)) {
	t.Helper()
	natstest.LoneBubble(t, func(t *testing.T, e *natstest.Env) {
		names, err := messages.NewNames("certrecall")
		if err != nil {
			t.Fatal(err)
		}
		if o.Keys == nil {
			o.Keys = []string{testKey}
		}
		o.AutoOrders = true
		w := &world{t: t, env: e, names: names, sim: digicertsim.New(o), pipe: e.PipeNet(), js: e.JetStream()}
		w.url = w.pipe.Serve(t, w.sim) + digicertsim.BasePath
		f(t, w)
	})
}

// running is one worker of a world.
type running struct {
	*Worker
	stop func() // as SIGTERM; returns when the worker has ended
	kill func() // cuts everything off at once, as SIGKILL does to what is not yet written
}

func (w *world) start(tweak ...func(*Config)) *running { return w.startHooked(nil, tweak...) }

func (w *world) startHooked(hook func(step), tweak ...func(*Config)) *running {
	w.t.Helper()
	return w.startOn(w.env.Conn(nats.ReconnectBufSize(-1), nats.MaxReconnects(-1)), hook, tweak...)
}

// startFrozen starts a worker that may freeze.
func (w *world) startFrozen(ice *ice, hook func(step)) *running {
	w.t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(ice), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.startOn(nc, hook, hurried)
}

func (w *world) startOn(nc *nats.Conn, hook func(step), tweak ...func(*Config)) *running {
	w.t.Helper()
	cfg := Config{
		Names: w.names, Conn: nc, Provision: true, ShutdownGrace: 25 * time.Second, Version: "test",
		DigiCert: client.Config{BaseURL: w.url, Key: client.StaticKey(client.Secret(testKey)), DialContext: w.pipe.Dial},
	}
	if w.log {
		cfg.Log = zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.AddSync(w.t.Output()), zap.DebugLevel))
	}
	cfg.Policy = w.policy
	for _, f := range tweak {
		f(&cfg)
	}
	worker, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	worker.hook = hook
	if w.clock != nil {
		worker.clock = w.clock(worker.js)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	done := false
	stop := func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("worker ended with %v", err)
		}
		nc.Close()
	}
	w.t.Cleanup(stop)
	synctest.Wait()
	return &running{Worker: worker, stop: stop, kill: func() { nc.Close(); stop() }}
}

// fields make a command's body.
type fields map[string]any

func (w *world) publish(lane messages.Lane, source string, body any) uint64 {
	w.t.Helper()
	data, ok := body.([]byte)
	if !ok {
		var err error
		if data, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	ack, err := w.js.Publish(w.t.Context(), w.names.CommandSubject(lane, source), data)
	if err != nil {
		w.t.Fatal(err)
	}
	return ack.Sequence
}

func revocation(id string, order int64, more ...fields) fields {
	f := fields{"id": id, "order_id": order, "comments": "INC-1: key leaked", "revocation_reason": "keyCompromise"}
	for _, m := range more {
		maps.Copy(f, m)
	}
	return f
}

// said is one event as a consumer sees it.
type said struct {
	messages.Event
	data map[string]any
}

// events reads everything that was said to source about id, in order. An id of
// an incident is written INC-1/a.
func (w *world) events(source, id string) []said {
	w.t.Helper()
	return w.read(w.names.ChainSubject(w.named(source, id)))
}

func (w *world) named(source, id string) messages.CommandName {
	w.t.Helper()
	name, err := messages.ParseCommandName(source + "/" + id)
	if err != nil {
		w.t.Fatal(err)
	}
	return name
}

func (w *world) read(filter string) []said {
	w.t.Helper()
	s, err := w.js.Stream(w.t.Context(), w.names.EventsStream())
	if err != nil {
		w.t.Fatal(err)
	}
	var all []said
	for seq := uint64(1); ; seq++ {
		m, err := s.GetMsg(w.t.Context(), seq, jetstream.WithGetMsgSubject(filter))
		if err != nil {
			return all
		}
		seq = m.Sequence
		e, err := w.names.DecodeEvent(m.Subject, m.Header, m.Data)
		if err != nil {
			w.t.Fatalf("decoding %s: %v", m.Subject, err)
		}
		v := said{Event: e}
		if err := json.Unmarshal(m.Data, &v.data); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, v)
	}
}

func namesOf(events []said) []string {
	var n []string
	for _, e := range events {
		n = append(n, string(e.Name))
	}
	return n
}

// pass lets fake time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d) // exact in synctest
	synctest.Wait()
}

// wait lets fake time pass until what is asked holds.
func (w *world) wait(what string, patience time.Duration, ok func() bool) {
	w.t.Helper()
	pause := 10 * time.Millisecond
	for began := time.Now(); ; w.pass(pause) {
		pause = min(2*pause, 2*time.Second)
		synctest.Wait()
		if ok() {
			return
		}
		if time.Since(began) > patience {
			w.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func (w *world) waitFor(source, id string, name messages.EventName, patience time.Duration) said {
	w.t.Helper()
	var found said
	w.wait(fmt.Sprintf("%s of %s/%s", name, source, id), patience, func() bool {
		for _, e := range w.events(source, id) {
			if e.Name == name {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// puts are the revocations that arrived for the order.
func (w *world) puts(order int64) []digicertsim.Call {
	return slices.DeleteFunc(w.sim.Calls(), func(c digicertsim.Call) bool {
		return c.Method != http.MethodPut || c.OrderID != order
	})
}

func (w *world) effective(order int64) int {
	n := 0
	for _, c := range w.puts(order) {
		if c.Effective {
			n++
		}
	}
	return n
}

// quiet checks that nothing is left: no message, no waiting key, no note.
func (w *world) quiet() {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := w.js.Stream(ctx, w.names.CommandsStream())
	if err != nil {
		w.t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 0 {
		w.t.Errorf("%d messages are left in the commands stream", n)
	}
	kv, err := w.js.KeyValue(ctx, w.names.OrdersBucket())
	if err != nil {
		w.t.Fatal(err)
	}
	keys, err := kv.ListKeysFiltered(ctx, "waiting.>", "try.>")
	if err != nil {
		w.t.Fatal(err)
	}
	for k := range keys.Keys() {
		w.t.Errorf("key %s is left", k)
	}
	orders, err := kv.ListKeysFiltered(ctx, "order.>")
	if err != nil {
		w.t.Fatal(err)
	}
	for k := range orders.Keys() {
		e, err := kv.Get(ctx, k)
		if err != nil {
			w.t.Fatal(err)
		}
		var rec struct {
			Lease    any            `json:"lease"`
			Commands map[string]any `json:"commands"`
			Targets  map[string]struct {
				Attempt any `json:"attempt"`
			} `json:"targets"`
		}
		if err := json.Unmarshal(e.Value(), &rec); err != nil {
			w.t.Fatal(err)
		}
		if len(rec.Commands) > 0 || rec.Lease != nil {
			w.t.Errorf("%s has notes or a lease left: %s", k, e.Value())
		}
	}
}

func (w *world) deadLetters() []*jetstream.RawStreamMsg {
	w.t.Helper()
	s, err := w.js.Stream(w.t.Context(), w.names.DeadLettersStream())
	if err != nil {
		w.t.Fatal(err)
	}
	var all []*jetstream.RawStreamMsg
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(w.t.Context(), seq)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}
