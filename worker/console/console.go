package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/budget"
)

// Config is what a console needs.
type Config struct {
	Names  messages.Names
	Conn   *nats.Conn
	Limits budget.Limits // the workers', which they share with nobody
	// SecondOperatorAbove is the workers' policy's: from where on the word of one
	// operator is not enough. 0 is never, or not known.
	SecondOperatorAbove int64
	BasePath            string // "" or "/certrecall": where a proxy puts the console
	Access              Access
	Log                 *zap.Logger          // nil = silent
	Registry            *prometheus.Registry // nil = one of its own
	Version             string
}

//go:embed templates assets
var files embed.FS

// Console serves the pages.
type Console struct {
	cfg     Config
	js      jetstream.JetStream
	pages   *pages
	hub     *hub
	gate    *gatekeeper
	rights  rights
	metrics *metrics

	stopping chan struct{} // closed when Run is asked to end
	stop     sync.Once
}

// New prepares the console; it connects to nothing.
func New(cfg Config) (*Console, error) {
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	cfg.BasePath = strings.TrimRight(cfg.BasePath, "/")
	if cfg.BasePath != "" && !validBase(cfg.BasePath) {
		return nil, fmt.Errorf("base path %q: set one as /certrecall, of letters, digits, - and _", cfg.BasePath)
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("preparing JetStream: %w", err)
	}
	gate, err := newGatekeeper(cfg.Access)
	if err != nil {
		return nil, err
	}
	p, err := newPages(cfg.BasePath)
	if err != nil {
		return nil, err
	}
	c := &Console{
		cfg: cfg, js: js, pages: p, gate: gate, stopping: make(chan struct{}),
		metrics: newMetrics(cfg.Registry, cfg.Version),
	}
	c.hub = newHub(js, cfg.Names, cfg.Limits, cfg.Log)
	c.rights = rights{js: js, names: cfg.Names, known: map[string]known{}}
	return c, nil
}

func validBase(path string) bool {
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if !messages.ValidSource(part) {
			return false
		}
	}
	return strings.HasPrefix(path, "/")
}

// Run reads what the pages show until ctx ends.
func (c *Console) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { c.stop.Do(func() { close(c.stopping) }) })()
	var all sync.WaitGroup
	all.Go(func() { c.gate.run(ctx, c.cfg.Log) })
	all.Go(func() { c.measure(ctx) })
	c.hub.run(ctx)
	all.Wait()
	return nil
}

// answerWithin bounds what a page may take.
const answerWithin = 25 * time.Second

// maxForm bounds what is posted, in bytes.
const maxForm = 64 << 10

// Handler serves the console.
func (c *Console) Handler() http.Handler {
	inner := http.NewServeMux()
	page := func(pattern string, serve func(*request) error) {
		inner.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, pattern, serve) })
	}
	page("GET /{$}", c.overview)
	page("GET /incidents/{incident}", c.incident)
	page("GET /incidents/{incident}/report", c.report)
	page("GET /commands/{source}/{incident}/{id}", c.command)
	page("GET /orders/{order}", c.order)
	page("GET /find", c.find)
	page("GET /approvals", c.approvals)
	page("GET /held", c.held)
	page("GET /dead-letters", c.letters)
	page("GET /audit", c.audit)
	page("POST /actions/{action}", c.act)
	inner.HandleFunc("GET /live", c.live)
	page("/", func(*request) error { return problem{http.StatusNotFound, "There is no such page.", nil} })

	outer := http.NewServeMux()
	outer.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	outer.HandleFunc("GET /readyz", c.readyz)
	outer.Handle("GET /metrics", c.metrics.handler(c.cfg.Registry))
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	outer.Handle("GET /assets/", http.StripPrefix("/assets/", cached(http.FileServerFS(assets))))
	outer.HandleFunc("/login", c.login)
	outer.HandleFunc("POST /logout", c.logout)
	outer.Handle("/", c.known(inner))

	top := http.NewCrossOriginProtection().Handler(outer)
	if c.cfg.BasePath != "" {
		based := http.NewServeMux()
		based.Handle(c.cfg.BasePath+"/", http.StripPrefix(c.cfg.BasePath, top))
		for _, path := range []string{"/livez", "/readyz", "/metrics"} { // those who look after the process know no proxy
			based.Handle("GET "+path, outer)
		}
		top = based
	}
	return hardened(top)
}

// policyOfContent allows what the console itself serves, and nothing inline.
const policyOfContent = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policyOfContent)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// cached lets a browser keep assets for a while: their addresses bear a version.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		next.ServeHTTP(w, r)
	})
}

// problem is an error with what a person is told, and the status of the answer.
type problem struct {
	status int
	text   string
	cause  error
}

func (p problem) Error() string {
	if p.cause != nil {
		return p.text + ": " + p.cause.Error()
	}
	return p.text
}

func (p problem) Unwrap() error { return p.cause }

func bad(format string, args ...any) error {
	return problem{http.StatusBadRequest, fmt.Sprintf(format, args...), nil}
}

// problemOf says how an error is answered. What is not known to be something
// else is NATS that cannot be read: the page says what it does not know.
func problemOf(err error) problem {
	if p, ok := errors.AsType[problem](err); ok {
		return p
	}
	return problem{http.StatusServiceUnavailable, "This cannot be read now. The console tries again by itself.", err}
}
