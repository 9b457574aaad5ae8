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
	Reader   string `name:"reader" placeholder:"NAME" help:"Make only the durable consumer NAME of the events, for a system that reads them (an operator's right)."`
	Source   string `name:"reader-source" placeholder:"NAME" help:"With --reader: events of this source only."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Help is the long help, with an example.
func (setupCmd) Help() string {
	return `What is there is checked and left as it is, limits of an operator included. Running it twice changes nothing.
With --reader it makes only a durable pull consumer of the events stream, which a system of that name reads: explicit acks, from the first event on.

Examples:
  certrecall setup --reader servicenow --reader-source servicenow
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
	if c.Reader != "" && !messages.ValidSource(c.Reader) {
		s.bad("reader", "%q: set 1 to 64 characters of A-Z, a-z, 0-9, _ and -", c.Reader)
	}
	if c.Source != "" && (!messages.ValidSource(c.Source) || c.Reader == "") {
		s.bad("reader-source", "%q: goes with --reader, and is 1 to 64 characters of A-Z, a-z, 0-9, _ and -", c.Source)
	}
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	if c.Reader != "" {
		return c.reader(ctx, p, nats)
	}
	assets := assetsOf(ctx, nats.js, nats.names)
	if err := streams.Apply(ctx, nats.js, nats.names, options); err != nil {
		return fmt.Errorf("setting up NATS at %s: %w", c.redacted(), err)
	}
	return c.print(p, assets)
}

// reader makes the durable consumer of a system that reads events. One that is
// there stays as it is; with another filter it is an error.
func (c *setupCmd) reader(ctx context.Context, p *process, n session) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	filter := n.names.EventSubjects()
	if c.Source != "" {
		filter = n.names.SourceSubject(c.Source)
	}
	stream := n.names.EventsStream()
	made := asset{c.Reader, "consumer of " + stream, false}
	there, err := n.js.Consumer(ctx, stream, c.Reader)
	switch {
	case err == nil && there.CachedInfo().Config.FilterSubject != filter:
		return fmt.Errorf("consumer %s is there and reads %s, not %s: choose another name", c.Reader, there.CachedInfo().Config.FilterSubject, filter)
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		made.Created = true
		_, err = n.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable: c.Reader, Description: "Reader of certrecall's events", FilterSubject: filter,
			DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1,
		})
	}
	if err != nil {
		return p.missing(n, fmt.Errorf("making consumer %s of stream %s: %w", c.Reader, stream, err))
	}
	return c.print(p, []asset{made})
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
