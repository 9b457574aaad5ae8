package digicertsim

import "time"

// limiter judges the calls of one key: one ring a window, of the arrivals that fill it.
type limiter struct {
	rings        []ring
	blockedUntil time.Time
}

// ring holds the last len(at) arrivals; next is the oldest.
type ring struct {
	window Window
	at     []time.Time
	next   int
}

// arrive reports whether a call at now is within all windows, and counts it if so. A period of length Per holds
// at most Calls arrivals; it does not include its end.
func (l *limiter) arrive(now time.Time, block time.Duration) bool {
	if now.Before(l.blockedUntil) {
		return false
	}
	for i := range l.rings {
		r := &l.rings[i]
		if oldest := r.at[r.next]; !oldest.IsZero() && now.Sub(oldest) < r.window.Per {
			l.blockedUntil = now.Add(block)
			return false
		}
	}
	for i := range l.rings {
		r := &l.rings[i]
		r.at[r.next] = now
		r.next = (r.next + 1) % len(r.at)
	}
	return true
}

// within judges an arrival now by the limits of its key.
func (s *Simulator) within(key string, now time.Time) bool {
	if len(s.opts.Limits) == 0 {
		return true
	}
	l := s.limiters[key]
	if l == nil {
		l = &limiter{}
		for _, w := range s.opts.Limits {
			l.rings = append(l.rings, ring{window: w, at: make([]time.Time, max(w.Calls, 1))})
		}
		s.limiters[key] = l
	}
	return l.arrive(now, s.opts.Block)
}

// OverLimit counts the calls that the limits refused.
func (s *Simulator) OverLimit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overLimit
}

// Peak is the greatest number of recorded calls in any period of the length given, whatever key they had.
func (s *Simulator) Peak(per time.Duration) int {
	calls := s.Calls()
	peak, from := 0, 0
	for i := range calls {
		for calls[i].At.Sub(calls[from].At) >= per {
			from++
		}
		peak = max(peak, i-from+1)
	}
	return peak
}
