package statements

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Filter selects statements of the audit. The zero value selects all.
type Filter struct {
	Incident string
	Since    time.Time
}

func (f Filter) takes(s Statement) bool {
	return (f.Incident == "" || s.About() == f.Incident) && !s.Stamp.Before(f.Since)
}

// About gives the incident that a statement names; "" where it names none.
func (s Statement) About() string {
	kind, rest, _ := strings.Cut(s.What, ".")
	switch {
	case s.Incident != "":
		return s.Incident
	case kind == "incident":
		return rest
	case kind == "command":
		if parts := strings.Split(rest, "."); len(parts) == 3 && parts[1] != "-" {
			return parts[1]
		}
	}
	return ""
}

// sourceHeader names where the server sourced a message from: the stream, the
// sequence there, and more.
const sourceHeader = "Nats-Stream-Source"

// Read gives everything that operators ever said, oldest first, from the audit
// stream. Its stamp is when the server put it there, at once after the bucket.
func Read(ctx context.Context, js jetstream.JetStream, stream, bucket string, f Filter) ([]Statement, error) {
	config := jetstream.OrderedConsumerConfig{InactiveThreshold: time.Minute}
	if !f.Since.IsZero() {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &f.Since
	}
	c, err := js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	if c.CachedInfo().NumPending == 0 {
		return nil, nil
	}
	it, err := c.Messages()
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	defer it.Stop()
	var all []Statement
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("reading stream %s: %w", stream, err)
		}
		at, err := m.Metadata()
		if err != nil {
			return nil, fmt.Errorf("reading stream %s: %w", stream, err)
		}
		key := strings.TrimPrefix(m.Subject(), "$KV."+bucket+".")
		if s, ok := parse(key, m.Data(), m.Headers().Get("KV-Operation") != ""); ok {
			s.Stamp, s.Revision = at.Timestamp.UTC(), sourceSequence(m.Headers().Get(sourceHeader), at.Sequence.Stream)
			if f.takes(s) {
				all = append(all, s)
			}
		}
		if at.NumPending == 0 {
			return all, nil
		}
	}
}

// sourceSequence reads the sequence in the bucket; without one it gives other.
func sourceSequence(header string, other uint64) uint64 {
	if parts := strings.Fields(header); len(parts) > 1 {
		if n, err := strconv.ParseUint(parts[1], 10, 64); err == nil {
			return n
		}
	}
	return other
}
