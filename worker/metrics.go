package worker

import (
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"certrecall/client"
	"certrecall/messages"
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
	queuePending    *prometheus.GaugeVec     // lane
	queueAckPending *prometheus.GaugeVec     // lane
	queueOldest     *prometheus.GaugeVec     // lane
	waiting         prometheus.Gauge
	waitingOldest   prometheus.Gauge
	deadlinesAtRisk prometheus.Gauge
	deadlinesOver   prometheus.Gauge
	deadlinesMissed prometheus.Counter
	deadLetters     *prometheus.CounterVec // lane, error_type
	deadStored      prometheus.Gauge
	redeliveries    *prometheus.CounterVec // lane
	protectedBroken prometheus.Gauge
	ready           prometheus.Gauge
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
		queuePending:    gauges("queue_pending", "Commands in the stream that no worker has taken.", "lane"),
		queueAckPending: gauges("queue_ack_pending", "Commands in hand or waiting for another try.", "lane"),
		queueOldest:     gauges("queue_oldest_age_seconds", "Age of the oldest command in the stream; 0 if it is empty.", "lane"),
		waiting:         gauge("approvals_waiting", "Commands that wait for an administrator, as the latest sweep of the fleet saw it."),
		waitingOldest:   gauge("approval_oldest_age_seconds", "How long the oldest of them has waited."),
		deadlinesAtRisk: gauge("deadlines_at_risk", "Waiting commands that have less than a quarter of the time to their deadline left."),
		deadlinesOver:   gauge("deadlines_overdue", "Waiting commands whose deadline has passed."),
		deadlinesMissed: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "certrecall", Name: "deadlines_missed_total", Help: "revoke-overdue events said by this worker."}),
		deadLetters:     counter("dead_letters_total", "Dead letters that this worker stored.", "lane", "error_type"),
		deadStored:      gauge("dead_letters", "Dead letters in the stream."),
		redeliveries:    counter("redeliveries_total", "Deliveries above the first.", "lane"),
		protectedBroken: gauge("protected_orders_broken", "1 while the file of protected orders cannot be read and the last good one is in force."),
		ready:           gauge("ready", "1 while /readyz is 200."),
	}
	r.MustRegister(m.deadlinesMissed)
	m.fill()
	build := gauges("build_info", "1, with the build in its labels.", "version", "goversion", "revision")
	build.WithLabelValues(version, runtime.Version(), revision()).Set(1)
	return m
}

// fill makes the series that alerts rely on exist before anything happened.
func (m *metrics) fill() {
	for _, l := range messages.Lanes() {
		lane := string(l)
		m.redeliveries.WithLabelValues(lane)
		m.queuePending.WithLabelValues(lane)
		m.queueAckPending.WithLabelValues(lane)
		m.queueOldest.WithLabelValues(lane)
		m.budgetWait.WithLabelValues(lane)
		for _, t := range messages.ErrorTypes() {
			m.deadLetters.WithLabelValues(lane, string(t))
		}
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
