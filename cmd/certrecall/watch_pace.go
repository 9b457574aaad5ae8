package main

import (
	"math"
	"time"

	"certrecall/worker/status"
)

// pace reckons how fast DigiCert answers, and how long the rest takes.
type pace struct {
	samples []sample
	// The calls that were needed at the beginning, for so many commands.
	calls, listings, callsFor int
}

// sample is how many commands were answered at a moment.
type sample struct {
	at       time.Time
	answered int
}

// sample notes where things stand, once a second, for as long as the rate is
// reckoned over.
func (p *pace) sample(now time.Time, counts tally) {
	if n := len(p.samples); n > 0 && now.Sub(p.samples[n-1].at) < time.Second {
		return
	}
	p.samples = append(p.samples, sample{now, totals(counts).all - counts.open()})
	for now.Sub(p.samples[0].at) > rateOver {
		p.samples = p.samples[1:]
	}
}

// seen is how many were answered in the time that the samples span.
func (p *pace) seen() (answered int, over time.Duration) {
	n := len(p.samples)
	if n < 2 {
		return 0, 0
	}
	first, last := p.samples[0], p.samples[n-1]
	return max(0, last.answered-first.answered), last.at.Sub(first.at)
}

// rate is how many were answered a second, of late.
func (p *pace) rate() float64 {
	answered, over := p.seen()
	if over == 0 {
		return 0
	}
	return float64(answered) / over.Seconds()
}

// left is how long the open commands take: what the budget allows at best, or
// longer at the rate of late. A rate that the budget could not have allowed is
// one of commands that need no calls, or of another budget, and counts alone.
func (p *pace) left(f status.Fleet, open int) time.Duration {
	if open == 0 {
		return 0
	}
	answered, over := p.seen()
	byRate := time.Duration(0)
	if answered > 0 {
		byRate = time.Duration(float64(open) / float64(answered) * float64(over))
	}
	if answered > allowed(f, over) {
		return byRate
	}
	calls, listings := open, 0
	if p.callsFor > 0 {
		calls, listings = p.calls*open/p.callsFor, p.listings*open/p.callsFor
	}
	return max(f.Estimate(calls, listings), byRate)
}

// allowed is how many calls the budget allows at most in a stretch of time.
func allowed(f status.Fleet, over time.Duration) int {
	most := math.MaxInt
	for _, w := range f.Budget {
		most = min(most, int(float64(w.Calls)*(1+over.Seconds()/w.Seconds)))
	}
	return most
}
