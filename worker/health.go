package worker

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"certrecall/worker/gate"
)

// Readiness is the body of /readyz.
type Readiness struct {
	Ready   bool          `json:"ready"`
	Reasons []ReadyReason `json:"reasons"`
}

// ReadyReason is one thing that keeps the worker from beginning calls. Only
// some of them make it not ready.
type ReadyReason struct {
	Gate   string    `json:"gate"`
	Since  time.Time `json:"since"`
	Detail string    `json:"detail"`
}

// Gates of readiness that are no gates of the loop.
const (
	gateNATS    = "nats"
	gateStreams = "streams"
	gatePart    = "worker"
)

// livePatience is how long the worker's pulse may fail before /livez says so.
const livePatience = time.Minute

// health is what the parts of the worker say of themselves.
type health struct {
	mu      sync.Mutex
	open    bool
	reasons map[string]ReadyReason
	pulse   time.Time
}

// set reports whether the reason is a new one.
func (h *health) set(key, gate, detail string) (isNew bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reasons == nil {
		h.reasons = map[string]ReadyReason{}
	}
	since := time.Now().UTC()
	old, was := h.reasons[key]
	if was {
		since = old.Since
	}
	h.reasons[key] = ReadyReason{Gate: gate, Since: since, Detail: detail}
	return !was
}

// clear reports whether there was such a reason.
func (h *health) clear(key string) (was bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, was = h.reasons[key]
	delete(h.reasons, key)
	return was
}

func (h *health) opened() {
	h.clear(gateStreams)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = true
}

func (h *health) missing(err error)             { h.set(gateStreams, gateStreams, err.Error()) }
func (h *health) broken(part string, err error) { h.set(part, gatePart, part+": "+err.Error()) }
func (h *health) lanesDown(err error)           { h.set("lanes", gateStreams, err.Error()) }
func (h *health) lanesUp()                      { h.clear("lanes") }
func (h *health) pullerUp(consumer string)      { h.clear("pull " + consumer) }
func (h *health) pullerDown(consumer string, err error) {
	h.set("pull "+consumer, gateStreams, consumer+": "+err.Error())
}

func (h *health) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pulse = time.Now()
}

// Ready says whether the worker can do its work, and what keeps it from it. A
// pause, a not-before or an open circuit are reasons, but the worker is ready.
func (w *Worker) Ready() Readiness {
	r := Readiness{Ready: true, Reasons: []ReadyReason{}}
	w.health.mu.Lock()
	open := w.health.open
	for _, reason := range w.health.reasons {
		r.Ready = false
		r.Reasons = append(r.Reasons, reason)
	}
	w.health.mu.Unlock()
	if !w.cfg.Conn.IsConnected() {
		r.Ready = false
		r.Reasons = append(r.Reasons, ReadyReason{Gate: gateNATS, Since: w.started.UTC(), Detail: "no connection to NATS; trying again until it answers"})
	}
	if !open {
		r.Ready = false
		slices.SortFunc(r.Reasons, byGate)
		return r
	}
	for _, closed := range w.gates.Reasons() {
		r.Ready = r.Ready && closed.Gate != gate.KeyRefused && closed.Gate != gate.NotPermitted
		r.Reasons = append(r.Reasons, ReadyReason{Gate: string(closed.Gate), Since: closed.Since.UTC(), Detail: closed.Detail})
	}
	slices.SortFunc(r.Reasons, byGate)
	return r
}

func byGate(a, b ReadyReason) int {
	if a.Gate != b.Gate {
		if a.Gate < b.Gate {
			return -1
		}
		return 1
	}
	return a.Since.Compare(b.Since)
}

func (w *Worker) setReady() {
	ready := 0.0
	if w.Ready().Ready {
		ready = 1
	}
	w.metrics.ready.Set(ready)
}

// live reports whether the worker makes progress: its pulse beats, or it still
// waits for NATS, which is progress of its own.
func (w *Worker) live() bool {
	w.health.mu.Lock()
	defer w.health.mu.Unlock()
	switch {
	case !w.health.open || w.health.pulse.IsZero():
		return true
	case time.Since(w.health.pulse) >= livePatience:
		return false
	}
	// A command that hangs does so by itself only where nothing else keeps it.
	_, hangs := w.health.reasons[partHands]
	return !hangs || len(w.health.reasons) > 1 || !w.cfg.Conn.IsConnected()
}

// Handler serves /livez, /readyz and /metrics.
func (w *Worker) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) {
		if !w.live() {
			http.Error(rw, "no progress: for more than "+livePatience.String()+" of the worker, or "+hungAfter.String()+" of a command; /readyz says which", http.StatusServiceUnavailable)
			return
		}
		_, _ = rw.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		ready := w.Ready()
		rw.Header().Set("Content-Type", "application/json")
		if !ready.Ready {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(rw).Encode(ready)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.cfg.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return mux
}
