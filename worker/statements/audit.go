package statements

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/streams"
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
	var all []Statement
	err := streams.Read(ctx, js, streams.Query{Stream: stream}, func(m *jetstream.RawStreamMsg) bool {
		key := strings.TrimPrefix(m.Subject, "$KV."+bucket+".")
		if s, ok := parse(key, m.Data, m.Header.Get("KV-Operation") != ""); ok {
			s.Stamp, s.Revision = m.Time.UTC(), sourceSequence(m.Header.Get(sourceHeader), m.Sequence)
			if f.takes(s) {
				all = append(all, s)
			}
		}
		return true
	})
	return all, err
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
