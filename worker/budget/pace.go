package budget

import (
	"context"
	"math/rand/v2"
	"time"
)

const forever = time.Duration(1 << 62)

// sleep waits for d, or until something arrives on wake.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	var expired <-chan time.Time
	if d < forever {
		timer := time.NewTimer(d)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-expired:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// signal puts a value into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// spread returns a random time up to d.
func spread(d time.Duration) time.Duration { return rand.N(d + 1) }

// A backoff is the pause between tries while the store is out of reach: from 50 ms doubling to 2 s, with full jitter.
type backoff struct{ tries int }

func (b *backoff) next() time.Duration {
	d := min(50*time.Millisecond<<min(b.tries, 10), 2*time.Second)
	b.tries++
	return d/10 + spread(d)
}

func (b *backoff) reset() { b.tries = 0 }
