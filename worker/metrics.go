package worker

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/budget"
	"certrecall/worker/gate"
)

// metrics are the worker's, all named certrecall_*. Their names and labels are
// part of the published contract; every label has a closed set of values.
type metrics struct {
	commands        *prometheus.CounterVec   // lane, outcome
	commandSeconds  *prometheus.HistogramVec // lane, outcome
	calls           *prometheus.CounterVec   // operation, class
	callSeconds     *prometheus.HistogramVec // operation
	budgetUsed      *prometheus.GaugeVec     // window
	budgetLeft      *prometheus.GaugeVec     // window
	budgetLimit     *prometheus.GaugeVec     // window
	budgetWait      *prometheus.HistogramVec // lane
	gateClosed      *prometheus.GaugeVec     // gate, kind
	queuePending    *freshGauges             // lane
	queueAckPending *freshGauges             // lane
	queueOldest     *freshGauges             // lane
	waiting         *freshGauges
	waitingOldest   *freshGauges
	deadlinesAtRisk *freshGauges
	deadlinesOver   *freshGauges
	deadlinesMissed prometheus.Counter
	deadLetters     *prometheus.CounterVec // lane, error_type
	deadStored      *freshGauges
	redeliveries    *prometheus.CounterVec // lane
	protectedBroken prometheus.Gauge
	protectedOrders prometheus.Gauge
	protectedGone   prometheus.Counter
	unacked         *prometheus.CounterVec // lane, outcome
	storeFailures   *prometheus.CounterVec // store
	slotsInUse      *prometheus.GaugeVec   // lane
	connecting      prometheus.Histogram
	sweepAge        *freshGauges
	policyBroken    prometheus.Gauge
	ready           prometheus.Gauge
	strangers       prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, version string) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "certrecall", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "certrecall", Name: name, Help: help}, labels)
		r.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "certrecall", Name: name, Help: help, Buckets: buckets}, labels)
		r.MustRegister(h)
		return h
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "certrecall", Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	fresh := func(name, help string, labels ...string) *freshGauges {
		return newFreshGauges(r, name, help, labels...)
	}
	m := &metrics{
		commands:        counter("commands_total", "Commands that this worker brought to an outcome.", "lane", "outcome"),
		commandSeconds:  histogram("command_duration_seconds", "From the stream's storing of a command to its final event.", []float64{.005, .02, .1, .5, 1, 5, 15, 60, 300, 1800, 7200, 21600, 86400}, "lane", "outcome"),
		calls:           counter("digicert_calls_total", "HTTP attempts at DigiCert that ended, by their class (ok, or the kind of failure).", "operation", "class"),
		callSeconds:     histogram("digicert_call_duration_seconds", "How long HTTP attempts at DigiCert took.", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60}, "operation"),
		budgetUsed:      gauges("budget_used", "Calls that the whole fleet has used of a rolling window.", "window"),
		budgetLeft:      gauges("budget_left", "Calls that the whole fleet has left of a rolling window.", "window"),
		budgetLimit:     gauges("budget_limit", "Calls that a rolling window allows.", "window"),
		budgetWait:      histogram("budget_wait_seconds", "How long calls waited for a permit.", []float64{.001, .01, .1, 1, 5, 15, 60, 180, 300, 900}, "lane"),
		gateClosed:      gauges("gate_closed", "1 while a gate keeps this worker from beginning calls.", "gate", "kind"),
		queuePending:    fresh("queue_pending", "Commands in the stream that no worker has taken.", "lane"),
		queueAckPending: fresh("queue_ack_pending", "Commands in hand or waiting for another try.", "lane"),
		queueOldest:     fresh("queue_oldest_age_seconds", "Age of the oldest command in the stream; 0 if it is empty.", "lane"),
		waiting:         fresh("approvals_waiting", "Commands that wait for an administrator, as the latest sweep of the fleet saw it."),
		waitingOldest:   fresh("approval_oldest_age_seconds", "How long the oldest of them has waited."),
		deadlinesAtRisk: fresh("deadlines_at_risk", "Waiting commands that have less than a quarter of the time to their deadline left."),
		deadlinesOver:   fresh("deadlines_overdue", "Waiting commands whose deadline has passed."),
		deadlinesMissed: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "certrecall", Name: "deadlines_missed_total", Help: "revoke-overdue events said by this worker."}),
		deadLetters:     counter("dead_letters_total", "Dead letters that this worker stored.", "lane", "error_type"),
		deadStored:      fresh("dead_letters_stored", "Dead letters in the stream."),
		redeliveries:    counter("redeliveries_total", "Deliveries above the first.", "lane"),
		policyBroken:    gauge("policy_broken", "1 while the policy file cannot be read and the last good one is in force."),
		protectedBroken: gauge("protected_orders_broken", "1 while the file of protected orders cannot be read and the last good one is in force."),
		protectedOrders: gauge("protected_orders", "Orders that this worker never revokes."),
		protectedGone:   prometheus.NewCounter(prometheus.CounterOpts{Namespace: "certrecall", Name: "protected_orders_removed_total", Help: "Orders that were taken out of the file of protected orders while this worker ran."}),
		unacked:         counter("deliveries_unacked_total", "Deliveries that this worker gave back or lost: retry, returned, lost, panic.", "lane", "outcome"),
		storeFailures:   counter("store_failures_total", "Writes to a stream or bucket that failed and are tried again.", "store"),
		slotsInUse:      gauges("slots_in_use", "Commands that this worker has in hand.", "lane"),
		connecting:      prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "certrecall", Name: "digicert_connection_seconds", Help: "How long new connections to DigiCert took to make, TLS included.", Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}),
		sweepAge:        fresh("sweep_age_seconds", "Since the latest sweep of the fleet over waiting commands ended."),
		strangers:       gauge("sources_at_the_end", "Sources whose last 20 orders were all unknown to DigiCert: their commands wait at the end of this worker's line."),
		ready:           gauge("ready", "1 while /readyz is 200."),
	}
	r.MustRegister(m.deadlinesMissed, m.connecting, m.protectedGone)
	m.fill()
	build := gauges("build_info", "1, with the build in its labels.", "version", "goversion", "revision")
	build.WithLabelValues(version, runtime.Version(), revision()).Set(1)
	return m
}

// Stores, as the label of store_failures_total has them.
const (
	storeEvents      = "events"
	storeDeadLetters = "dead-letters"
	storeOrders      = "orders"
	storeBudget      = "budget"
)

func (m *metrics) storeFailed(store string) { m.storeFailures.WithLabelValues(store).Inc() }

// watch exports what others count: the connection to NATS, the swaps of the budget, the connections to DigiCert.
func (m *metrics) watch(r prometheus.Registerer, w *Worker) {
	register := func(c prometheus.Collector) { r.MustRegister(c) }
	register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "certrecall", Name: "nats_connected", Help: "1 while there is a connection to NATS."}, func() float64 {
		if w.cfg.Conn.IsConnected() {
			return 1
		}
		return 0
	}))
	register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "certrecall", Name: "digicert_connections", Help: "Connections to DigiCert that are there or being made."}, func() float64 {
		return float64(w.digicert.Connections())
	}))
	for result, of := range map[string]func(budget.Stats) uint64{
		"done": func(s budget.Stats) uint64 { return s.Writes }, "lost": func(s budget.Stats) uint64 { return s.Conflicts },
		"unclear": func(s budget.Stats) uint64 { return s.Unclear },
	} {
		register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "certrecall", Name: "budget_swaps_total", Help: "Writes of the fleet's budget by this worker, by what became of them.", ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(of(w.budgetStats())) }))
	}
}

// fill makes the series that alerts rely on exist before anything happened.
func (m *metrics) fill() {
	for _, l := range messages.Lanes() {
		lane := string(l)
		m.redeliveries.WithLabelValues(lane)
		m.slotsInUse.WithLabelValues(lane)
		for _, outcome := range []string{outcomeRetry, outcomeReturned, outcomeLost, outcomePanic} {
			m.unacked.WithLabelValues(lane, outcome)
		}
		m.budgetWait.WithLabelValues(lane)
		for _, t := range messages.ErrorTypes() {
			m.deadLetters.WithLabelValues(lane, string(t))
		}
	}
	for _, store := range []string{storeEvents, storeDeadLetters, storeOrders, storeBudget} {
		m.storeFailures.WithLabelValues(store)
	}
	for _, op := range client.Operations() {
		m.calls.WithLabelValues(string(op), "ok")
		m.calls.WithLabelValues(string(op), string(client.ClassThrottled))
	}
	for _, kind := range []gate.Kind{gate.Revocations, gate.Listings} {
		m.gateClosed.WithLabelValues(string(gate.Paused), string(kind))
	}
	for _, kind := range []gate.Kind{gate.Revocations, gate.Listings, gate.Both} {
		m.gateClosed.WithLabelValues(string(gate.NotPermitted), kindLabel(kind))
	}
	m.gateClosed.WithLabelValues(string(gate.Clock), string(gate.Revocations))
	for _, name := range []gate.Name{gate.NotBefore, gate.Circuit, gate.KeyRefused} {
		m.gateClosed.WithLabelValues(string(name), "all")
	}
}

func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}
