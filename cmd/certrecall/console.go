package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"certrecall/worker/console"
)

// consoleCmd is the web page of operators.
type consoleCmd struct {
	natsFlags
	operatorFlag
	limitsFlag
	HTTPAddr     string   `name:"http-addr" env:"CERTRECALL_CONSOLE_ADDR" default:"127.0.0.1:8081" help:"Where the pages, /livez, /readyz and /metrics are served. Others than the own machine's need --users-file or --user-header, and a proxy that does TLS."`
	BasePath     string   `name:"base-path" env:"CERTRECALL_CONSOLE_BASE_PATH" placeholder:"PATH" help:"Path under which a proxy serves the console, as /certrecall."`
	UsersFile    string   `name:"users-file" env:"CERTRECALL_CONSOLE_USERS_FILE" placeholder:"FILE" help:"Names and bcrypt hashes of those who may log in, as htpasswd -B writes them; read again when it changes."`
	UserHeader   string   `name:"user-header" env:"CERTRECALL_CONSOLE_USER_HEADER" placeholder:"NAME" help:"Header in which an authenticating proxy names the user; with --trusted-proxy."`
	TrustedProxy []string `name:"trusted-proxy" env:"CERTRECALL_CONSOLE_TRUSTED_PROXY" placeholder:"NET" help:"Addresses of the proxy, as 10.0.0.5 or 10.0.0.0/24: the header is believed from there only."`
	LogLevel     string   `name:"log-level" env:"CERTRECALL_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat    string   `name:"log-format" env:"CERTRECALL_LOG_FORMAT" default:"${log_format}" help:"json, or console: the default on a terminal."`

	Healthcheck bool `name:"healthcheck" help:"Ask the console that runs at --http-addr for its readiness, print it, and end: exit code 0 if it is ready, else 1. For containers."`
}

// Help is the long help, with examples.
func (consoleCmd) Help() string {
	return `Shows incidents, commands, what waits, what is held, dead letters and the audit, live; and pauses, resumes, cancels, allows, replays and drops,
with the rights of its NATS user: one that may write nothing makes a console without buttons. Who logs in speaks as the operator of that name;
where nobody logs in (on the own machine only) it is --operator. A page asked for with Accept: application/json answers its data.

Examples:
  certrecall console
  certrecall console --http-addr :8081 --users-file users.htpasswd
  certrecall console --http-addr :8081 --user-header X-Forwarded-User --trusted-proxy 10.0.0.5 --base-path /certrecall`
}

// consoleGrace is how long requests may take after the first signal.
const consoleGrace = 5 * time.Second

// access reads who may see the console; what is wrong with it goes into s.
func (c *consoleCmd) access(s *settings) console.Access {
	a := console.Access{Header: c.UserHeader}
	for _, text := range c.TrustedProxy {
		prefix, err := netip.ParsePrefix(text)
		if addr, plain := netip.ParseAddr(text); plain == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			s.bad("trusted-proxy", "%q: set an address, as 10.0.0.5, or a net, as 10.0.0.0/24", text)
		}
		a.Proxies = append(a.Proxies, prefix)
	}
	if c.UserHeader != "" && c.UsersFile != "" {
		s.bad("user-header", "set together with %s: choose one way to log in", s.name("users-file"))
	}
	if c.UserHeader != "" && len(c.TrustedProxy) == 0 {
		s.bad("user-header", "needs %s: from anybody else the header is not believed", s.name("trusted-proxy"))
	}
	if c.UsersFile != "" {
		var err error
		if a.Users, err = console.OpenUsers(c.UsersFile); err != nil {
			s.bad("users-file", "%v", err)
		}
	}
	host, _, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil {
		s.bad("http-addr", "%v; set host:port, as 127.0.0.1:8081", err)
	} else if ip := net.ParseIP(host); a.Open() && c.UsersFile == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		s.bad("http-addr", "%q is reached by others, and nobody would have to log in: set %s or %s, or an address of this machine, as 127.0.0.1:8081",
			c.HTTPAddr, s.name("users-file"), s.name("user-header"))
	}
	return a
}

// Run serves until the context ends.
func (c *consoleCmd) Run(ctx context.Context, p *process) error {
	if c.Healthcheck {
		return healthcheck(ctx, p, p.settings().name("http-addr"), c.HTTPAddr, "console")
	}
	s := p.settings()
	limits, access := c.limits(s), c.access(s)
	c.operatorFlag.check(s)
	names, options := c.natsFlags.check(s)
	level, err := zapcore.ParseLevel(c.LogLevel)
	if err != nil {
		s.bad("log-level", "%q: set debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "json" && c.LogFormat != "console" {
		s.bad("log-format", "%q: set json or console", c.LogFormat)
	}
	if err := s.err(); err != nil {
		return err
	}
	log := newLogger(p.stderr, level, c.LogFormat)
	defer func() { _ = log.Sync() }()
	conn, err := c.connect(options, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	if access.Open() {
		if access.Operator, err = c.whoever(ctx, p, conn); err != nil {
			return err
		}
	}
	page, err := console.New(console.Config{
		Names: names, Conn: conn, Limits: limits, BasePath: c.BasePath, Access: access, Log: log, Registry: newRegistry(), Version: version,
	})
	if err != nil {
		return usageError{err.Error()}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listening for --http-addr (CERTRECALL_CONSOLE_ADDR): %w", err)
	}
	if a, ok := listener.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		log.Warn("serving without TLS on an address that others reach: put a proxy that does TLS in front", zap.Stringer("address", a))
	}
	log.Info("serving the console", zap.String("url", "http://"+listener.Addr().String()+strings.TrimRight(c.BasePath, "/")+"/"), zap.String("version", version))
	return together(ctx, page.Run, func(ctx context.Context) error { return serveUntil(ctx, listener, page.Handler(), consoleGrace) })
}

// whoever is the operator where nobody logs in.
func (c *consoleCmd) whoever(ctx context.Context, p *process, conn *nats.Conn) (string, error) {
	return c.name(ctx, p, session{conn: conn})
}
