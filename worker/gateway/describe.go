package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/gateway/deliveries"
)

// Describe says what is in force, a line each; it shows no secret.
func (s Settings) Describe() []string {
	var lines []string
	for _, name := range sortedSources(s.Sources) {
		source := s.Sources[name]
		var files []string
		for _, f := range source.Files {
			files = append(files, string(f.Kind)+" "+f.Name)
		}
		rate := "any rate"
		if source.Rate.Requests > 0 {
			rate = fmt.Sprintf("%d requests in %s each", source.Rate.Requests, source.Rate.Per)
		}
		lines = append(lines, fmt.Sprintf("source %s: %v; %s; %s", name, source.Lanes, strings.Join(files, ", "), rate))
	}
	for _, e := range s.Deliveries {
		lines = append(lines, fmt.Sprintf("delivery %s: to %s; sources %v, incidents %v, events %v (none is all); consumer %s",
			e.Name, e.Host(), e.Sources, e.Incidents, e.Events, deliveries.ConsumerName(e.Name)))
	}
	return lines
}

// checkTimeout bounds each question of Check: one that the NATS user may not
// ask shows as silence.
const checkTimeout = 5 * time.Second

// Check tries what the gateway needs of NATS: its two streams.
func (g *Gateway) Check(ctx context.Context) error {
	for _, name := range []string{g.cfg.Names.CommandsStream(), g.cfg.Names.EventsStream()} {
		asking, cancel := context.WithTimeout(ctx, checkTimeout)
		_, err := g.js.Stream(asking, name)
		cancel()
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("there is no stream %s: run certrecall setup", name)
		}
		if err != nil && name == g.cfg.Names.EventsStream() { // whether the commands are there the user may not be told
			return fmt.Errorf("reading stream %s: %w", name, err)
		}
	}
	return nil
}
