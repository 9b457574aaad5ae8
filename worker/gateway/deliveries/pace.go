package deliveries

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Pauses. Those of an event decide when it is tried again, those of the
// endpoint when anything is.
const (
	firstPause, longestPause               = 5 * time.Second, time.Hour
	firstEndpointPause, longestEndpointPse = time.Second, 5 * time.Minute
	// threeDays is how long an event is tried.
	threeDays = 72 * time.Hour
	// fewRefusals of single events do not hold the others up.
	fewRefusals = 3
	// An endpoint that refused so often in a row, for so long, is switched off.
	manyRefusals, refusedFor = 10, time.Hour
)

// pause is the wait after the n-th failure in a row (from 1): exponential.
func pause(n int, first, longest time.Duration) time.Duration {
	d := first
	for ; n > 1 && d < longest; n-- {
		d *= 2
	}
	return min(d, longest)
}

// jittered adds up to a quarter, so that what failed together does not come
// back together.
func jittered(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// spent tells whether an event that was delivered n times by its consumer has
// had its time: the shortest that the pauses between may have taken together.
func spent(n uint64, patience time.Duration) bool {
	var total time.Duration
	for i := uint64(1); i < n && total < patience; i++ {
		total += pause(int(min(i, 60)), firstPause, longestPause)
	}
	return total >= patience
}

// pace is what is known of an endpoint's health in this process.
type pace struct {
	mu sync.Mutex
	course
}

// course is how it went lately; a success begins a new one.
type course struct {
	changed      time.Time // of the last failure that counted
	failures     int       // in a row
	refusals     int       // in a row
	refusedSince time.Time
	failingSince time.Time // zero: it takes events
	lastSuccess  time.Time
	notBefore    time.Time
	detail       string
}

// wait is how long nothing is to be tried, and whether only a single event is.
func (p *pace) wait(now time.Time) (wait time.Duration, probing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.notBefore.Sub(now), 0), p.failures > 0
}

func (p *pace) succeeded(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.course = course{lastSuccess: now}
}

// missed counts a failure; of requests that were on their way together it
// counts one. It returns why the endpoint is to be switched off; "" is not.
func (p *pace) missed(a answer, began, now time.Time) (off string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.detail = a.detail
	if p.failingSince.IsZero() {
		p.failingSince = now
	}
	if a.result == refused {
		if p.refusals++; p.refusals == 1 {
			p.refusedSince = now
		}
		if p.refusals >= manyRefusals && now.Sub(p.refusedSince) >= refusedFor {
			return "it refused everything for " + now.Sub(p.refusedSince).Round(time.Second).String() + ", last with " + a.detail
		}
	} else {
		p.refusals = 0
	}
	p.notBefore = later(p.notBefore, now.Add(a.retryAfter))
	if began.Before(p.changed) || a.result == refused && p.refusals < fewRefusals {
		return ""
	}
	p.changed = now
	p.failures++
	p.notBefore = later(p.notBefore, now.Add(jittered(pause(p.failures, firstEndpointPause, longestEndpointPse))))
	return ""
}

// hold keeps the endpoint from being asked before a moment.
func (p *pace) hold(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notBefore = later(p.notBefore, until)
}

// tookOthers tells whether the endpoint took something lately.
func (p *pace) tookOthers(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.lastSuccess.IsZero() && now.Sub(p.lastSuccess) < 2*longestPause
}

func (p *pace) failing() (since time.Time, detail string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failingSince, p.detail
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
