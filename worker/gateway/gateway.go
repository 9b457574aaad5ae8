package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/gateway/credentials"
	"certrecall/worker/gateway/deliveries"
)

// Config is what a gateway needs.
type Config struct {
	Settings Settings
	Names    messages.Names
	Conn     *nats.Conn
	Log      *zap.Logger          // nil = silent
	Registry *prometheus.Registry // nil = one of its own
	Version  string
	// Dial makes the connections of deliveries; nil = as each of them may.
	Dial deliveries.Dial
}

// Gateway takes commands and delivers events.
type Gateway struct {
	cfg        Config
	js         jetstream.JetStream
	secrets    *credentials.Store
	deliveries []*deliveries.Delivery
	metrics    *metrics
	limits     limiters
	accepted   accepted
	waiting    chan struct{} // one for each request that waits for an answer
	health     health
	started    time.Time
	stopping   chan struct{} // closed when Run is asked to end

	mu     sync.Mutex
	stream map[string]jetstream.Stream // handles, by name
}

// maxWaiting bounds the requests that wait for an answer at once.
const maxWaiting = 512

// New reads the secrets; it connects to nothing. The error names every file
// that cannot be used.
func New(cfg Config) (*Gateway, error) {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("preparing JetStream: %w", err)
	}
	g := &Gateway{
		cfg: cfg, js: js, metrics: newMetrics(cfg.Registry, cfg.Version), started: time.Now(),
		waiting: make(chan struct{}, maxWaiting), stopping: make(chan struct{}), stream: map[string]jetstream.Stream{},
	}
	var problems []error
	var files []credentials.File
	for _, s := range sortedSources(cfg.Settings.Sources) {
		files = append(files, cfg.Settings.Sources[s].Files...)
	}
	if g.secrets, err = credentials.Open(files); err != nil {
		problems = append(problems, err)
	}
	for _, e := range cfg.Settings.Deliveries {
		d, err := deliveries.New(deliveries.Config{
			JS: js, Names: cfg.Names, Endpoint: e, UserAgent: "certrecall-gateway/" + cfg.Version, Report: g.report, Dial: cfg.Dial,
		})
		if err != nil {
			problems = append(problems, err)
			continue
		}
		g.metrics.delivery(e.Name)
		g.deliveries = append(g.deliveries, d)
	}
	return g, errors.Join(problems...)
}

// Warnings gives what should be mended though it works: secrets that everybody
// on the machine can read, or that can be guessed.
func (g *Gateway) Warnings() []string {
	all := g.secrets.Warnings()
	for _, d := range g.deliveries {
		if w := d.State().Warning; w != "" {
			all = append(all, w)
		}
	}
	return all
}

// Run delivers events and keeps secrets and health up to date until ctx ends.
// Requests that wait for an answer are answered then; those of deliveries end.
func (g *Gateway) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	defer context.AfterFunc(ctx, func() { close(g.stopping) })()
	all.Go(func() { _ = g.secrets.Run(ctx) }) // ends with ctx, without an error
	all.Go(func() { g.watch(ctx) })
	for _, d := range g.deliveries {
		all.Go(func() { _ = d.Run(ctx) }) // ends with ctx, without an error
	}
	<-ctx.Done()
	return nil
}

// report logs and counts what happens to deliveries.
func (g *Gateway) report(r deliveries.Report) {
	g.metrics.reported(r)
	log := g.cfg.Log.Info
	switch r.Outcome {
	case deliveries.Retried, deliveries.Unavailable:
		log = g.cfg.Log.Warn
	case deliveries.SetAside, deliveries.SwitchedOff:
		log = g.cfg.Log.Error
	case deliveries.Delivered:
	}
	fields := []zap.Field{zap.String("delivery", r.Endpoint), zap.String("outcome", string(r.Outcome)), zap.String("detail", r.Detail)}
	if r.Sequence > 0 {
		fields = append(fields, zap.String("event", string(r.Event)), zap.Stringer("command", r.Command), zap.Uint64("sequence", r.Sequence),
			zap.Uint64("attempt", r.Attempt), zap.Int("status", r.Status), zap.Duration("took", r.Took), zap.Duration("next", r.Next))
	}
	log("delivery", fields...)
}

// open gives the handle of a stream, which is looked up once.
func (g *Gateway) open(ctx context.Context, name string) (jetstream.Stream, error) {
	g.mu.Lock()
	s := g.stream[name]
	g.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := g.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", name, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stream[name] = s
	return s, nil
}

// Handler serves the API.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/commands/{lane}", g.post)
	mux.HandleFunc("GET /v1/commands/{incident}/{id}", g.get)
	mux.HandleFunc("/v1/commands/{lane}", methodNotAllowed(http.MethodPost))
	mux.HandleFunc("/v1/commands/{incident}/{id}", methodNotAllowed(http.MethodGet))
	mux.HandleFunc("GET /openapi.json", g.openAPI)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", g.readyz)
	mux.Handle("GET /metrics", g.metrics.handler(g.cfg.Registry))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem{http.StatusNotFound, "not-found", "there is nothing here: POST /v1/commands/<lane>, GET /v1/commands/<incident>/<id>, GET /openapi.json", nil, 0}.write(w, r)
	})
	return g.logged(mux)
}
