package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"certrecall/client"
	"certrecall/messages"
	"certrecall/worker/budget"
)

// Config is all that a worker needs. Every duration left zero takes its
// default; Names, Conn and DigiCert.Key are required.
type Config struct {
	// Names are the subjects, streams and buckets of one prefix.
	Names messages.Names
	// Conn is the connection to NATS, owned by the caller. It must reconnect for
	// ever and must not buffer while disconnected (ReconnectBufSize(-1)): what is
	// sent after a reconnect says something that may no longer be true.
	Conn *nats.Conn
	// DigiCert says where and with which key to call. Observe is the worker's own.
	DigiCert client.Config
	// KeyChanged tells that the key was read anew; nil for a key that cannot change.
	KeyChanged <-chan struct{}

	// Limits are DigiCert's rolling windows, shared by the whole fleet; nil is none.
	Limits budget.Limits
	// ListingShare is the share of each window that listings and dry runs may use. Default 0.8, 0.1 to 1.
	ListingShare float64
	// Concurrency is how many calls may run at once, per lane. Default 8, 1 to 1024.
	Concurrency int
	// CallTimeout bounds one call of DigiCert. Default 20 s, 100 ms to 5 min.
	CallTimeout time.Duration
	// RetryMaxInterval bounds the pause between two tries of one command. Default 5 min, 1 s to 1 h.
	RetryMaxInterval time.Duration
	// RetryMaxElapsed is how long a command is tried, from its first call, not
	// counting pauses, a refused key or a not-before. Default 24 h, 1 min to 30 days.
	RetryMaxElapsed time.Duration
	// ApprovalPoll is the time between two sweeps of the fleet. Default 1 min, 1 s to 1 h.
	ApprovalPoll time.Duration
	// AckWait is how long the server waits for a sign of life about a message
	// before it delivers it again. Default 30 s, 1 s to 10 min.
	AckWait time.Duration
	// ShutdownGrace is how long calls in flight may take to end after a stop. Default 25 s, 0 to 10 min.
	ShutdownGrace time.Duration

	// Policy is a file that says how much each source may revoke; "" is no limit. Read again when it changes.
	Policy string
	// ProtectedOrders is a file of orders never to be revoked; "" is none. Read again when it changes.
	ProtectedOrders string
	// Replicas of each stream and bucket that Provision creates: 1, 3 or 5. Default 1.
	Replicas int
	// Provision creates streams, consumers and buckets that are absent.
	Provision bool

	// Log gets one line a command. Nil is silence.
	Log *zap.Logger
	// Registry gets the metrics. Nil is a registry of the worker's own.
	Registry *prometheus.Registry
	// Version is told in certrecall_build_info.
	Version string
}

func (c Config) withDefaults() Config {
	setDuration(&c.CallTimeout, 20*time.Second)
	setDuration(&c.RetryMaxInterval, 5*time.Minute)
	setDuration(&c.RetryMaxElapsed, 24*time.Hour)
	setDuration(&c.ApprovalPoll, time.Minute)
	setDuration(&c.AckWait, 30*time.Second)
	if c.ListingShare == 0 {
		c.ListingShare = 0.8
	}
	if c.Concurrency == 0 {
		c.Concurrency = 8
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	return c
}

func setDuration(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Validate names every setting that is out of its bounds, all at once. Zero
// values stand for their defaults.
func (c Config) Validate() error {
	c = c.withDefaults()
	var problems []error
	within := func(name string, d, low, high time.Duration) {
		if d < low || d > high {
			problems = append(problems, fmt.Errorf("%s is %s: set it from %s to %s", name, d, low, high))
		}
	}
	within("call time-out", c.CallTimeout, 100*time.Millisecond, 5*time.Minute)
	within("retry max interval", c.RetryMaxInterval, time.Second, time.Hour)
	within("retry max elapsed", c.RetryMaxElapsed, time.Minute, 30*24*time.Hour)
	within("approval poll", c.ApprovalPoll, time.Second, time.Hour)
	within("ack wait", c.AckWait, time.Second, 10*time.Minute)
	within("shutdown grace", c.ShutdownGrace, 0, 10*time.Minute)
	if c.ListingShare < 0.1 || c.ListingShare > 1 {
		problems = append(problems, fmt.Errorf("listing share is %g: set it from 0.1 to 1", c.ListingShare))
	}
	if c.Concurrency < 1 || c.Concurrency > 1024 {
		problems = append(problems, fmt.Errorf("concurrency is %d: set it from 1 to 1024", c.Concurrency))
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		problems = append(problems, fmt.Errorf("replicas is %d: set 1, 3 or 5", c.Replicas))
	}
	if c.Names.Prefix() == "" {
		problems = append(problems, errors.New("no prefix: set one token of letters, digits, - and _"))
	}
	if c.Conn == nil {
		problems = append(problems, errors.New("no connection to NATS"))
	}
	return errors.Join(problems...)
}
