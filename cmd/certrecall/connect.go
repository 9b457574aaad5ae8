package main

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// connect gives a connection that need not be there yet: the process waits for
// NATS, and /readyz tells.
func (f *natsFlags) connect(options []nats.Option, log *zap.Logger) (*nats.Conn, error) {
	said := "" // of the last failed attempt; the client makes its callbacks one after another
	log = log.With(zap.String("nats_url", f.redacted()))
	connected := func(conn *nats.Conn) {
		said = ""
		log.Info("connected to NATS", zap.String("server", conn.ConnectedServerName()))
	}
	options = append(options, nats.RetryOnFailedConnect(true), nats.ConnectHandler(connected), nats.ReconnectHandler(connected),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil && err.Error() != said {
				said = err.Error()
				log.Warn("NATS cannot be reached; trying again until it answers", zap.Error(err))
			}
		}),
		nats.DisconnectErrHandler(func(conn *nats.Conn, err error) {
			if !conn.IsClosed() {
				log.Warn("lost the connection to NATS; trying again until it answers", zap.Error(err))
			}
		}),
		nats.ErrorHandler(problems(log)),
	)
	conn, err := nats.Connect(f.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to NATS at %s: %w", f.redacted(), err)
	}
	return conn, nil
}

// problemAgain is how long a problem that goes on is not told again: while NATS
// is away each watch reports one every 10 s.
const problemAgain = 5 * time.Minute

// problems logs what the client reports; it makes its callbacks one after another.
func problems(log *zap.Logger) nats.ErrHandler {
	said, at := "", time.Time{}
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if err.Error() == said && time.Since(at) < problemAgain {
			return
		}
		said, at = err.Error(), time.Now()
		log.Warn("NATS reports a problem", zap.Error(err))
	}
}
