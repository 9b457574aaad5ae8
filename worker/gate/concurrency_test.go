package gate

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"certrecall/client"
)

// Everybody at once: under the race detector, with closing and opening told in
// turn for each gate, and nothing left closed when all is well again.
func TestGatesUnderConcurrentUse(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		classes := append(client.Classes(), "", "")
		var wg sync.WaitGroup
		loop := func(each time.Duration, f func()) {
			wg.Go(func() {
				for ctx.Err() == nil {
					f()
					time.Sleep(1 + rand.N(2*each)) // synctest
				}
			})
		}
		for range 8 {
			loop(50*time.Millisecond, func() {
				c := call(rand.Int64N(10), classes[rand.IntN(len(classes))])
				b.Report(c)
				if c.Class == client.ClassKeyRefused {
					_, _ = b.Judge(ctx, failure(client.ClassKeyRefused))
				}
			})
			loop(100*time.Millisecond, func() { _ = b.Wait(ctx, Listings) })
			loop(100*time.Millisecond, func() { b.Closed(Revocations) })
		}
		loop(time.Second, func() { b.setProbe(failure(classes[rand.IntN(len(classes))])) })
		loop(time.Second, func() {
			b.mu.Lock()
			b.notBefore = time.Now().Add(rand.N(time.Second))
			b.mu.Unlock()
			select {
			case b.notBeforeChanged <- struct{}{}:
			default:
			}
		})
		loop(2*time.Second, func() {
			if Pause(t.Context(), b.kv, Listings, operator) == nil {
				_ = Resume(t.Context(), b.kv, Listings, operator)
			}
		})
		wg.Wait()

		b.setProbe(nil)
		time.Sleep(5 * time.Minute) // synctest: the longest a gate waits for its probe
		wantClosed(b, Both)
		open := map[string]bool{}
		for _, c := range b.changed() {
			closes, gate := c[0] == '+', c[1:]
			if closes == open[gate] {
				t.Fatalf("%s told twice in a row", c)
			}
			open[gate] = closes
		}
		for _, gate := range []string{"paused listings", "circuit", "key-refused", "not-before"} {
			if closed, ever := open[gate]; !ever || closed {
				t.Errorf("gate %s: ever closed %v, left closed %v", gate, ever, closed)
			}
		}
		synctest.Wait()
	})
}
