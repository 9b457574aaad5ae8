package main

import (
	"time"

	"certrecall/worker/incident"
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

// rate is how many were answered a second, of late.
func (p *pace) rate() float64 {
	n := len(p.samples)
	if n < 2 {
		return 0
	}
	first, last := p.samples[0], p.samples[n-1]
	return max(0, float64(last.answered-first.answered)) / last.at.Sub(first.at).Seconds()
}

// left is how long the open commands take: what the budget allows at best, or
// longer at the rate of late.
func (p *pace) left(f incident.Fleet, open int) time.Duration {
	if open == 0 {
		return 0
	}
	calls, listings := open, 0
	if p.callsFor > 0 {
		calls, listings = p.calls*open/p.callsFor, p.listings*open/p.callsFor
	}
	left := f.Estimate(calls, listings)
	if rate := p.rate(); rate > 0 {
		left = max(left, time.Duration(float64(open)/rate*float64(time.Second)))
	}
	return left
}
