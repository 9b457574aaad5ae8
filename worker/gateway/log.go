package gateway

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// notes is what a request's one line in the log says of it. It holds no header,
// no body and no query.
type notes struct {
	source, credential, kind string
	command                  string
	order                    int64
	sequence                 uint64
	problem                  string
	bytes                    int
	status                   int
}

type notesKey struct{}

// note gives the notes of a request, which its handlers fill in.
func note(r *http.Request) *notes {
	if n, ok := r.Context().Value(notesKey{}).(*notes); ok {
		return n
	}
	return &notes{}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	notes *notes
}

// WriteHeader implements http.ResponseWriter.
func (r recorder) WriteHeader(status int) {
	if r.notes.status == 0 {
		r.notes.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (r recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// The routes, as the log and the metrics name them.
const (
	routePost    = "POST /v1/commands/{lane}"
	routeGet     = "GET /v1/commands/{incident}/{id}"
	routeOpenAPI = "GET /openapi.json"
	routeOther   = "other"
)

// routeOf is the pattern that served a request, of a closed set.
func routeOf(pattern string) string {
	switch pattern {
	case routePost, routeGet, routeOpenAPI:
		return pattern
	}
	return routeOther
}

// logged writes one line a request, and counts it. What watches the gateway
// (health, metrics) is neither.
func (g *Gateway) logged(next *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		n := &notes{}
		r = r.WithContext(context.WithValue(r.Context(), notesKey{}, n))
		next.ServeHTTP(recorder{w, n}, r)
		switch r.Pattern {
		case "GET /livez", "GET /readyz", "GET /metrics":
			return
		}
		if n.status == 0 {
			n.status = http.StatusOK
		}
		route, took := routeOf(r.Pattern), time.Since(began)
		g.metrics.requests.WithLabelValues(route, strconv.Itoa(n.status)).Inc()
		g.metrics.requestSeconds.WithLabelValues(route).Observe(took.Seconds())
		remote, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			remote = r.RemoteAddr
		}
		log := g.cfg.Log.Info
		if n.status >= http.StatusInternalServerError {
			log = g.cfg.Log.Warn
		}
		log("request", zap.String("method", r.Method), zap.String("path", r.URL.EscapedPath()), zap.Int("status", n.status),
			zap.Duration("took", took), zap.String("remote", remote), zap.Int("bytes", n.bytes),
			zap.String("source", n.source), zap.String("credential", n.credential), zap.String("auth", n.kind),
			zap.String("command", n.command), zap.Int64("order_id", n.order), zap.Uint64("sequence", n.sequence), zap.String("problem", n.problem))
	})
}
