package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap/zapcore"
)

// benchNATSCmd is the NATS server of a benchmark, as a process of its own.
type benchNATSCmd struct {
	StoreDir string `name:"store-dir" required:"" help:"Folder of its store."`
	Sync     bool   `name:"sync" help:"Sync every write, as a server for certrecall must. Without it a benchmark shows what that costs."`
}

// Run serves until the context ends.
func (c *benchNATSCmd) Run(ctx context.Context, p *process) error {
	s, err := serveNATS(&server.Options{
		ServerName: "certrecall-bench", Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: c.StoreDir, SyncAlways: c.Sync, NoSigs: true,
	}, newLogger(p.stderr, zapcore.WarnLevel))
	if err != nil {
		return err
	}
	defer stopNATS(s)
	fmt.Fprintf(p.stdout, "NATS: %s\n", s.ClientURL())
	<-ctx.Done()
	return nil
}
