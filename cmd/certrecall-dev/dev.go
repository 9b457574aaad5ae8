package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"certrecall/messages"
	"certrecall/worker/budget"
)

// devCmd runs everything in one process.
type devCmd struct {
	Samples  bool   `name:"samples" help:"Submit a few sample commands."`
	Incident int    `name:"incident" placeholder:"N" help:"Submit an incident of so many revocations, to look at on the console."`
	StoreDir string `name:"store-dir" default:".dev" help:"Folder that keeps everything; the next start goes on from it."`
	Prefix   string `name:"prefix" default:"certrecall" help:"First token of all subjects, and in upper case of all streams and buckets."`

	Host          string `name:"host" default:"127.0.0.1" help:"Address that everything listens on."`
	NATSPort      uint16 `name:"nats-port" default:"4222" help:"Port of NATS; if it is taken, a free one."`
	HTTPPort      uint16 `name:"http-port" default:"8080" help:"Port of the worker's /livez, /readyz and /metrics; if it is taken, a free one."`
	GatewayPort   uint16 `name:"gateway-port" default:"8082" help:"Port of the gateway for HTTP; if it is taken, a free one."`
	ConsolePort   uint16 `name:"console-port" default:"8081" help:"Port of the console, the web page; if it is taken, a free one."`
	SimulatorPort uint16 `name:"simulator-port" default:"8090" help:"Port of the simulated DigiCert; if it is taken, a free one."`

	Webhook string `name:"webhook" placeholder:"URL" help:"Deliver all events to this address, signed with the printed secret."`

	AutoDecide   time.Duration `name:"auto-decide" default:"4s" help:"Requests are decided after this: approved, or rejected for order ids ending in 9. 0s is never."`
	Latency      time.Duration `name:"latency" default:"150ms" help:"Delay of every answer of the simulated DigiCert."`
	RateLimit    string        `name:"rate-limit" default:"1000/5m,100/5s" help:"Rolling windows of calls, of the worker and of the simulated DigiCert; 0 is none."`
	ApprovalPoll time.Duration `name:"approval-poll" default:"2s" help:"Time between two looks at the requests that wait for an administrator; 1s to 1h."`
	Protected    string        `name:"protected-orders" placeholder:"FILE" help:"Orders never to be revoked: one id a line, # begins the reason."`
	LogLevel     string        `name:"log-level" default:"warn" enum:"debug,info,warn,error" help:"Of the worker's log on standard error: debug, info, warn or error."`

	Real    bool   `name:"real-digicert" help:"Call the real DigiCert: revocations are real then. Needs --digicert-api-key-file; no samples."`
	KeyFile string `name:"digicert-api-key-file" placeholder:"FILE" help:"API key for --real-digicert."`
	RealURL string `name:"digicert-url" default:"https://www.digicert.com/services/v2" help:"API for --real-digicert."`
}

// Help is the long help, with examples.
func (devCmd) Help() string {
	return `The environment's DIGICERT_* are not looked at: nothing goes out without --real-digicert.

Examples:
  certrecall-dev --samples
  certrecall-dev --incident 300
  certrecall-dev --auto-decide 0s --protected-orders protected.txt`
}

// natsTimeout bounds one step of the preparation.
const natsTimeout = 30 * time.Second

// shutdownGrace is how long calls in flight may take when it ends.
const shutdownGrace = 5 * time.Second

// check names everything that is wrong with the flags.
func (c *devCmd) check() (messages.Names, budget.Limits, error) {
	var problems usageError
	names, err := messages.NewNames(c.Prefix)
	if err != nil {
		problems = append(problems, "--prefix: "+err.Error())
	}
	limits, err := budget.ParseLimits(c.RateLimit)
	if err != nil {
		problems = append(problems, "--rate-limit: "+err.Error())
	}
	if c.Incident < 0 || c.Incident > maxIncident {
		problems = append(problems, fmt.Sprintf("--incident: %d: set a number up to %d", c.Incident, maxIncident))
	}
	if c.ApprovalPoll < time.Second || c.ApprovalPoll > time.Hour {
		problems = append(problems, fmt.Sprintf("--approval-poll: %s: set a duration from 1s to 1h", c.ApprovalPoll))
	}
	switch {
	case c.Real && c.Samples:
		problems = append(problems, "--samples: not with --real-digicert: they would revoke real orders")
	case c.Real && c.Incident > 0:
		problems = append(problems, "--incident: not with --real-digicert: it would revoke real orders")
	case c.Real && c.KeyFile == "":
		problems = append(problems, "--real-digicert: needs --digicert-api-key-file; DIGICERT_API_KEY is not looked at")
	case !c.Real && c.KeyFile != "":
		problems = append(problems, "--digicert-api-key-file: only with --real-digicert")
	}
	if len(problems) > 0 {
		return names, limits, problems
	}
	return names, limits, nil
}

// Run starts everything and stays up until the context ends.
func (c *devCmd) Run(ctx context.Context, p *process) error {
	names, limits, err := c.check()
	if err != nil {
		return err
	}
	level, err := zapcore.ParseLevel(c.LogLevel)
	if err != nil {
		return err
	}
	store, err := openStore(c.StoreDir, c.Real)
	if err != nil {
		return err
	}
	defer store.close()
	log := newLogger(p.stderr, level)
	server, err := startNATS(ctx, c.Host, c.NATSPort, store.nats(), log)
	if err != nil {
		return err
	}
	defer stopNATS(server)
	url := "nats://" + dialable(server.Addr())
	conn, err := nats.Connect(url, nats.Name("certrecall-dev"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS reports a problem", zap.Error(err))
		}))
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer conn.Close()
	s := site{devCmd: c, p: p, log: log, store: store, names: names, limits: limits, conn: conn, natsURL: url, start: time.Now()}
	return s.run(ctx)
}
