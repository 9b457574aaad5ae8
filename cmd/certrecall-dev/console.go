package main

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"certrecall/worker/console"
	"certrecall/worker/statements"
)

// openConsole serves the console, for whoever sits at this machine.
func (s *site) openConsole(ctx context.Context, crew *crew) (net.Addr, error) {
	operator := os.Getenv("USER")
	if statements.ValidOperator(operator) != nil {
		operator = "dev"
	}
	page, err := console.New(console.Config{
		Names: s.names, Conn: s.conn, Limits: s.limits, Access: console.Access{Operator: operator},
		Log: s.log.Named("console"), Registry: prometheus.NewRegistry(), Version: version,
	})
	if err != nil {
		return nil, err
	}
	listener, err := listen(ctx, s.Host, s.ConsolePort)
	if err != nil {
		return nil, fmt.Errorf("listening for --console-port: %w", err)
	}
	crew.goes(page.Run)
	crew.goes(func(ctx context.Context) error { return serve(ctx, listener, page.Handler()) })
	return listener.Addr(), nil
}
