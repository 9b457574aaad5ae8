package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

// natsStart bounds the start of the server: a large store is read first.
const natsStart = time.Minute

// startNATS runs a JetStream server that syncs every write, on the port or, if
// that is taken, on a free one. Whoever calls it stops it.
func startNATS(ctx context.Context, host string, port uint16, storeDir string, log *zap.Logger) (*server.Server, error) {
	l, err := listen(ctx, host, port) // only to see which port is free
	if err != nil {
		return nil, fmt.Errorf("looking for a port for NATS: %w", err)
	}
	free := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	return serveNATS(&server.Options{
		ServerName: "certrecall-dev", Host: host, Port: free,
		JetStream: true, StoreDir: storeDir, SyncAlways: true, NoSigs: true,
	}, log)
}

// serveNATS runs a server until stopNATS.
func serveNATS(o *server.Options, log *zap.Logger) (*server.Server, error) {
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("making the NATS server: %w", err)
	}
	s.SetLoggerV2(serverLog{log.Named("nats")}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(natsStart) {
		stopNATS(s)
		return nil, errors.New("the NATS server did not start; its log says why")
	}
	return s, nil
}

func stopNATS(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// serverLog passes on what the NATS server finds worth a warning.
type serverLog struct{ log *zap.Logger }

func (serverLog) Noticef(string, ...any)           {}
func (serverLog) Debugf(string, ...any)            {}
func (serverLog) Tracef(string, ...any)            {}
func (l serverLog) Warnf(format string, v ...any)  { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }
func (l serverLog) Fatalf(format string, v ...any) { l.log.Error(fmt.Sprintf(format, v...)) }
