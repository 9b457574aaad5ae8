package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

// setupCmd makes what the workers need in NATS, and nothing else: for a worker
// with --provision=false, whose NATS user may not create anything.
type setupCmd struct {
	natsFlags
	Replicas string `name:"replicas" env:"CERTRECALL_REPLICAS" default:"1" help:"Replicas of each stream and bucket that is created: 1, 3 or 5."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (setupCmd) Help() string {
	return `What is there is checked and left as it is, limits of an operator included. Running it twice changes nothing.

Example:
  certrecall setup --nats-url nats://setup:secret@nats.example.com:4222 --replicas 3`
}

// asset is one line of what setup prints.
type asset struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"` // stream or consumer
	Created bool   `json:"created"`
}

// Run creates what is absent and checks the rest.
func (c *setupCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	options := streams.Options{Replicas: s.replicas(c.Replicas)}
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	assets := assetsOf(ctx, nats.js, nats.names)
	if err := streams.Apply(ctx, nats.js, nats.names, options); err != nil {
		return fmt.Errorf("setting up NATS at %s: %w", c.redacted(), err)
	}
	return c.print(p, assets)
}

func (c *setupCmd) print(p *process, assets []asset) error {
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(assets)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, a := range assets {
		state := "is there"
		if a.Created {
			state = "created"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", a.Kind, a.Name, state)
	}
	return w.Flush()
}

// assetsOf lists what setup makes, with what is absent now marked as created.
// What cannot be read now is for Apply to complain of.
func assetsOf(ctx context.Context, js jetstream.JetStream, names messages.Names) []asset {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var assets []asset
	topology := streams.Spec(names, 1)
	for _, stream := range topology.Streams {
		_, err := js.Stream(ctx, stream.Name)
		assets = append(assets, asset{stream.Name, "stream", errors.Is(err, jetstream.ErrStreamNotFound)})
	}
	return assets
}

// replicas reads a number of replicas that JetStream can keep a majority of.
func (s *settings) replicas(text string) int {
	switch text {
	case "1", "3", "5":
		return int(text[0] - '0')
	}
	s.bad("replicas", "%q: set 1, 3 or 5", text)
	return 1
}
