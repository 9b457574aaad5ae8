package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// watchEvery is how often a watched bucket is looked at when nothing tells of a change.
	watchEvery = 10 * time.Second
)

// watchAgain is when a bucket is read after somebody wrote to it: where the
// server does not tell what it has stored, a write is heard before it is, and a
// follower may lag behind.
var watchAgain = [...]time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 500 * time.Millisecond}

// bucketHandle is a bucket that is listed and watched without a consumer (see
// Read). Of the methods that would make one it has Watch, WatchAll and
// WatchFiltered, the others refuse. Whatever the options, a watch gives all
// that the bucket keeps: history and the markers of deleted keys, too.
type bucketHandle struct {
	jetstream.KeyValue

	js jetstream.JetStream
}

func (b bucketHandle) Watch(ctx context.Context, keys string, _ ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	return b.WatchFiltered(ctx, []string{keys})
}

func (b bucketHandle) WatchAll(ctx context.Context, _ ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	return b.WatchFiltered(ctx, []string{">"})
}

// WatchFiltered gives what every key holds, deleted ones as such, then nil, and
// then each change (of several in a moment the last) until ctx ends, the
// watcher is stopped, or the bucket cannot be read any more: its channel is
// closed then.
func (b bucketHandle) WatchFiltered(ctx context.Context, keys []string, _ ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	stream, err := openStream(ctx, b.js, bucketStream(b.Bucket()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{
		bucket: b.Bucket(), created: stream.CachedInfo().Created, reader: reader{js: b.js, stream: stream},
		updates: make(chan jetstream.KeyValueEntry, 256), heard: make(chan struct{}, 1), cancel: cancel,
	}
	for _, k := range keys {
		w.filters = append(w.filters, filter{subject: w.prefix() + k, next: 1})
		sub, err := b.js.Conn().Subscribe(hint(stream.CachedInfo().Config, w.prefix()+k), func(*nats.Msg) {
			select {
			case w.heard <- struct{}{}:
			default:
			}
		})
		if err != nil {
			w.unsubscribe()
			cancel()
			return nil, fmt.Errorf("listening to bucket %s: %w", b.Bucket(), err)
		}
		w.subscriptions = append(w.subscriptions, sub)
	}
	w.running.Go(func() {
		defer close(w.updates)
		defer w.unsubscribe()
		_ = w.run(ctx) // whoever watches begins anew, whatever the reason
	})
	return w, nil
}

// hint is the subject under which a write to a subject of a bucket is heard.
func hint(c jetstream.StreamConfig, subject string) string {
	if r := c.RePublish; r != nil && r.Source == "$KV."+strings.TrimPrefix(c.Name, "KV_")+".>" {
		return strings.TrimSuffix(r.Destination, ">") + strings.TrimPrefix(subject, strings.TrimSuffix(r.Source, ">"))
	}
	return subject
}

func (b bucketHandle) refuse() error {
	return fmt.Errorf("listing bucket %s: %w", b.Bucket(), errors.ErrUnsupported)
}

func (b bucketHandle) Keys(context.Context, ...jetstream.WatchOpt) ([]string, error) {
	return nil, b.refuse()
}

func (b bucketHandle) ListKeys(context.Context, ...jetstream.WatchOpt) (jetstream.KeyLister, error) {
	return nil, b.refuse()
}

func (b bucketHandle) ListKeysFiltered(context.Context, ...string) (jetstream.KeyLister, error) {
	return nil, b.refuse()
}

func (b bucketHandle) History(context.Context, string, ...jetstream.WatchOpt) ([]jetstream.KeyValueEntry, error) {
	return nil, b.refuse()
}

func (b bucketHandle) PurgeDeletes(context.Context, ...jetstream.KVPurgeOpt) error { return b.refuse() }

// watcher reads a bucket whenever a write to it is heard, and now and then.
// What is heard is no more than a hint: it may be refused, or come from anybody.
type watcher struct {
	bucket        string
	created       time.Time // of the stream: a bucket made anew counts its revisions anew
	reader        reader
	filters       []filter
	updates       chan jetstream.KeyValueEntry
	heard         chan struct{}
	subscriptions []*nats.Subscription
	cancel        context.CancelFunc
	running       sync.WaitGroup
}

// filter is one of the keys that are watched.
type filter struct {
	subject string
	next    uint64 // the first revision not read yet
}

func (w *watcher) Updates() <-chan jetstream.KeyValueEntry { return w.updates }

// Stop ends the watch; what it has not given is lost.
func (w *watcher) Stop() error {
	w.cancel()
	w.running.Wait()
	return nil
}

func (w *watcher) prefix() string { return "$KV." + w.bucket + "." }

func (w *watcher) unsubscribe() {
	for _, s := range w.subscriptions {
		_ = s.Unsubscribe() // an error says that the connection is closed
	}
}

func (w *watcher) run(ctx context.Context) error {
	if err := w.read(ctx); err != nil {
		return err
	}
	select {
	case w.updates <- nil:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	looks := len(watchAgain) // since a write was heard
	timer := time.NewTimer(watchEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.heard:
			if looks > 0 {
				looks = 0
				timer.Reset(watchAgain[looks])
			}
			continue
		case <-timer.C:
		}
		if looks == len(watchAgain) {
			if err := w.same(ctx); err != nil {
				return err
			}
		}
		if err := w.read(ctx); err != nil {
			return err
		}
		if looks = min(looks+1, len(watchAgain)); looks < len(watchAgain) {
			timer.Reset(watchAgain[looks])
		} else {
			timer.Reset(watchEvery)
		}
	}
}

// same looks whether it is still the same bucket.
func (w *watcher) same(ctx context.Context) error {
	stream, err := openStream(ctx, w.reader.js, bucketStream(w.bucket))
	if err == nil && !stream.CachedInfo().Created.Equal(w.created) {
		return errWatchedAnew
	}
	return err
}

var errWatchedAnew = errors.New("the bucket was made anew")

// read gives what was written since the last time.
func (w *watcher) read(ctx context.Context) error {
	for i := range w.filters {
		f := &w.filters[i]
		more, err := w.reader.all(ctx, f.subject, f.next, func(m *jetstream.RawStreamMsg) bool {
			select {
			case w.updates <- update{w, m}:
				f.next = m.Sequence + 1
				return true
			case <-ctx.Done():
				return false
			}
		})
		if err != nil || !more {
			return errors.Join(context.Cause(ctx), err)
		}
	}
	return nil
}

// update is one value of one key.
type update struct {
	watcher *watcher
	m       *jetstream.RawStreamMsg
}

func (u update) Bucket() string     { return u.watcher.bucket }
func (u update) Key() string        { return strings.TrimPrefix(u.m.Subject, u.watcher.prefix()) }
func (u update) Value() []byte      { return u.m.Data }
func (u update) Revision() uint64   { return u.m.Sequence }
func (u update) Created() time.Time { return u.m.Time }
func (u update) Delta() uint64      { return 0 }

func (u update) Operation() jetstream.KeyValueOp {
	operation, marker := u.m.Header.Get("KV-Operation"), u.m.Header.Get(jetstream.MarkerReasonHeader)
	switch {
	case operation == "DEL", marker == "Remove":
		return jetstream.KeyValueDelete
	case operation == "PURGE", marker != "":
		return jetstream.KeyValuePurge
	}
	return jetstream.KeyValuePut
}
