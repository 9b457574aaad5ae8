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
		err = hint(err)
	}
	if err != nil {
		return nil, err
	}
	got := c.CachedInfo().Config
	if o := got.Metadata[ownerKey]; o != "" && o != owner {
		return nil, fmt.Errorf("consumer %s of stream %s belongs to %q: give the delivery another name, or remove the consumer", want.Durable, n.EventsStream(), o)
	}
	if got.AckPolicy != jetstream.AckExplicitPolicy || got.DeliverSubject != "" {
		return nil, fmt.Errorf("consumer %s of stream %s is no pull consumer with explicit acknowledgements: remove it and let certrecall gateway --setup make it", want.Durable, n.EventsStream())
	}
	if sameFilters(n, filtersOf(got), want.FilterSubjects) {
		return c, nil
	}
	got.FilterSubject, got.FilterSubjects = "", want.FilterSubjects
	if got.Metadata == nil {
		got.Metadata = map[string]string{}
	}
	got.Metadata[urlKey] = want.Metadata[urlKey]
	c, err = asked(ctx, "updating the filters of consumer "+want.Durable, func(ctx context.Context) (jetstream.Consumer, error) {
		return js.UpdateConsumer(ctx, n.EventsStream(), got)
	})
	return c, hint(err)
}

// Provision makes or updates the endpoint's consumer, for a gateway whose NATS
// user may not: whoever may make a consumer may make it deliver anywhere.
func Provision(ctx context.Context, js jetstream.JetStream, n messages.Names, e Endpoint) (Standing, error) {
	c, err := e.ensure(ctx, js, n, 0)
	if err != nil {
		return Standing{}, err
	}
	return standingOf(c.CachedInfo()), nil
}

// hint says what to do where a consumer could not be made or changed. A right
// that is missing shows as silence.
func hint(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (if the NATS user of the gateway may not: run certrecall gateway --setup with one that may)", err)
}

// sameFilters compares the filters of a consumer with those wanted, in any order.
func sameFilters(n messages.Names, got, want []string) bool {
	if len(got) == 0 {
		got = []string{n.EventSubjects()}
	}
	return slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)))
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

// switchOff pauses the consumer, so that all gateways stop at once, and writes
// down why, so that an operator can read it. What was said first stays. A
// gateway that may pause but not change its consumer leaves the reason to its
// log.
func switchOff(ctx context.Context, js jetstream.JetStream, n messages.Names, name, reason string, now time.Time) error {
	c, err := consumer(ctx, js, n, ConsumerName(name))
	if err != nil {
		return err
	}
	cfg := c.CachedInfo().Config
	if c.CachedInfo().Paused && cfg.Metadata[offKey] != "" {
		return nil
	}
	until := now.AddDate(pausedYears, 0, 0)
	if _, err := asked(ctx, "pausing consumer "+cfg.Durable, func(ctx context.Context) (*jetstream.ConsumerPauseResponse, error) {
		return js.PauseConsumer(ctx, n.EventsStream(), cfg.Durable, until)
	}); err != nil {
		return err
	}
	if cfg.Metadata == nil {
		cfg.Metadata = map[string]string{}
	}
	cfg.Metadata[offKey], cfg.Metadata[offAtKey], cfg.PauseUntil = reason, now.UTC().Format(time.RFC3339), &until
	_, _ = asked(ctx, "saying why", func(ctx context.Context) (jetstream.Consumer, error) { // it is off; the log has the reason too
		return js.UpdateConsumer(ctx, n.EventsStream(), cfg)
	})
	return nil
}

func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return host
}
