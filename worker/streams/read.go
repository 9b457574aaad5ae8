package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// Reading asks for messages and makes no consumer. Whoever may make a consumer
// may have it deliver under any subject of the streams' account, and so write
// what he may not write: nobody who only reads gets that right.

const (
	// readBatch and readBytes bound one batch of direct gets; no message of ours is larger than readBytes.
	readBatch = 1000
	readBytes = 8 << 20
	// readTimeout bounds one batch. A server that answers nothing for so long
	// has no leader, or the account no right to ask.
	readTimeout = 10 * time.Second

	// Gets from the leader go one by one, so a long stretch is cut into windows
	// that are read side by side: so many at once, of so many sequences at least.
	readWindows   = 16
	smallestRead  = 64
	mostOfWindows = 4096

	// followEvery is how often a stream that is followed is looked at.
	followEvery = 250 * time.Millisecond
)

var errNoAnswer = errors.New("the server did not answer; may this NATS user read the stream?")

// Query is what to read of a stream.
type Query struct {
	Stream   string
	Subjects []string  // filters that do not overlap; none = all
	From     uint64    // the first sequence
	Since    time.Time // the first time, if not zero
	Follow   bool      // wait for more at the end
}

// Read gives the stored messages of a query, in the order of the stream, until
// take returns false, the stream ends (unless it is followed) or ctx does; none
// is given twice. What is followed outlives reconnects once it could be read.
// A stream without direct gets is read from its leader.
func Read(ctx context.Context, js jetstream.JetStream, q Query, take func(*jetstream.RawStreamMsg) bool) error {
	stream, err := openStream(ctx, js, q.Stream)
	if err != nil {
		return err
	}
	if len(q.Subjects) == 0 {
		q.Subjects = []string{">"}
	}
	r := reader{js: js, stream: stream, subjects: q.Subjects}
	r.take = func(m *jetstream.RawStreamMsg) bool {
		q.From = m.Sequence + 1
		return take(m)
	}
	info := stream.CachedInfo()
	q.From = max(q.From, info.State.FirstSeq, 1)
	if !q.Since.IsZero() {
		if q.From, err = r.since(ctx, q.Since, q.From, info.State.LastSeq); err != nil {
			return err
		}
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for read := false; ; {
		if last := info.State.LastSeq; q.From <= last {
			more, err := r.upTo(ctx, q.From, last)
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err == nil && !more:
				return nil
			case err == nil:
				read, q.From = true, last+1
			case !q.Follow || !read:
				return err
			}
		}
		if !q.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		if next, err := openStream(ctx, js, q.Stream); err == nil {
			info = next.CachedInfo()
		} else if errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
	}
}

// reader reads one stretch of a stream.
type reader struct {
	js       jetstream.JetStream
	stream   jetstream.Stream
	subjects []string
	take     func(*jetstream.RawStreamMsg) bool
	empty    *gaps // nil: nothing is known
}

// gaps remembers, of each subject, the last stretch that was found to hold
// nothing: the windows in it need not ask. What is stored later is behind the
// stretch that is read.
type gaps struct {
	mu    sync.Mutex
	known map[string]gap
}

type gap struct{ from, to uint64 }

func (g *gaps) add(subject string, from, to uint64) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if to > g.known[subject].to {
		g.known[subject] = gap{from, to}
	}
}

func (g *gaps) holds(subject string, from, to uint64) bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	k, ok := g.known[subject]
	return ok && k.from <= from && to <= k.to
}

// since finds the first sequence from..last that was stored at a time or after it, last+1 if none was.
func (r reader) since(ctx context.Context, t time.Time, from, last uint64) (uint64, error) {
	for last++; from < last; {
		middle := from + (last-from)/2
		m, err := r.get(ctx, middle, ">")
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && (m.Sequence >= last || !m.Time.Before(t)):
			last = middle
		case err != nil:
			return 0, err
		default:
			from = m.Sequence + 1
		}
	}
	return from, nil
}

// upTo reads from..last, and tells whether take wants more.
func (r reader) upTo(ctx context.Context, from, last uint64) (bool, error) {
	if !r.stream.CachedInfo().Config.AllowDirect {
		return r.leader(ctx, from, last)
	}
	if len(r.subjects) == 1 {
		return r.direct(ctx, r.subjects[0], from, last, r.take)
	}
	var all []*jetstream.RawStreamMsg
	for _, s := range r.subjects {
		_, err := r.direct(ctx, s, from, last, func(m *jetstream.RawStreamMsg) bool {
			all = append(all, m)
			return true
		})
		if err != nil {
			return false, err
		}
	}
	return r.takeAll(inOrder(all)), nil
}

func (r reader) takeAll(all []*jetstream.RawStreamMsg) bool {
	for _, m := range all {
		if !r.take(m) {
			return false
		}
	}
	return true
}

func inOrder(all []*jetstream.RawStreamMsg) []*jetstream.RawStreamMsg {
	slices.SortFunc(all, func(a, b *jetstream.RawStreamMsg) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return all
}

// all reads one filter from a sequence to the end, and tells whether take wants more.
func (r reader) all(ctx context.Context, subject string, from uint64, take func(*jetstream.RawStreamMsg) bool) (bool, error) {
	if r.stream.CachedInfo().Config.AllowDirect {
		return r.direct(ctx, subject, from, math.MaxUint64, take)
	}
	r.subjects = []string{subject}
	found, err := r.window(ctx, from, math.MaxUint64)
	if err != nil {
		return false, err
	}
	r.take = take
	return r.takeAll(found), nil
}

// direct reads in batches.
func (r reader) direct(ctx context.Context, subject string, from, last uint64, take func(*jetstream.RawStreamMsg) bool) (bool, error) {
	for from <= last {
		found, err := r.batch(ctx, subject, from)
		if err != nil || len(found) == 0 {
			return err == nil, err
		}
		for _, m := range found {
			if m.Sequence > last {
				return true, nil
			}
			if !take(m) {
				return false, nil
			}
			from = m.Sequence + 1
		}
	}
	return true, nil
}

// batch reads what there is from a sequence on, up to a bound; nothing is the end.
func (r reader) batch(ctx context.Context, subject string, from uint64) ([]*jetstream.RawStreamMsg, error) {
	name := r.stream.CachedInfo().Config.Name
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	batch, err := jetstreamext.GetBatch(bounded, r.js, name, readBatch,
		jetstreamext.GetBatchSeq(from), jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchMaxBytes(readBytes))
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", name, err)
	}
	var found []*jetstream.RawStreamMsg
	for m, err := range batch {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading stream %s: %w", name, err)
		}
		for _, h := range headersOfGets {
			m.Header.Del(h)
		}
		found = append(found, m)
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case len(found) == 0: // the iteration ends without an error when time is up
		return nil, fmt.Errorf("reading stream %s: %w", name, errNoAnswer)
	}
	return found, nil
}

// headersOfGets are what a direct get adds to the headers of a message.
var headersOfGets = []string{
	jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer,
	jetstream.LastSequenceHeader, "Nats-Num-Pending",
}

// leader reads from..last from the leader, in windows side by side.
func (r reader) leader(ctx context.Context, from, last uint64) (bool, error) {
	type stretch struct {
		messages []*jetstream.RawStreamMsg
		err      error
	}
	r.empty = &gaps{known: map[string]gap{}}
	ctx, cancel := context.WithCancel(ctx)
	order := make(chan chan stretch, readWindows-2)
	var windows sync.WaitGroup
	defer windows.Wait()
	defer cancel()
	windows.Go(func() {
		defer close(order)
		size := max(smallestRead, (last-from)/mostOfWindows)
		for at := from; at <= last; at += size {
			result := make(chan stretch, 1)
			select {
			case order <- result:
			case <-ctx.Done():
				return
			}
			windows.Go(func() {
				m, err := r.window(ctx, at, min(last, at+size-1))
				result <- stretch{m, err}
			})
		}
	})
	for result := range order {
		s := <-result
		if s.err != nil {
			return false, s.err
		}
		if !r.takeAll(s.messages) {
			return false, nil
		}
	}
	return true, ctx.Err()
}

// window reads from..last from the leader, message by message.
func (r reader) window(ctx context.Context, from, last uint64) ([]*jetstream.RawStreamMsg, error) {
	var all []*jetstream.RawStreamMsg
	for _, subject := range r.subjects {
		for at := from; at <= last && !r.empty.holds(subject, at, last); {
			m, err := r.get(ctx, at, subject)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				r.empty.add(subject, at, math.MaxUint64)
				break
			}
			if err != nil {
				return nil, err
			}
			if m.Sequence > last {
				r.empty.add(subject, at, m.Sequence-1)
				break
			}
			all = append(all, m)
			at = m.Sequence + 1
		}
	}
	return inOrder(all), nil
}

func (r reader) get(ctx context.Context, from uint64, subject string) (*jetstream.RawStreamMsg, error) {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := r.stream.GetMsg(bounded, from, jetstream.WithGetMsgSubject(subject))
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		err = fmt.Errorf("reading stream %s: %w", r.stream.CachedInfo().Config.Name, err)
	}
	return m, err
}
