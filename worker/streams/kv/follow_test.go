package kv_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
	"certrecall/worker/streams/kv"
)

// follower keeps what it hears.
type follower struct {
	mu     sync.Mutex
	told   map[string][]string // by key, in order; "-" is gone
	revs   map[string]uint64
	wrong  []string
	listed int
	heard  chan struct{}
}

func follow(t *testing.T, bucket jetstream.KeyValue, nc *nats.Conn, filters ...string) *follower {
	t.Helper()
	f := &follower{told: map[string][]string{}, revs: map[string]uint64{}, heard: make(chan struct{}, 1)}
	signal := func() {
		select {
		case f.heard <- struct{}{}:
		default:
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- kv.JSON[note](bucket).Follow(ctx, nc, kv.Follower[note]{
			Filters: filters,
			Changed: func(e kv.Entry[note]) {
				f.mu.Lock()
				defer f.mu.Unlock()
				defer signal()
				text := e.Value.Text
				if e.Gone {
					text = "-"
				}
				if e.Anew {
					text = "anew " + text
				} else if e.Revision != 0 && e.Revision <= f.revs[e.Key] {
					f.wrong = append(f.wrong, e.Key+": an older revision came later")
				}
				f.revs[e.Key] = e.Revision
				f.told[e.Key] = append(f.told[e.Key], text)
			},
			Listed: func() { f.mu.Lock(); f.listed++; f.mu.Unlock(); signal() },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Follow ended with %v", err)
		}
		for _, w := range f.wrong {
			t.Error(w)
		}
	})
	return f
}

// wait waits until ok holds of what was told.
func (f *follower) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for {
		f.mu.Lock()
		done := ok()
		f.mu.Unlock()
		if done {
			return
		}
		select {
		case <-f.heard:
		case <-patience.C:
			t.Fatalf("%s: told %v, listed %d times", what, f.told, f.listed)
		}
	}
}

func (f *follower) last(key string) string {
	all := f.told[key]
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func TestFollowTellsWhatIsThereAndEveryChange(t *testing.T) {
	onOneAndThree(t, func(t *testing.T, js jetstream.JetStream, replicas int) {
		ctx, bucket := t.Context(), makeBucket(t, js, replicas)
		k := kv.JSON[note](bucket)
		put := func(key, text string) {
			t.Helper()
			if _, err := k.Put(ctx, key, note{text}); err != nil {
				t.Fatal(err)
			}
		}
		put("a.1", "one")
		put("b.1", "not asked for")
		f := follow(t, bucket, js.Conn(), "a.>", "c")
		f.wait(t, "the listing", func() bool { return f.listed == 1 })
		put("a.1", "two")
		put("a.2", "first")
		f.wait(t, "the changes", func() bool { return f.last("a.1") == "two" && f.last("a.2") == "first" })
		if err := k.Remove(ctx, "a.1"); err != nil {
			t.Fatal(err)
		}
		f.wait(t, "the removal", func() bool { return f.last("a.1") == "-" })
		if diff := cmp.Diff(map[string][]string{"a.1": {"one", "two", "-"}, "a.2": {"first"}, "c": {"-"}}, f.told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// A bucket that is deleted and made again: what stood in it is gone, and what
// stands in it now counts, though its revisions are lower.
func TestFollowABucketThatIsMadeAgain(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	ctx, bucket := t.Context(), makeBucket(t, js, 1)
	k := kv.JSON[note](bucket)
	for _, text := range []string{"x", "y", "old"} {
		if _, err := k.Put(ctx, "a", note{text}); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Put(ctx, "b", note{text}); err != nil {
			t.Fatal(err)
		}
	}
	f := follow(t, bucket, js.Conn(), ">")
	f.wait(t, "the listing", func() bool { return f.last("a") == "old" && f.last("b") == "old" })
	if err := js.DeleteKeyValue(ctx, "B"); err != nil {
		t.Fatal(err)
	}
	makeBucket(t, js, 1)
	if _, err := k.Put(ctx, "a", note{"new"}); err != nil {
		t.Fatal(err)
	}
	f.wait(t, "the new bucket", func() bool { return f.last("a") == "anew new" && strings.HasSuffix(f.last("b"), "-") })
}

// After a reconnect the bucket is looked at again at once, not when the
// heartbeats of the old watch are missed.
func TestFollowAfterAReconnect(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	js := s.JetStream()
	bucket := makeBucket(t, js, 1)
	if _, err := kv.JSON[note](bucket).Put(t.Context(), "a", note{"before"}); err != nil {
		t.Fatal(err)
	}
	f := follow(t, bucket, js.Conn(), ">")
	f.wait(t, "the listing", func() bool { return f.listed == 1 })
	s.Restart()
	began := time.Now()
	f.wait(t, "the second listing", func() bool { return f.listed == 2 })
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	other, err := s.JetStream().KeyValue(t.Context(), "B")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.JSON[note](other).Put(t.Context(), "a", note{"after"}); err != nil {
		t.Fatal(err)
	}
	f.wait(t, "a change", func() bool { return f.last("a") == "after" })
	if diff := cmp.Diff([]string{"before", "after"}, f.told["a"]); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// stale is a bucket whose next watch reads from a replica that lags: it lists
// the values of lagging first.
type stale struct {
	jetstream.KeyValue
	lagging []jetstream.KeyValueEntry
	opened  chan struct{}
	mu      sync.Mutex
}

type laggingWatch struct {
	jetstream.KeyWatcher
	updates chan jetstream.KeyValueEntry
}

func (w *laggingWatch) Updates() <-chan jetstream.KeyValueEntry { return w.updates }

// WatchFiltered opens first a watch that lists everything and ends, and then
// one that begins with what it listed, older values.
func (s *stale) WatchFiltered(ctx context.Context, filters []string, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	w, err := s.KeyValue.WatchFiltered(ctx, filters, opts...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &laggingWatch{KeyWatcher: w, updates: make(chan jetstream.KeyValueEntry)}
	first, before := s.lagging == nil, s.lagging
	go func() {
		defer close(l.updates)
		for _, e := range before {
			select {
			case l.updates <- e:
			case <-ctx.Done():
			}
		}
		for e := range w.Updates() {
			select {
			case l.updates <- e:
			case <-ctx.Done():
			}
			if first && e == nil {
				return
			}
		}
	}()
	if !first {
		close(s.opened)
		s.opened = make(chan struct{})
	}
	return l, nil
}

// An older revision never overwrites a newer one, wherever a watch reads from.
func TestFollowNeverGoesBack(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	ctx, bucket := t.Context(), makeBucket(t, js, 1)
	k := kv.JSON[note](bucket)
	if _, err := k.Put(ctx, "a", note{"old"}); err != nil {
		t.Fatal(err)
	}
	old, err := bucket.Get(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Put(ctx, "a", note{"new"}); err != nil {
		t.Fatal(err)
	}
	s := &stale{KeyValue: bucket, opened: make(chan struct{})}
	opened := s.opened
	f := follow(t, s, nil, ">")
	f.wait(t, "the listing", func() bool { return f.listed >= 1 })
	s.mu.Lock()
	s.lagging = []jetstream.KeyValueEntry{old}
	s.mu.Unlock()
	<-opened
	f.wait(t, "the second listing", func() bool { return f.listed >= 2 })
	if _, err := k.Put(ctx, "a", note{"newest"}); err != nil {
		t.Fatal(err)
	}
	f.wait(t, "a change", func() bool { return f.last("a") == "newest" })
	if diff := cmp.Diff([]string{"new", "newest"}, f.told["a"]); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
