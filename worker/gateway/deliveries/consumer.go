package deliveries

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Marks in the metadata of an endpoint's consumer.
const (
	ownerKey  = "owner"
	prefixKey = "certrecall.prefix"
	urlKey    = "certrecall.delivery-host"
	offKey    = "certrecall.delivery-off"    // why it is switched off
	offAtKey  = "certrecall.delivery-off-at" // RFC 3339

	owner = "certrecall"
)

const (
	// ackWait is how long a gateway may be silent about an event in its hands.
	ackWait = 30 * time.Second
	// maxAckPending bounds the events that wait for another try.
	maxAckPending = 4096
	// group is the only priority group: one gateway at a time pulls.
	group     = "gateway"
	pinnedTTL = 10 * time.Second
	// pausedYears is what stands for a pause without end.
	pausedYears = 100
	// requestTimeout bounds one request to JetStream.
	requestTimeout = 5 * time.Second
)

// consumerConfig is a new consumer: it begins with what comes after it.
func (e Endpoint) consumerConfig(n messages.Names) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Name:           ConsumerName(e.Name),
		Durable:        ConsumerName(e.Name),
		Description:    "Deliveries of certrecall gateway: " + e.Name,
		DeliverPolicy:  jetstream.DeliverNewPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        ackWait,
		MaxDeliver:     -1,
		MaxAckPending:  maxAckPending,
		FilterSubjects: e.filters(n),
		ReplayPolicy:   jetstream.ReplayInstantPolicy,
		PriorityPolicy: jetstream.PriorityPolicyPinned,
		PriorityGroups: []string{group},
		PinnedTTL:      pinnedTTL,
		Metadata:       map[string]string{ownerKey: owner, prefixKey: n.Prefix(), urlKey: hostOf(e.URL)},
	}
}

// filtersOf gives the filters of a consumer, however many there are.
func filtersOf(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// ensure finds the endpoint's consumer, makes it where it is absent, and
// brings its filters up to date. after is where a new one begins: the last
// sequence that the one before it had done with; 0 = with what comes.
func (e Endpoint) ensure(ctx context.Context, js jetstream.JetStream, n messages.Names, after uint64) (jetstream.Consumer, error) {
	want := e.consumerConfig(n)
	c, err := consumer(ctx, js, n, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if after > 0 {
			want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverByStartSequencePolicy, after+1
		}
		c, err = asked(ctx, "creating consumer "+want.Durable, func(ctx context.Context) (jetstream.Consumer, error) {
			return js.CreateConsumer(ctx, n.EventsStream(), want)
		})
		if errors.Is(err, jetstream.ErrConsumerExists) { // another gateway was faster
			c, err = consumer(ctx, js, n, want.Durable)
		}
	}
	if err != nil {
		return nil, err
	}
	got := c.CachedInfo().Config
	if o := got.Metadata[ownerKey]; o != owner {
		return nil, fmt.Errorf("consumer %s of stream %s is not certrecall's: give the delivery another name, or remove the consumer", want.Durable, n.EventsStream())
	}
	if slices.Equal(filtersOf(got), want.FilterSubjects) && got.Metadata[urlKey] == want.Metadata[urlKey] {
		return c, nil
	}
	got.FilterSubject, got.FilterSubjects = "", want.FilterSubjects
	got.Metadata[urlKey] = want.Metadata[urlKey]
	return asked(ctx, "updating consumer "+want.Durable, func(ctx context.Context) (jetstream.Consumer, error) {
		return js.UpdateConsumer(ctx, n.EventsStream(), got)
	})
}

func consumer(ctx context.Context, js jetstream.JetStream, n messages.Names, name string) (jetstream.Consumer, error) {
	return asked(ctx, "reading consumer "+name, func(ctx context.Context) (jetstream.Consumer, error) {
		return js.Consumer(ctx, n.EventsStream(), name)
	})
}

// asked makes one request to JetStream, within requestTimeout.
func asked[T any](ctx context.Context, doing string, request func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	v, err := request(ctx)
	if err != nil {
		return v, fmt.Errorf("%s: %w", doing, err)
	}
	return v, nil
}

// switchOff pauses the consumer and writes down why, in one change, so that all
// gateways stop at once and an operator can read it. What was said first stays.
func switchOff(ctx context.Context, js jetstream.JetStream, n messages.Names, name, reason string, now time.Time) error {
	c, err := consumer(ctx, js, n, ConsumerName(name))
	if err != nil {
		return err
	}
	cfg := c.CachedInfo().Config
	if cfg.Metadata[offKey] != "" {
		return nil
	}
	until := now.AddDate(pausedYears, 0, 0)
	cfg.Metadata[offKey], cfg.Metadata[offAtKey], cfg.PauseUntil = reason, now.UTC().Format(time.RFC3339), &until
	if _, err := asked(ctx, "switching off consumer "+cfg.Durable, func(ctx context.Context) (jetstream.Consumer, error) {
		return js.UpdateConsumer(ctx, n.EventsStream(), cfg)
	}); err != nil {
		return err
	}
	_, err = asked(ctx, "pausing consumer "+cfg.Durable, func(ctx context.Context) (*jetstream.ConsumerPauseResponse, error) {
		return js.PauseConsumer(ctx, n.EventsStream(), cfg.Durable, until)
	})
	return err
}

func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return host
}
