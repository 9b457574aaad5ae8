package status

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/streams"
)

// scan reads messages of a stream in order.
type scan struct {
	stream   string
	subjects []string
	from     uint64    // the first sequence
	since    time.Time // the first moment
	follow   bool      // wait for more at the end
	// take gets each message, and says whether to go on.
	take func(*jetstream.RawStreamMsg) bool
}

// run reads until take has enough, the stream ends (unless it is followed) or
// ctx does. It outlives reconnects, and begins no message twice.
func (r *Reader) run(ctx context.Context, s scan) error {
	return streams.Read(ctx, r.js, streams.Query{
		Stream: s.stream, Subjects: s.subjects, From: s.from, Since: s.since, Follow: s.follow,
	}, s.take)
}
