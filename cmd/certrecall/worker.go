package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"certrecall/client"
	"certrecall/worker"
)

// workerCmd is the worker with its settings: the manual of each is its help.
// What the parser could refuse is text here, so that settings.go can name all
// problems at once.
type workerCmd struct {
	natsFlags
	Replicas  string `name:"replicas" env:"CERTRECALL_REPLICAS" default:"1" help:"Replicas of each stream and bucket that is created: 1, 3 or 5."`
	Provision yesNo  `name:"provision" env:"CERTRECALL_PROVISION" default:"true" help:"Create streams, consumers and buckets that are absent at the start; --provision=false only checks them."`

	DigiCertURL     string `name:"digicert-url" env:"DIGICERT_URL" default:"${digicert_url}" help:"DigiCert's API; a European account has https://certcentral.digicert.eu/services/v2. HTTPS_PROXY and NO_PROXY are honoured."`
	DigiCertKeyFile string `name:"digicert-api-key-file" env:"DIGICERT_API_KEY_FILE" placeholder:"FILE" help:"File with the API key, read again when it changes. Or set the variable DIGICERT_API_KEY: exactly one of the two."`
	DigiCertCA      string `name:"digicert-ca" env:"DIGICERT_CA" placeholder:"FILE" help:"Certificates (PEM) to trust for DigiCert besides the system's."`
	DigiCertCAOnly  yesNo  `name:"digicert-ca-only" env:"DIGICERT_CA_ONLY" default:"false" help:"Trust only the certificates of --digicert-ca for DigiCert, not the system's."`

	RateLimit        []string `name:"rate-limit" env:"CERTRECALL_RATE_LIMIT" default:"1000/5m,100/5s" help:"Rolling windows of calls for the whole fleet, calls/duration, separated by commas or given several times: all hold; 0 is none."`
	ListingShare     string   `name:"listing-share" env:"CERTRECALL_LISTING_SHARE" default:"0.8" help:"Listings and dry runs are called only while less than this share of each window is used; 0.1 to 1."`
	Concurrency      string   `name:"concurrency" env:"CERTRECALL_CONCURRENCY" default:"8" help:"Calls at once, of each lane in each worker; 1 to 1024."`
	CallTimeout      string   `name:"call-timeout" env:"CERTRECALL_CALL_TIMEOUT" default:"20s" help:"Time for one call of DigiCert; 100ms to 5m."`
	RetryMaxInterval string   `name:"retry-max-interval" env:"CERTRECALL_RETRY_MAX_INTERVAL" default:"5m" help:"Longest pause between two tries of a command; 1s to 1h."`
	RetryMaxElapsed  string   `name:"retry-max-elapsed" env:"CERTRECALL_RETRY_MAX_ELAPSED" default:"24h" help:"How long a command is tried from its first call on, not counting pauses, a refused key or a not-before; 1m to 30d."`
	ApprovalPoll     string   `name:"approval-poll" env:"CERTRECALL_APPROVAL_POLL" default:"1m" help:"Time between two looks at the requests that wait for an administrator; 1s to 1h."`
	AckWait          string   `name:"ack-wait" env:"CERTRECALL_ACK_WAIT" default:"30s" help:"After this long without a sign of life of its worker a command is given to another; 1s to 10m."`
	ShutdownGrace    string   `name:"shutdown-grace" env:"CERTRECALL_SHUTDOWN_GRACE" default:"25s" help:"Time that calls in flight have to end after SIGTERM; at least the call time-out."`
	Policy           string   `name:"policy" env:"CERTRECALL_POLICY" placeholder:"FILE" help:"How much each source may revoke: see policy check. Read again when it changes."`
	ProtectedOrders  string   `name:"protected-orders" env:"CERTRECALL_PROTECTED_ORDERS" placeholder:"FILE" help:"Orders never to be revoked: one id a line, # begins the reason. Read again when it changes."`

	HTTPAddr  string `name:"http-addr" env:"CERTRECALL_HTTP_ADDR" default:":8080" help:"Where /livez, /readyz and /metrics are served."`
	LogLevel  string `name:"log-level" env:"CERTRECALL_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string `name:"log-format" env:"CERTRECALL_LOG_FORMAT" default:"${log_format}" help:"json, or console: the default on a terminal."`
	Check     bool   `name:"check" help:"Print the effective configuration, try NATS and the key, and end: exit code 0 if both work, else 1."`

	Healthcheck bool `name:"healthcheck" help:"Ask the worker that runs at --http-addr for its readiness, print it, and end: exit code 0 if it is ready, else 1. For containers."`
}

// Help is the long help, with examples.
func (workerCmd) Help() string {
	return `The key is given in the variable DIGICERT_API_KEY or in a file; there is no flag for it, since a command line is public.
Start as many workers as you like: they share the queue, the budget and the memory of orders.
SIGTERM lets the calls in flight end and gives everything else back; a second signal ends at once.

Examples:
  certrecall worker --digicert-api-key-file /run/secrets/digicert-api-key
  DIGICERT_API_KEY=… certrecall worker --nats-url nats://nats.example.com:4222 --check`
}

// Run works until the context ends.
func (c *workerCmd) Run(ctx context.Context, p *process) error {
	if c.Healthcheck {
		return healthcheck(ctx, p, p.settings().name("http-addr"), c.HTTPAddr, "worker")
	}
	set, err := c.settings(p)
	if err != nil {
		return err
	}
	if c.Check {
		return c.check(ctx, p, set)
	}
	log := newLogger(p.stderr, set.logLevel, set.logFormat)
	defer func() { _ = log.Sync() }()
	for _, warning := range set.warnings {
		log.Warn(warning)
	}
	conn, err := c.connect(set.nats, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg := set.worker
	cfg.Conn, cfg.Log, cfg.Registry, cfg.Version = conn, log, newRegistry(), version
	w, err := worker.New(cfg)
	if err != nil {
		return usageError{err.Error()} // it only looks at the configuration
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listening for --http-addr (CERTRECALL_HTTP_ADDR): %w", err)
	}
	log.Info("serving /livez, /readyz and /metrics", zap.Stringer("address", listener.Addr()), zap.String("version", version))
	work := func(ctx context.Context) error {
		working, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		defer context.AfterFunc(ctx, func() {
			log.Info("asked to stop: calls in flight may end, the rest is given back", zap.Duration("grace", cfg.ShutdownGrace))
			stop()
		})()
		return w.Run(working)
	}
	return together(ctx, work,
		func(ctx context.Context) error { return serve(ctx, listener, w.Handler()) },
		func(ctx context.Context) error { return watchKey(ctx, set.keyFile, log) },
	)
}

// together runs the work and, around it, what serves it: that is stopped when
// the work has ended, and the work when something that serves it fails.
func together(ctx context.Context, work func(context.Context) error, servants ...func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	serving, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	failures := make([]error, len(servants))
	var all sync.WaitGroup
	for i, servant := range servants {
		all.Go(func() {
			if failures[i] = servant(serving); failures[i] != nil {
				stop()
			}
		})
	}
	err := work(working)
	release()
	all.Wait()
	return errors.Join(append(failures, err)...)
}

// watchKey reads the key file anew when it changes, and says once when it can
// not: the last good key stays in use then.
func watchKey(ctx context.Context, file *client.KeyFile, log *zap.Logger) error {
	if file == nil {
		return nil
	}
	var reader sync.WaitGroup
	reader.Go(func() { _ = file.Run(ctx) }) // it ends with ctx, without an error
	defer reader.Wait()
	tick := time.NewTicker(keyFileLook)
	defer tick.Stop()
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := ""
		if err := file.Err(); err != nil {
			now = err.Error()
		}
		if now != said && now != "" {
			log.Error("the key file is broken; the last good key stays in use", zap.String("error", now))
		} else if now != said {
			log.Info("the key file can be read again")
		}
		said = now
	}
}

// keyFileLook is how often watchKey looks whether the file could be read.
const keyFileLook = 5 * time.Second

// newRegistry has the metrics of the process and of Go beside the worker's.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// isTerminal tells whether a person reads what is written.
func isTerminal(w any) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && isatty.IsTerminal(f.Fd())
}
