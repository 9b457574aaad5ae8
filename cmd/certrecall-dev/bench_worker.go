package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker"
	"certrecall/worker/budget"
)

// benchWorkerCmd is a worker as the product has it, with profiles beside its
// health. The product has no such endpoint.
type benchWorkerCmd struct {
	NATSURL     string `name:"nats-url" required:"" help:"Where NATS is."`
	DigiCertURL string `name:"digicert-url" required:"" help:"Where the simulated DigiCert is."`
	RateLimit   string `name:"rate-limit" default:"0" help:"Rolling windows of calls."`
	Concurrency int    `name:"concurrency" default:"8" help:"Calls at once, per lane."`
	HTTPAddr    string `name:"http-addr" default:"127.0.0.1:0" help:"Where health, metrics and /debug/pprof/ are served."`
}

// Run works until the context ends.
func (c *benchWorkerCmd) Run(ctx context.Context, p *process) error {
	limits, err := budget.ParseLimits(c.RateLimit)
	if err != nil {
		return usageError{"--rate-limit: " + err.Error()}
	}
	names, err := messages.NewNames("certrecall")
	if err != nil {
		return err
	}
	conn, err := nats.Connect(c.NATSURL, nats.Name("certrecall"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer conn.Close()
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(p.stderr)), zapcore.InfoLevel))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	w, err := worker.New(worker.Config{
		Names: names, Conn: conn, Limits: limits, Concurrency: c.Concurrency, Provision: true, Log: log, Registry: registry, Version: version,
		DigiCert: client.Config{BaseURL: c.DigiCertURL, Key: client.StaticKey(benchKey)}, ShutdownGrace: shutdownGrace,
	})
	if err != nil {
		return err
	}
	listener, err := listen(ctx, "127.0.0.1", 0)
	if err != nil {
		return err
	}
	log.Info("serving", zap.Stringer("address", listener.Addr()))
	mux := http.NewServeMux()
	mux.Handle("/", w.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	crew := newCrew(ctx)
	crew.goes(func(ctx context.Context) error { return serve(ctx, listener, mux) })
	return errors.Join(w.Run(crew.working), crew.end())
}
