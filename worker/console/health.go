package console

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readiness is the body of /readyz.
type readiness struct {
	Ready   bool          `json:"ready"`
	Reasons []readyReason `json:"reasons"`
}

type readyReason struct {
	Gate   string    `json:"gate"`
	Since  time.Time `json:"since"`
	Detail string    `json:"detail"`
}

// ready tells whether pages can be shown.
func (c *Console) ready() readiness {
	r := readiness{Ready: true, Reasons: []readyReason{}}
	c.hub.mu.Lock()
	problem, since := c.hub.problem, c.hub.since
	c.hub.mu.Unlock()
	switch {
	case !c.cfg.Conn.IsConnected():
		r.Ready = false
		r.Reasons = append(r.Reasons, readyReason{"nats", since.UTC(), "no connection to NATS; trying again until it answers"})
	case problem != nil:
		r.Ready = false
		r.Reasons = append(r.Reasons, readyReason{"streams", since.UTC(), problem.Error()})
	}
	if text := c.gate.problem(); text != "" {
		r.Reasons = append(r.Reasons, readyReason{"users", since.UTC(), text})
	}
	return r
}

func (c *Console) readyz(w http.ResponseWriter, _ *http.Request) {
	r := c.ready()
	code := http.StatusOK
	if !r.Ready {
		code = http.StatusServiceUnavailable
	}
	text, err := json.Marshal(r)
	if err != nil {
		code = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}

// metrics are the console's, all named certrecall_console_*.
type metrics struct {
	pages   *prometheus.HistogramVec // route
	actions *prometheus.CounterVec   // action, outcome
	logins  *prometheus.CounterVec   // outcome
	ready   prometheus.Gauge
	tabs    atomic.Int64
}

func newMetrics(r prometheus.Registerer, version string) *metrics {
	const space, part = "certrecall", "console"
	m := &metrics{
		pages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: space, Subsystem: part, Name: "page_duration_seconds", Help: "How long pages took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25},
		}, []string{"route"}),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: space, Subsystem: part, Name: "actions_total", Help: "What people asked for, by what became of it.",
		}, []string{"action", "outcome"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: space, Subsystem: part, Name: "logins_total", Help: "Tries to log in, by what became of them.",
		}, []string{"outcome"}),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: space, Subsystem: part, Name: "ready", Help: "1 while /readyz is 200."}),
	}
	tabs := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: space, Subsystem: part, Name: "tabs", Help: "Open pages that follow what happens.",
	}, func() float64 { return float64(m.tabs.Load()) })
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: space, Subsystem: part, Name: "build_info", Help: "1, with the build in its labels.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	r.MustRegister(m.pages, m.actions, m.logins, m.ready, tabs, build)
	return m
}

func (m *metrics) served(route string, took time.Duration) {
	m.pages.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) handler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// measureEvery is how often readiness is looked at for the metric.
const measureEvery = 5 * time.Second

func (c *Console) measure(ctx context.Context) {
	for ctx.Err() == nil {
		c.metrics.ready.Set(map[bool]float64{true: 1}[c.ready().Ready])
		wait(ctx, measureEvery)
	}
}
