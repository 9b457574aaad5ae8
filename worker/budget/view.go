package budget

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// A view is the record as it was seen last, by the watch or in a write of this process.
type view struct {
	mu    sync.Mutex
	seen  entry // by the watch
	fresh bool  // seen was not taken yet
	e     entry // by either
}

// put takes note of what the watch saw.
func (v *view) put(e entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen, v.fresh, v.e = e, true, e
}

// take returns what the watch saw since the last call, if anything.
func (v *view) take() (entry, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fresh := v.fresh
	v.fresh = false
	return v.seen, fresh
}

// wrote takes note of a write of this process.
func (v *view) wrote(value []byte, rev uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rev > v.e.rev {
		v.e = entry{value: value, rev: rev}
	}
}

// last returns the record as it was seen last.
func (v *view) last() entry {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.e
}

// errWatchEnded says that a watch ended although nobody stopped it, as when its bucket is deleted.
var errWatchEnded = errors.New("the watch ended")

// A watcher follows keys of the control bucket.
type watcher struct {
	kv   jetstream.KeyValue
	keys []string
	saw  func(key string, e entry)
	lost func(error) // the watch could not be opened, or ended
	back func()      // it shows all that there is
}

// run follows the keys until ctx ends, with a new watch whenever one ends. Each begins with what every key holds.
func (w watcher) run(ctx context.Context) {
	var retry backoff
	for {
		err := w.follow(ctx, &retry)
		if ctx.Err() != nil {
			return
		}
		w.lost(err)
		if sleep(ctx, retry.next(), nil) != nil {
			return
		}
	}
}

func (w watcher) follow(ctx context.Context, retry *backoff) error {
	updates, err := w.kv.WatchFiltered(ctx, append([]string(nil), w.keys...))
	if err != nil {
		return err
	}
	defer func() { _ = updates.Stop() }() // an error says that it has ended already
	seen := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, open := <-updates.Updates():
			switch {
			case !open:
				return errWatchEnded
			case e != nil:
				seen[e.Key()] = true
				w.saw(e.Key(), entry{
					value: e.Value(), rev: e.Revision(), stamp: e.Created(),
					gone: e.Operation() != jetstream.KeyValuePut,
				})
			default: // all that there was at the beginning has been seen
				retry.reset()
				w.back()
				for _, key := range w.keys {
					if !seen[key] {
						w.saw(key, entry{gone: true})
					}
				}
			}
		}
	}
}
