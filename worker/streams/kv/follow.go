package kv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// listTimeout bounds the listing with which a watch begins.
	listTimeout = 10 * time.Second
	// lookEvery is how often Follow looks whether the bucket was made again: a
	// watch would wait in it for revisions beyond those of the old one.
	lookEvery = 10 * time.Second
	// The pause before a watch is opened again.
	firstRewatch, lastRewatch = 50 * time.Millisecond, 2 * time.Second
)

var (
	errReconnected = errors.New("the connection was made anew")
	errNotListed   = errors.New("the bucket could not be listed in time")
	errWatchEnded  = errors.New("the watch ended")
	errMadeAnew    = errors.New("the bucket was made anew")
)

// Follower hears of the keys that [Keys.Follow] follows. All its functions are
// called by one goroutine; those left nil are not.
type Follower[T any] struct {
	// Filters are keys, or patterns of keys as "pause.>".
	Filters []string
	// Changed hears of each key what stands there, and of every change after
	// that. An older revision never comes after a newer one, unless the entry
	// says that the bucket was made anew. A key that has gone without anybody
	// seeing its removal comes with revision 0, and so does, with each listing, a
	// full key among the filters that is not there.
	Changed func(Entry[T])
	// Listed hears that Changed has heard of everything there is: at the
	// beginning, and after each loss of the bucket or the connection.
	Listed func()
	// Broken hears why the bucket cannot be followed now. What was heard may be
	// out of date until Listed is called again.
	Broken func(error)
}

// Follow follows keys until ctx ends, through every loss of NATS and of the
// bucket, and returns nil. Conn is the bucket's connection: after a reconnect
// the watch is opened again at once, since the consumer behind it may have died
// with its server, which the client notices only after some 20 s. It may be nil.
func (k Keys[T]) Follow(ctx context.Context, conn *nats.Conn, f Follower[T]) error {
	var reconnected chan nats.Status
	if conn != nil {
		reconnected = conn.StatusChanged(nats.CONNECTED)
		defer conn.RemoveStatusListener(reconnected)
	}
	w := &following[T]{Keys: k, Follower: f, known: map[string]uint64{}}
	for pause := firstRewatch; ; pause = min(2*pause, lastRewatch) {
		err := w.watch(ctx, reconnected)
		if ctx.Err() != nil {
			return nil
		}
		if w.listed {
			pause = firstRewatch
		}
		if errors.Is(err, errReconnected) || errors.Is(err, errMadeAnew) {
			continue
		}
		if f.Broken != nil {
			f.Broken(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-reconnected:
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// following is the memory of one Follow.
type following[T any] struct {
	Keys[T]
	Follower[T]
	// known has the revision of each key that was told, removed ones too.
	known map[string]uint64
	// made is when the bucket was: a bucket that was made again counts its
	// revisions anew. anew has the keys that were told of the one before.
	made   time.Time
	anew   map[string]bool
	listed bool // by the present watch
}

func (w *following[T]) watch(ctx context.Context, reconnected <-chan nats.Status) error {
	w.listed = false
	ctx, cancel := context.WithCancel(ctx)
	watch, err := w.bucket.WatchFiltered(ctx, append([]string(nil), w.Filters...))
	if err != nil {
		cancel()
		return fmt.Errorf("watching: %w", err)
	}
	defer func() { // until the subscription has ended
		cancel()
		for range watch.Updates() {
			continue
		}
	}()
	if _, err := w.madeAnew(ctx); err != nil {
		return err
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	seen, tooLate := map[string]bool{}, time.After(listTimeout)
	for {
		select {
		case e, ok := <-watch.Updates():
			switch {
			case !ok:
				return errWatchEnded
			case e != nil:
				if !w.listed {
					seen[e.Key()] = true
				}
				w.tell(w.entry(e))
			default:
				if err := w.missed(ctx, seen); err != nil {
					return err
				}
				w.listed, tooLate, seen = true, nil, nil
				if w.Listed != nil {
					w.Listed()
				}
			}
		case <-look.C:
			if anew, err := w.madeAnew(ctx); err == nil && anew {
				return errMadeAnew
			}
		case <-tooLate:
			return errNotListed
		case <-reconnected:
			return errReconnected
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// madeAnew looks whether the bucket is another than before, and then forgets
// the revisions of that one.
func (w *following[T]) madeAnew(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	status, err := w.bucket.Status(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the bucket: %w", err)
	}
	s, ok := status.(*jetstream.KeyValueBucketStatus)
	if !ok || s.StreamInfo().Created.Equal(w.made) {
		return false, nil
	}
	w.made, w.anew = s.StreamInfo().Created, map[string]bool{}
	for key := range w.known {
		w.known[key], w.anew[key] = 0, true
	}
	return true, nil
}

// tell passes an entry on, unless a newer one was told: the replica that a
// watch reads from may lag behind the one before.
func (w *following[T]) tell(e Entry[T]) {
	if last, told := w.known[e.Key]; told && e.Revision <= last {
		return
	}
	w.known[e.Key] = e.Revision
	w.changed(e)
}

func (w *following[T]) changed(e Entry[T]) {
	e.Anew = w.anew[e.Key]
	delete(w.anew, e.Key)
	if w.Changed != nil {
		w.Changed(e)
	}
}

// missed looks after the keys that were told, or asked for by their full
// names, and are not in the listing: they are gone, or the replica lags.
func (w *following[T]) missed(ctx context.Context, seen map[string]bool) error {
	for _, f := range w.Filters {
		if _, told := w.known[f]; !told && !strings.ContainsAny(f, "*>") {
			w.known[f] = 0
		}
	}
	for key := range w.known {
		if seen[key] {
			continue
		}
		e, err := w.Get(ctx, key)
		if err != nil && !errors.Is(err, ErrUnreadable) {
			return err
		}
		if !e.Gone {
			w.tell(e)
			continue
		}
		delete(w.known, key)
		w.changed(e)
	}
	return nil
}
