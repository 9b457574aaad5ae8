package gateway

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"certrecall/worker/gateway/deliveries"
)

// metrics are the gateway's, all named certrecall_gateway_*. Their names and
// labels are part of the published contract; every label has a closed set of
// values (sources and deliveries are those of the configuration).
type metrics struct {
	requests       *prometheus.CounterVec   // route, code
	requestSeconds *prometheus.HistogramVec // route
	accepted       *prometheus.CounterVec   // lane, source
	deliveries     *prometheus.CounterVec   // delivery, outcome
	postSeconds    *prometheus.HistogramVec // delivery
	off            *prometheus.GaugeVec     // delivery
	failing        *prometheus.GaugeVec     // delivery
	pending        *prometheus.GaugeVec     // delivery
	ready          prometheus.Gauge
	secretsBroken  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, version string) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "certrecall", Subsystem: "gateway", Name: name, Help: help}
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
		r.MustRegister(c)
		return c
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), labels)
		r.MustRegister(g)
		return g
	}
	histogram := func(name, help, label string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "certrecall", Subsystem: "gateway", Name: name, Help: help, Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{label})
		r.MustRegister(h)
		return h
	}
	m := &metrics{
		requests:       counter("requests_total", "Requests that the gateway answered.", "route", "code"),
		requestSeconds: histogram("request_duration_seconds", "How long answers took; those with ?wait too.", "route"),
		accepted:       counter("commands_accepted_total", "Commands that the stream acknowledged.", "lane", "source"),
		deliveries:     counter("deliveries_total", "Posts of events to endpoints, by what became of them.", "delivery", "outcome"),
		postSeconds:    histogram("delivery_duration_seconds", "How long endpoints took to answer.", "delivery"),
		off:            gauges("delivery_off", "1 while an endpoint is switched off and waits for an operator.", "delivery"),
		failing:        gauges("delivery_failing", "1 while an endpoint takes nothing.", "delivery"),
		pending:        gauges("delivery_pending", "Events that an endpoint was not given yet, or has to be given again.", "delivery"),
		ready:          gauges("ready", "1 while /readyz is 200.").WithLabelValues(),
		secretsBroken:  gauges("secrets_broken", "1 while a file of a secret cannot be read and the last good one is in force.").WithLabelValues(),
	}
	gauges("build_info", "1, with the build in its labels.", "version", "goversion").WithLabelValues(version, runtime.Version()).Set(1)
	return m
}

// delivery makes the series of an endpoint exist before anything happened.
func (m *metrics) delivery(name string) {
	for _, o := range deliveries.Outcomes() {
		m.deliveries.WithLabelValues(name, string(o))
	}
	m.off.WithLabelValues(name)
	m.failing.WithLabelValues(name)
	m.pending.WithLabelValues(name)
}

func (m *metrics) reported(r deliveries.Report) {
	m.deliveries.WithLabelValues(r.Endpoint, string(r.Outcome)).Inc()
	if r.Took > 0 {
		m.postSeconds.WithLabelValues(r.Endpoint).Observe(r.Took.Seconds())
	}
}

func (m *metrics) stands(s deliveries.State) {
	m.off.WithLabelValues(s.Name).Set(oneIf(s.Off))
	m.failing.WithLabelValues(s.Name).Set(oneIf(!s.FailingSince.IsZero()))
	m.pending.WithLabelValues(s.Name).Set(float64(s.Waiting) + float64(s.Retrying))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (m *metrics) handler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
