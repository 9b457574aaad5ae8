package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/approvals"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
	"certrecall/worker/ledger"
	"certrecall/worker/policy"
	"certrecall/worker/streams"
)

// Worker carries commands. Make one with [New] and [Worker.Run] it once.
type Worker struct {
	cfg      Config
	log      *zap.Logger
	js       jetstream.JetStream
	digicert *client.Client
	clock    *streams.Clock
	metrics  *metrics
	started  time.Time // local clock
	since    time.Time // server time

	// Set by open, before anything is pulled.
	opened atomic.Pointer[streams.Stores]
	ledger *ledger.Ledger
	budget *budget.Budget
	gates  *gate.Gates

	protected *protectedOrders
	policy    *policy.File
	admission *policy.Judge // set by open
	released  chan struct{} // has a value when an allowance may let held commands go
	poison    *poison
	orders    orderLocks
	// retries has, for each lane, the places of commands delivered before.
	retries map[messages.Lane]chan struct{}
	// plans has the places of dry runs, which wait for permits as listings do and
	// so hold no slot of a lane of revocations.
	plans chan struct{}
	// unknown counts for each source the orders in a row that DigiCert did not know.
	unknown strangers

	warmed time.Time // when connections were last made in advance; of runLanes

	// calling is the context of PUTs: it ends when the shutdown grace does.
	calling context.Context
	// pulling ends when the worker is asked to stop: nothing new begins.
	pulling context.Context

	health health
	rooms  rooms
	hands  hands
	// silentStores counts the looks that a store left unanswered, by stream; of
	// the one goroutine that looks.
	silentStores map[string]int
	hook         func(step) // tests stop the worker here
}

// New checks the configuration and prepares a worker. It starts nothing.
func New(cfg Config) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("preparing JetStream: %w", err)
	}
	w := &Worker{started: time.Now(), cfg: cfg, log: cfg.Log, js: js, clock: streams.NewClock(js, cfg.Names.CommandsStream())}
	w.metrics = newMetrics(cfg.Registry, cfg.Version)
	w.poison = newPoison(w)
	w.retries = map[messages.Lane]chan struct{}{}
	w.silentStores = map[string]int{}
	for _, lane := range messages.Lanes() {
		w.retries[lane] = make(chan struct{}, max(cfg.Concurrency/2, 1))
	}
	w.plans = make(chan struct{}, cfg.Concurrency)
	if w.protected, err = newProtectedOrders(cfg.ProtectedOrders); err != nil {
		return nil, err
	}
	w.metrics.protectedOrders.Set(float64(len(*w.protected.orders.Load())))
	if w.policy, err = policy.Open(cfg.Policy); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	w.released = make(chan struct{}, 1)
	d := cfg.DigiCert
	d.CallTimeout = cfg.CallTimeout
	d.Observe = w.observe
	d.MaxIdleConns = max(d.MaxIdleConns, 3*cfg.Concurrency+8)
	if w.digicert, err = client.New(d); err != nil {
		return nil, err
	}
	w.metrics.watch(cfg.Registry, w)
	return w, nil
}

// budgetStats are zero before the budget was opened.
func (w *Worker) budgetStats() budget.Stats {
	if w.opened.Load() == nil || w.budget == nil {
		return budget.Stats{}
	}
	return w.budget.Stats()
}

func (w *Worker) stores() *streams.Stores { return w.opened.Load() }

// Run works until ctx ends: then it stops pulling, lets the calls in flight
// end within the shutdown grace and records them, gives everything else back,
// and returns nil. It returns an error only for what waiting does not mend.
func (w *Worker) Run(ctx context.Context) error {
	calling, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	w.calling, w.pulling = calling, ctx
	if err := w.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	// Everything that serves the commands in hand outlives the pulling.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	var servants sync.WaitGroup
	w.serve(serving, &servants)

	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(w.cfg.ShutdownGrace, func() { cut(errGraceOver) })
	})
	defer stop()
	var lanes sync.WaitGroup
	lanes.Go(func() { w.runLanes(ctx) })
	lanes.Go(func() { w.sweeper().Run(ctx) })
	lanes.Go(func() { w.watchQueues(ctx) })
	lanes.Go(func() { w.release(ctx) })
	w.tellPolicy()
	w.log.Info("working", zap.String("prefix", w.cfg.Names.Prefix()), zap.Int("concurrency", w.cfg.Concurrency),
		zap.Stringer("rate_limit", w.cfg.Limits), zap.Stringer("server_clock_offset", w.clock.Offset()))
	lanes.Wait()
	w.log.Info("stopped pulling; nothing is in hand any more")
	stopServing()
	servants.Wait()
	w.digicert.CloseIdleConnections()
	w.flush(ctx)
	return nil
}

// flush sees the last acks out before the caller closes the connection.
func (w *Worker) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if err := w.cfg.Conn.FlushWithContext(ctx); err != nil {
		w.log.Warn("the last acks may be lost; their messages will be delivered again", zap.Error(err))
	}
}

var errGraceOver = errors.New("the shutdown grace is over")

// open provisions and opens streams and buckets, and waits for them for as
// long as it takes; /readyz says what is missing.
func (w *Worker) open(ctx context.Context) error {
	said := ""
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := w.tryOpen(ctx)
		if err == nil {
			w.health.opened()
			return nil
		}
		if refusal, ok := errors.AsType[*streams.Refusal](err); ok {
			return refusal
		}
		w.health.missing(err)
		if said != err.Error() {
			said = err.Error()
			w.log.Warn("waiting for NATS and its streams", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(rand.N(pause) + pause/2):
		}
	}
}

func (w *Worker) tryOpen(ctx context.Context) error {
	if !w.cfg.Conn.IsConnected() {
		if err := w.cfg.Conn.LastError(); err != nil {
			return fmt.Errorf("no connection to NATS, trying again until it answers: %w", err)
		}
		return errNotConnected
	}
	if w.cfg.Provision {
		if err := streams.Apply(ctx, w.js, w.cfg.Names, streams.Options{Replicas: w.cfg.Replicas}); err != nil {
			return err
		}
	} else if err := streams.Verify(ctx, w.js, w.cfg.Names); err != nil {
		return err
	}
	if err := w.clock.Sync(ctx); err != nil {
		return err
	}
	stores, err := streams.Open(ctx, w.js, w.cfg.Names)
	if err != nil {
		return err
	}
	w.since = w.clock.Now()
	w.ledger = ledger.New(stores.Orders)
	w.budget = budget.New(budget.Config{
		KV: stores.Budget, Conn: w.cfg.Conn, Limits: w.cfg.Limits, ListingShare: w.cfg.ListingShare, Now: w.clock.Now, Report: w.reportBudget,
	})
	w.gates = gate.New(gate.Config{
		Control: stores.Control, Conn: w.cfg.Conn, Probe: w.probe, ProbeFirst: true, KeyChanged: w.cfg.KeyChanged, Now: w.clock.Now,
		NotBefore: w.budget.NotBefore, NotBeforeChanged: w.budget.NotBeforeChanged(), Changed: w.gateChanged,
		Allowed:   w.allowed,
		ClockHold: w.clockHold, ClockHoldChanged: w.clock.Stepped(),
	})
	w.admission = policy.NewJudge(policy.Config{
		JS: w.js, Names: w.cfg.Names, Policy: w.policy.Policy, Said: w.gates.AllowSaid, Allowed: w.gates.AllowThings, Now: w.clock.Now,
	})
	w.opened.Store(&stores) // last: what reads it may use what is above
	return nil
}

var errNotConnected = errors.New("no connection to NATS, trying again until it answers")

// serve starts what the commands in hand rely on; it ends with ctx.
func (w *Worker) serve(ctx context.Context, wg *sync.WaitGroup) {
	for name, run := range map[string]func(context.Context) error{
		"budget": w.budget.Run, "gates": w.gates.Run, "clock": w.clock.Run, "protected orders": w.watchProtected,
		"policy": w.watchPolicy, "policy's events": w.admission.Run,
	} {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				w.log.Error("a part of the worker ended; restart it", zap.String("part", name), zap.Error(err))
				w.health.broken(name, err)
			}
		})
	}
}

// probeAlone is one neutral read: does DigiCert answer, and does it take the
// key? It pays like every call, as one of the sweep does.
func (w *Worker) probeAlone(ctx context.Context) error {
	return w.digicert.Reader(func(ctx context.Context, _ client.Operation) (client.Pass, error) {
		return w.sweepPermit(ctx)
	}).Probe(ctx)
}

func (w *Worker) sweeper() *approvals.Sweeper {
	return approvals.New(approvals.Config{
		Budget: w.stores().Budget, Ledger: w.ledger, Poll: w.cfg.ApprovalPoll, Now: w.clock.Now,
		Reader: w.sweepReader(), Commands: sweptCommands{w},
		Failed: w.sweepFailed,
	})
}
