package deliveries

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Standing is where an endpoint stands, as its consumer tells it.
type Standing struct {
	Name      string    `json:"name"`
	Host      string    `json:"host"`
	Events    []string  `json:"events"` // filters
	Off       bool      `json:"off"`
	OffReason string    `json:"off_reason,omitempty"`
	OffSince  time.Time `json:"off_since,omitzero"`
	// Waiting events were not posted yet; Retrying ones were at least once, or are on their way.
	Waiting  uint64    `json:"waiting"`
	Retrying int       `json:"retrying"`
	LastDone time.Time `json:"last_done,omitzero"` // when one was delivered
	Created  time.Time `json:"created"`
}

func standingOf(info *jetstream.ConsumerInfo) Standing {
	meta := info.Config.Metadata
	s := Standing{
		Name: strings.TrimPrefix(info.Name, consumerPrefix), Host: meta[urlKey], Events: filtersOf(info.Config),
		Off: info.Paused, OffReason: meta[offKey], Waiting: info.NumPending, Retrying: info.NumAckPending, Created: info.Created.UTC(),
	}
	if s.Off && s.OffReason == "" {
		s.OffReason = "the consumer is paused"
	}
	if !s.Off {
		s.OffReason = ""
	} else if at, err := time.Parse(time.RFC3339, meta[offAtKey]); err == nil {
		s.OffSince = at
	}
	if info.AckFloor.Last != nil {
		s.LastDone = info.AckFloor.Last.UTC()
	}
	return s
}

// List gives all endpoints that a gateway has served, by name.
func List(ctx context.Context, js jetstream.JetStream, n messages.Names) ([]Standing, error) {
	stream, err := asked(ctx, "reading stream "+n.EventsStream(), func(ctx context.Context) (jetstream.Stream, error) {
		return js.Stream(ctx, n.EventsStream())
	})
	if err != nil {
		return nil, err
	}
	found := map[string]Standing{}
	lister := stream.ListConsumers(ctx)
	for info := range lister.Info() {
		if strings.HasPrefix(info.Name, consumerPrefix) && ours(info.Config) {
			found[info.Name] = standingOf(info)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("listing consumers of %s: %w", n.EventsStream(), err)
	}
	all := make([]Standing, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[name])
	}
	return all, nil
}

// ours tells whether a consumer belongs to no other program.
func ours(c jetstream.ConsumerConfig) bool {
	return c.Metadata[ownerKey] == "" || c.Metadata[ownerKey] == owner
}

// ErrUnknown says that there is no such delivery.
var ErrUnknown = errors.New("there is no such delivery: no gateway has served it yet")

// find gives an endpoint's consumer.
func find(ctx context.Context, js jetstream.JetStream, n messages.Names, name string) (jetstream.Consumer, error) {
	c, err := consumer(ctx, js, n, ConsumerName(name))
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrInvalidConsumerName) ||
		err == nil && !ours(c.CachedInfo().Config) {
		return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	return c, err
}

// Resume switches an endpoint on again; it goes on with the events that waited.
func Resume(ctx context.Context, js jetstream.JetStream, n messages.Names, name string) (Standing, error) {
	c, err := find(ctx, js, n, name)
	if err != nil {
		return Standing{}, err
	}
	cfg := c.CachedInfo().Config
	delete(cfg.Metadata, offKey)
	delete(cfg.Metadata, offAtKey)
	cfg.PauseUntil = nil
	if _, err := asked(ctx, "switching on consumer "+cfg.Durable, func(ctx context.Context) (jetstream.Consumer, error) {
		return js.UpdateConsumer(ctx, n.EventsStream(), cfg)
	}); err != nil {
		return Standing{}, err
	}
	if _, err := asked(ctx, "resuming consumer "+cfg.Durable, func(ctx context.Context) (*jetstream.ConsumerPauseResponse, error) {
		return js.ResumeConsumer(ctx, n.EventsStream(), cfg.Durable)
	}); err != nil {
		return Standing{}, err
	}
	return standing(ctx, js, n, name)
}

func standing(ctx context.Context, js jetstream.JetStream, n messages.Names, name string) (Standing, error) {
	c, err := find(ctx, js, n, name)
	if err != nil {
		return Standing{}, err
	}
	return standingOf(c.CachedInfo()), nil
}

// Replay makes an endpoint begin again with the events from a moment on: its
// consumer is made anew there, and on. What was delivered before goes out once
// more, with the same ids.
func Replay(ctx context.Context, js jetstream.JetStream, n messages.Names, name string, since time.Time) (Standing, error) {
	c, err := find(ctx, js, n, name)
	if err != nil {
		return Standing{}, err
	}
	cfg := c.CachedInfo().Config
	delete(cfg.Metadata, offKey)
	delete(cfg.Metadata, offAtKey)
	cfg.PauseUntil, cfg.OptStartSeq = nil, 0
	cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	if err := js.DeleteConsumer(ctx, n.EventsStream(), cfg.Durable); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return Standing{}, fmt.Errorf("removing consumer %s: %w", cfg.Durable, err)
	}
	// A gateway that misses its consumer waits for longer than this takes, before it makes one itself.
	if _, err := asked(ctx, "making consumer "+cfg.Durable+" anew", func(ctx context.Context) (jetstream.Consumer, error) {
		return js.CreateConsumer(ctx, n.EventsStream(), cfg)
	}); err != nil {
		return Standing{}, fmt.Errorf("%w (the endpoint has no consumer now: run the command again, or a gateway makes one that goes on where the old one was)", err)
	}
	return standing(ctx, js, n, name)
}
