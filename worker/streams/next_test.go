package streams

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// An iterator that sends its pull only when it is asked for the n-th time.
func TestNextAsksAgain(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		asks   int // until a pull is sent; the message comes 1 ms later
		err    error
		end    time.Duration // of ctx; 0 is never
		want   error
		atMost time.Duration
	}{
		{name: "at once", asks: 1, atMost: time.Millisecond},
		{name: "a pull not sent", asks: 2, atMost: 3 * time.Millisecond},
		{name: "twice", asks: 3, atMost: 23 * time.Millisecond},
		{name: "three times", asks: 4, atMost: 223 * time.Millisecond},
		{name: "an error is passed on", asks: 2, err: broken, want: broken, atMost: 3 * time.Millisecond},
		{name: "the end is passed on", asks: 9, end: 10 * time.Millisecond, want: context.DeadlineExceeded, atMost: 10 * time.Millisecond},
		{name: "also after the last ask", asks: 9, end: time.Hour, want: context.DeadlineExceeded, atMost: time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, began, asked := t.Context(), time.Now(), 0
				if c.end > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.end)
					defer cancel()
				}
				_, err := askUntil(ctx, func(ctx context.Context) (jetstream.Msg, error) {
					var pulled <-chan time.Time
					if asked++; asked >= c.asks {
						pulled = time.After(time.Millisecond)
					}
					select {
					case <-ctx.Done():
						return nil, ctx.Err()
					case <-pulled:
						return nil, c.err
					}
				})
				if d := time.Since(began); !errors.Is(err, c.want) || d > c.atMost {
					t.Errorf("%v after %v, want %v within %v", err, d, c.want, c.atMost)
				}
			})
		})
	}
}
