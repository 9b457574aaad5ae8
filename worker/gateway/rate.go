package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is so many requests in a time. It is counted in each gateway by itself;
// the zero value is no limit.
type Rate struct {
	Requests int
	Per      time.Duration
}

// Bounds of a rate.
const (
	maxRequests      = 1_000_000
	minPer, maxPer   = time.Second, 24 * time.Hour
	rateShouldBeLike = "write a number of requests and a time, as 100/1m"
)

// ParseRate reads "100/1m".
func ParseRate(text string) (Rate, error) {
	requests, per, found := strings.Cut(text, "/")
	n, err := strconv.Atoi(requests)
	d, errPer := time.ParseDuration(per)
	switch {
	case !found || err != nil || errPer != nil:
		return Rate{}, fmt.Errorf("%q cannot be read: %s", text, rateShouldBeLike)
	case n < 1 || n > maxRequests:
		return Rate{}, fmt.Errorf("%q: 1 to %d requests: %s", text, maxRequests, rateShouldBeLike)
	case d < minPer || d > maxPer:
		return Rate{}, fmt.Errorf("%q: the time is from %v to %v: %s", text, minPer, maxPer, rateShouldBeLike)
	}
	return Rate{n, d}, nil
}

// limiters hold one bucket a credential. It is full at the start, and each
// request takes one: at most Requests at once, and Requests a time on average.
type limiters struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// take says how long a request has to wait; zero is now.
func (l *limiters) take(credential string, r Rate, now time.Time) time.Duration {
	if r.Requests == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[credential]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(float64(r.Requests)/r.Per.Seconds()), r.Requests)
		if l.buckets == nil {
			l.buckets = map[string]*rate.Limiter{}
		}
		l.buckets[credential] = b
	}
	reservation := b.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay > 0 {
		reservation.CancelAt(now) // it is refused, and takes nothing
	}
	return delay
}
