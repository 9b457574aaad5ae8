package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zapcore"

	"certrecall/client"
	"certrecall/worker"
	"certrecall/worker/budget"
)

// keyVariable holds the API key. It has no flag.
const keyVariable = "DIGICERT_API_KEY"

// workerSettings are the flags and variables of a worker, read and checked.
type workerSettings struct {
	worker    worker.Config
	nats      []nats.Option
	keyFile   *client.KeyFile // nil where the key comes from the variable
	logLevel  zapcore.Level
	logFormat string
	proxy     string   // by which DigiCert is called; "" is directly
	warnings  []string // what is allowed and probably not meant
}

// settings reads all flags and names all that is wrong with them.
func (c *workerCmd) settings(p *process) (workerSettings, error) {
	s := p.settings()
	var set workerSettings
	set.worker.Names, set.nats = c.natsFlags.check(s)
	set.worker.Replicas = s.replicas(c.Replicas)
	set.worker.Provision = s.boolean("provision", c.Provision)
	c.digicert(s, &set)
	limits, err := budget.ParseLimits(strings.Join(c.RateLimit, ","))
	if err != nil {
		s.bad("rate-limit", "%v: set windows as 1000/5m,100/5s, or 0 for none", err)
	}
	set.worker.Limits = limits
	set.worker.ListingShare = s.share("listing-share", c.ListingShare, 0.1, 1)
	set.worker.Concurrency = s.integer("concurrency", c.Concurrency, 1, 1024)
	set.worker.CallTimeout = s.duration("call-timeout", c.CallTimeout, 100*time.Millisecond, 5*time.Minute)
	set.worker.RetryMaxInterval = s.duration("retry-max-interval", c.RetryMaxInterval, time.Second, time.Hour)
	set.worker.RetryMaxElapsed = s.duration("retry-max-elapsed", c.RetryMaxElapsed, time.Minute, 30*24*time.Hour)
	set.worker.ApprovalPoll = s.duration("approval-poll", c.ApprovalPoll, time.Second, time.Hour)
	set.worker.AckWait = s.duration("ack-wait", c.AckWait, time.Second, 10*time.Minute)
	set.worker.ShutdownGrace = s.duration("shutdown-grace", c.ShutdownGrace, 0, 10*time.Minute)
	if set.worker.ShutdownGrace < set.worker.CallTimeout && len(s.problems) == 0 {
		set.warnings = append(set.warnings, fmt.Sprintf("%s is %s, shorter than a call may take (%s, %s): a stop can cut calls off, whose outcome must then be read back",
			s.name("shutdown-grace"), c.ShutdownGrace, s.name("call-timeout"), c.CallTimeout))
	}
	set.warnings = append(set.warnings, c.wide(s)...)
	set.warnings = append(set.warnings, c.clear(s)...)
	if err := worker.CheckProtectedOrders(c.ProtectedOrders); err != nil {
		s.bad("protected-orders", "%v: write one order id a line, # begins the reason", plain(err))
	}
	set.worker.ProtectedOrders = c.ProtectedOrders
	set.worker.Policy = c.policy(s)
	s.address("http-addr", c.HTTPAddr)
	set.logLevel, set.logFormat = s.level("log-level", c.LogLevel), c.LogFormat
	if c.LogFormat != "json" && c.LogFormat != "console" {
		s.bad("log-format", "%q: set json or console", c.LogFormat)
	}
	return set, s.err()
}

// digicert reads where DigiCert is and with which key to call it.
func (c *workerCmd) digicert(s *settings, set *workerSettings) {
	cfg := client.Config{
		BaseURL: strings.TrimSpace(c.DigiCertURL), CallTimeout: set.worker.CallTimeout, UserAgent: "certrecall/" + version,
	}
	if _, err := client.New(client.Config{BaseURL: cfg.BaseURL, Key: client.StaticKey("none")}); err != nil {
		s.bad("digicert-url", "%v: set %s, or the URL of your region", plain(err), client.DefaultBaseURL)
	} else if strings.HasPrefix(strings.ToLower(cfg.BaseURL), "http:") {
		set.warnings = append(set.warnings, s.name("digicert-url")+" is http, not https: the key and every answer cross the network unprotected")
	}
	if _, err := client.New(client.Config{CAFile: c.DigiCertCA, Key: client.StaticKey("none")}); err != nil {
		s.bad("digicert-ca", "%v: name a file of certificates in PEM", plain(err))
	}
	cfg.CAFile, cfg.CAOnly = c.DigiCertCA, s.boolean("digicert-ca-only", c.DigiCertCAOnly)
	if cfg.CAOnly && cfg.CAFile == "" {
		s.bad("digicert-ca-only", "set without %s: name the file of certificates to trust", s.name("digicert-ca"))
	}
	if proxy, err := client.Proxy(cfg.BaseURL, os.Getenv); err == nil {
		set.proxy = proxy
	} else if strings.Contains(strings.ToUpper(err.Error()), "_PROXY") { // else the URL is told already
		s.problems = append(s.problems, err.Error())
	}
	key := strings.TrimSpace(os.Getenv(keyVariable))
	switch {
	case key != "" && c.DigiCertKeyFile != "":
		s.bad("digicert-api-key-file", "set together with %s: set exactly one of the two", keyVariable)
	case key != "":
		cfg.Key = client.StaticKey(client.Secret(key))
		if _, err := cfg.Key.Key(context.Background()); err != nil {
			s.problems = append(s.problems, keyVariable+": "+err.Error()+": set the key as DigiCert showed it")
		}
	case c.DigiCertKeyFile != "":
		file, err := client.NewKeyFile(c.DigiCertKeyFile)
		if err != nil {
			s.bad("digicert-api-key-file", "%v: name a file that holds the key and nothing else", err)
			break
		}
		cfg.Key, set.keyFile, set.worker.KeyChanged = file, file, file.Changed()
	default:
		s.bad("digicert-api-key-file", "neither set nor %s: set exactly one of the two", keyVariable)
	}
	if cfg.Key != nil {
		if secret, err := cfg.Key.Key(context.Background()); err == nil {
			c.demos(s, cfg, string(secret))
		}
	}
	set.worker.DigiCert = cfg
}

// plain is an error without the words that say where it arose.
func plain(err error) string {
	text := strings.TrimPrefix(err.Error(), "configuring the DigiCert client: ")
	return strings.TrimPrefix(text, "protected orders: ")
}

// address checks what a server is to listen on.
func (s *settings) address(flag, text string) {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		s.bad(flag, "%q: set host:port, or :port for every address", text)
	}
}

// level reads a log level.
func (s *settings) level(flag, text string) zapcore.Level {
	level, err := zapcore.ParseLevel(text)
	if err != nil || level < zapcore.DebugLevel || level > zapcore.ErrorLevel {
		s.bad(flag, "%q: set debug, info, warn or error", text)
	}
	return level
}
