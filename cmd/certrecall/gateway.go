package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"certrecall/messages"
	"certrecall/worker/gateway"
	"certrecall/worker/gateway/deliveries"
)

// gatewayCmd is the door for systems that speak HTTP.
type gatewayCmd struct {
	natsFlags
	Config    string `name:"config" env:"CERTRECALL_GATEWAY_CONFIG" placeholder:"FILE" help:"Configuration: sources with their secrets, and deliveries. Required."`
	HTTPAddr  string `name:"http-addr" env:"CERTRECALL_GATEWAY_ADDR" default:"127.0.0.1:8082" help:"Where the API, /livez, /readyz and /metrics are served. Put a proxy that does TLS before any other address than the own machine's."`
	LogLevel  string `name:"log-level" env:"CERTRECALL_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string `name:"log-format" env:"CERTRECALL_LOG_FORMAT" default:"${log_format}" help:"json, or console: the default on a terminal."`

	Setup       bool `name:"setup" help:"Make the consumers of the deliveries, or bring them up to date, and end: for a gateway whose NATS user may not."`
	Check       bool `name:"check" help:"Read the configuration and its secrets, try NATS, print what is in force, and end: exit code 0 if all works, else 1 (2 for a wrong configuration)."`
	Healthcheck bool `name:"healthcheck" help:"Ask the gateway that runs at --http-addr for its readiness, print it, and end: exit code 0 if it is ready, else 1. For containers."`
}

// Help is the long help, with examples.
func (gatewayCmd) Help() string {
	return `Commands come in as POST /v1/commands/<lane>, and events go out as webhooks; GET /openapi.json describes it. The configuration:

  sources:
    servicenow: {lanes: [revoke, list-duplicates], auth: {bearer_files: [now-1, now-2]}}
    jira:       {lanes: [revoke], auth: {hub_signature_files: [jira]}, rate: 100/1m}
    soar:       {lanes: [revoke-urgent, revoke], auth: {webhook_secret_files: [soar]}}
    scripts:    {lanes: [list-duplicates], auth: {basic_files: [scripts]}}
  deliveries:
    tickets: {url: "https://tickets.example.com/hooks/certrecall", secret_file: tickets, sources: [servicenow], events: [revoked, revoke-failed]}

A file holds one secret and is named relative to the configuration; it is read again when it changes. Start as many gateways as you like.

Examples:
  certrecall gateway --config gateway.yaml --check
  certrecall gateway --config gateway.yaml --http-addr :8082`
}

// gatewayGrace is how long requests may take after the first signal: those that
// post an event have 20 s.
const gatewayGrace = 25 * time.Second

// gatewaySettings is what the flags and the configuration file say together.
type gatewaySettings struct {
	names     messages.Names
	nats      []nats.Option
	logLevel  zapcore.Level
	logFormat string
	gateway   gateway.Settings
}

func (c *gatewayCmd) settings(p *process) (gatewaySettings, error) {
	s := p.settings()
	set := gatewaySettings{logFormat: c.LogFormat}
	set.names, set.nats = c.natsFlags.check(s)
	var err error
	if set.logLevel, err = zapcore.ParseLevel(c.LogLevel); err != nil {
		s.bad("log-level", "%q: set debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "json" && c.LogFormat != "console" {
		s.bad("log-format", "%q: set json or console", c.LogFormat)
	}
	if c.Config == "" {
		s.bad("config", "is not set: name the configuration file (certrecall gateway --help shows one)")
		return set, s.err()
	}
	set.gateway, err = gateway.ReadSettings(c.Config, set.names)
	if wrong, ok := errors.AsType[gateway.SettingsError](err); ok {
		for _, problem := range wrong {
			s.bad("config", "%s", problem)
		}
	} else if err != nil {
		s.bad("config", "%v", err)
	}
	return set, s.err()
}

// Run serves until the context ends.
func (c *gatewayCmd) Run(ctx context.Context, p *process) error {
	if c.Healthcheck {
		return healthcheck(ctx, p, p.settings().name("http-addr"), c.HTTPAddr, "gateway")
	}
	set, err := c.settings(p)
	if err != nil {
		return err
	}
	log := newLogger(p.stderr, set.logLevel, set.logFormat)
	defer func() { _ = log.Sync() }()
	if c.Check {
		return c.check(ctx, p, set)
	}
	if c.Setup {
		return c.setup(ctx, p, set)
	}
	conn, err := c.connect(set.nats, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	g, err := gateway.New(gateway.Config{Settings: set.gateway, Names: set.names, Conn: conn, Log: log, Registry: newRegistry(), Version: version})
	if err != nil {
		return usageError{err.Error()} // it only reads files
	}
	for _, warning := range g.Warnings() {
		log.Warn(warning)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listening for --http-addr (CERTRECALL_GATEWAY_ADDR): %w", err)
	}
	if a, ok := listener.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		log.Warn("serving without TLS on an address that others reach: put a proxy that does TLS in front", zap.Stringer("address", a))
	}
	log.Info("serving the gateway", zap.Stringer("address", listener.Addr()), zap.String("version", version),
		zap.Int("sources", len(set.gateway.Sources)), zap.Int("deliveries", len(set.gateway.Deliveries)))
	return together(ctx, g.Run, func(ctx context.Context) error { return serveUntil(ctx, listener, g.Handler(), gatewayGrace) })
}

// check prints what is in force and tries NATS.
func (c *gatewayCmd) check(ctx context.Context, p *process, set gatewaySettings) error {
	s, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	g, err := gateway.New(gateway.Config{Settings: set.gateway, Names: set.names, Conn: s.conn, Version: version})
	if err != nil {
		return usageError{err.Error()}
	}
	for _, line := range set.gateway.Describe() {
		fmt.Fprintln(p.stdout, clean([]string{line})[0])
	}
	for _, warning := range g.Warnings() {
		p.say("certrecall: warning: %s", warning)
	}
	if err := g.Check(ctx); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "NATS: "+c.redacted()+" answers, and its streams are there")
	return nil
}

// setup makes the consumers of the deliveries.
func (c *gatewayCmd) setup(ctx context.Context, p *process, set gatewaySettings) error {
	s, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	ctx, cancel := context.WithTimeout(ctx, deliveriesTimeout)
	defer cancel()
	var all []deliveries.Standing
	for _, e := range set.gateway.Deliveries {
		now, err := deliveries.Provision(ctx, s.js, s.names, e)
		if err != nil {
			return fmt.Errorf("delivery %s: %w", e.Name, err)
		}
		all = append(all, now)
	}
	return printDeliveries(p, all, false)
}
