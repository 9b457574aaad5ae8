package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"certrecall/worker/natsconf"
)

// natsConfCmd writes the configuration of a NATS server.
type natsConfCmd struct {
	File      string `arg:"" help:"List of systems and people (YAML), as deploy/nats/site.yml; - is standard input."`
	Variables bool   `help:"Print the environment variables that hold the passwords, in place of the configuration."`
}

func (natsConfCmd) Help() string {
	return "Example:\n  certrecall nats-conf deploy/nats/site.yml > deploy/nats/nats.conf"
}

// maxSite bounds the list: a name is 32 bytes at most.
const maxSite = 1 << 20

func (c *natsConfCmd) Run(_ context.Context, p *process) error {
	in := p.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("reading the list of systems and people: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxSite))
	if err != nil {
		return fmt.Errorf("reading the list of systems and people: %w", err)
	}
	site, err := natsconf.Read(text)
	if err != nil {
		return err
	}
	if c.Variables {
		for _, v := range site.Variables() {
			fmt.Fprintln(p.stdout, v)
		}
		return nil
	}
	_, err = io.WriteString(p.stdout, site.Config())
	return err
}
