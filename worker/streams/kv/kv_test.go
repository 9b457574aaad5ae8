package kv_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"certrecall/worker/natstest"
	"certrecall/worker/streams/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type note struct {
	Text string `json:"text"`
}

// onOneAndThree runs a test against one node and against a cluster of three.
func onOneAndThree(t *testing.T, f func(t *testing.T, js jetstream.JetStream, replicas int)) {
	t.Parallel()
	t.Run("one node", func(t *testing.T) {
		t.Parallel()
		f(t, natstest.Start(t).JetStream(), 1)
	})
	t.Run("three nodes", func(t *testing.T) {
		t.Parallel()
		f(t, natstest.Cluster(t, 3).JetStream(), 3)
	})
}

func makeBucket(t *testing.T, js jetstream.JetStream, replicas int, tweak ...func(*jetstream.KeyValueConfig)) jetstream.KeyValue {
	t.Helper()
	c := jetstream.KeyValueConfig{Bucket: "B", Replicas: replicas, LimitMarkerTTL: time.Hour}
	for _, f := range tweak {
		f(&c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := js.CreateKeyValue(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// settled swaps until the answer is not that another write is under way, and
// not that nobody heard of it: a bucket made a moment ago on three nodes may
// still have no leader.
func settled(ctx context.Context, k kv.Keys[note], key, text string, revision uint64) (uint64, error) {
	for {
		now, err := k.Swap(ctx, key, note{text}, revision)
		if ctx.Err() != nil || !errors.Is(err, kv.ErrBusy) && !errors.Is(err, jetstream.ErrNoStreamResponse) {
			return now, err
		}
	}
}

// What every user of the package relies on.
func TestConformance(t *testing.T) {
	onOneAndThree(t, func(t *testing.T, js jetstream.JetStream, replicas int) {
		ctx, bucket := t.Context(), makeBucket(t, js, replicas)
		k := kv.JSON[note](bucket)
		swap := func(what, key, text string, revision uint64, want error) uint64 {
			t.Helper()
			now, err := settled(ctx, k, key, text, revision)
			if !errors.Is(err, want) || want == nil && now <= revision {
				t.Fatalf("%s: revision %d, %v, want %v", what, now, err, want)
			}
			return now
		}
		if e, err := k.Get(ctx, "a"); err != nil || !e.Gone || e.Revision != 0 {
			t.Fatalf("of nothing: %+v, %v", e, err)
		}
		one := swap("a first value", "a", "one", 0, nil)
		swap("a first value again", "a", "two", 0, kv.ErrLost)
		two := swap("a second", "a", "two", one, nil)
		swap("over an old revision", "a", "three", one, kv.ErrLost)
		e, err := k.Get(ctx, "a")
		if err != nil || e.Value.Text != "two" || e.Revision != two || e.Gone || e.Stamp.IsZero() {
			t.Errorf("got %+v, %v", e, err)
		}

		removals := map[string]func(string) error{
			"removed by us":    func(key string) error { return k.Remove(ctx, key) },
			"deleted by hand":  func(key string) error { return bucket.Delete(ctx, key) },
			"purged by hand":   func(key string) error { return bucket.Purge(ctx, key) },
			"purged, no trace": func(key string) error { return purgeSubject(ctx, js, key) },
		}
		for how, remove := range removals {
			key := strings.ReplaceAll(how, " ", "_")
			key = strings.ReplaceAll(key, ",", "")
			before := swap(how, key, "before", 0, nil)
			if err := remove(key); err != nil {
				t.Fatal(how, err)
			}
			swap(how+": over what was removed", key, "x", before, kv.ErrLost)
			if e, err := k.Get(ctx, key); err != nil || !e.Gone || e.Revision != 0 {
				t.Errorf("%s: %+v, %v", how, e, err)
			}
			after := swap(how+": created again", key, "after", 0, nil)
			swap(how+": and again", key, "x", 0, kv.ErrLost)
			swap(how+": and changed", key, "changed", after, nil)
		}
		if err := k.Remove(ctx, "never"); err != nil {
			t.Errorf("removing what is not there: %v", err)
		}

		if _, err := bucket.Put(ctx, "bad", []byte("no json")); err != nil {
			t.Fatal(err)
		}
		bad, err := k.Get(ctx, "bad")
		if !errors.Is(err, kv.ErrUnreadable) || bad.Revision == 0 {
			t.Errorf("an unreadable value: %+v, %v", bad, err)
		}
		swap("over an unreadable value", "bad", "good", bad.Revision, nil)
	})
}

func purgeSubject(ctx context.Context, js jetstream.JetStream, key string) error {
	s, err := js.Stream(ctx, "KV_B")
	if err != nil {
		return err
	}
	return s.Purge(ctx, jetstream.WithPurgeSubject("$KV.B."+key))
}

// Of many who swap one key at once, each revision has one winner, and nobody's
// change is lost.
func TestOneWinner(t *testing.T) {
	onOneAndThree(t, func(t *testing.T, js jetstream.JetStream, replicas int) {
		const writers, times = 6, 10
		k := kv.JSON[int](makeBucket(t, js, replicas))
		failed := make(chan error, writers)
		for range writers {
			go func() {
				var err error
				for range times {
					if _, e := k.Update(t.Context(), kv.Entry[int]{Key: "n"}, func(e *kv.Entry[int]) bool { e.Value++; return true }); e != nil {
						err = e
					}
				}
				failed <- err
			}()
		}
		for range writers {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		if e, err := k.Get(t.Context(), "n"); err != nil || e.Value != writers*times {
			t.Errorf("counted %d of %d: %v", e.Value, writers*times, err)
		}
	})
}

// A store at any of its limits says that there is no room, and takes values
// again once there is.
func TestNoRoom(t *testing.T) {
	onOneAndThree(t, func(t *testing.T, js jetstream.JetStream, replicas int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		limits := map[string]func(*jetstream.StreamConfig){
			"messages":     func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 },
			"bytes":        func(c *jetstream.StreamConfig) { c.MaxBytes = 600 },
			"message size": func(c *jetstream.StreamConfig) { c.MaxMsgSize = 100 },
		}
		for what, limit := range limits {
			bucket := makeBucket(t, js, replicas)
			k := kv.JSON[note](bucket)
			if _, err := settled(ctx, k, "first", "x", 0); err != nil {
				t.Fatal(err)
			}
			s, err := js.Stream(ctx, "KV_B")
			if err != nil {
				t.Fatal(err)
			}
			free := s.CachedInfo().Config
			full := free
			limit(&full)
			if _, err := js.UpdateStream(ctx, full); err != nil {
				t.Fatal(err)
			}
			long := note{strings.Repeat("x", 1000)}
			if _, err := k.Swap(ctx, "second", long, 0); !errors.Is(err, kv.ErrNoRoom) {
				t.Errorf("%s: swap: %v, want %v", what, err, kv.ErrNoRoom)
			}
			if _, err := k.Put(ctx, "second", long); !errors.Is(err, kv.ErrNoRoom) {
				t.Errorf("%s: put: %v, want %v", what, err, kv.ErrNoRoom)
			}
			if _, err := js.UpdateStream(ctx, free); err != nil {
				t.Fatal(err)
			}
			if _, err := settled(ctx, k, "second", "x", 0); err != nil {
				t.Errorf("%s: with room again: %v", what, err)
			}
			if err := js.DeleteKeyValue(ctx, "B"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A value beyond what the connection takes is no room either.
func TestTooLargeForTheConnection(t *testing.T) {
	t.Parallel()
	k := kv.Raw(makeBucket(t, natstest.Start(t).JetStream(), 1))
	if _, err := k.Swap(t.Context(), "a", make([]byte, 2<<20), 0); !errors.Is(err, kv.ErrNoRoom) {
		t.Errorf("%v, want %v", err, kv.ErrNoRoom)
	}
}

// Persist gives up on a full store within seconds, in fake time.
func TestPersistIsBoundedWithoutRoom(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		began, tries := time.Now(), 0
		err := kv.Persist(t.Context(), func(context.Context) error {
			tries++
			return fmt.Errorf("storing: %w", kv.ErrNoRoom)
		})
		if took := time.Since(began); !errors.Is(err, kv.ErrNoRoom) || took < 4*time.Second || took > 10*time.Second || tries > 60 {
			t.Errorf("%d tries in %s: %v", tries, took, err)
		}
		tries = 0
		if err := kv.Persist(t.Context(), func(context.Context) error { tries++; return kv.ErrUnreadable }); !errors.Is(err, kv.ErrUnreadable) || tries != 1 {
			t.Errorf("%d tries of what nothing mends: %v", tries, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tries, began = 0, time.Now()
		err = kv.Persist(ctx, func(context.Context) error { tries++; return kv.ErrLost })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) < 59*time.Minute || tries > 3*3600 {
			t.Errorf("%d tries in %s: %v", tries, time.Since(began), err)
		}
	})
}

// Update meets its own result after a swap whose answer was lost, and beginning
// from a stale hint.
func TestUpdate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := kv.JSON[[]string](makeBucket(t, natstest.Start(t).JetStream(), 1))
	add := func(s string) func(*kv.Entry[[]string]) bool {
		return func(e *kv.Entry[[]string]) bool { e.Value = append(e.Value, s); return true }
	}
	first, err := k.Update(ctx, kv.Entry[[]string]{Key: "a"}, add("one"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Update(ctx, first, add("two")); err != nil {
		t.Fatal(err)
	}
	last, err := k.Update(ctx, first, add("three")) // stale
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, last.Value); diff != "" {
		t.Error(diff)
	}
	same, err := k.Update(ctx, last, func(*kv.Entry[[]string]) bool { return false })
	if e, getErr := k.Get(ctx, "a"); err != nil || getErr != nil || same.Revision != last.Revision || e.Revision != last.Revision {
		t.Errorf("nothing to change: %+v, %v; stored at %d, %v", same, err, e.Revision, getErr)
	}
}
