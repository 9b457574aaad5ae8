package worker

import (
	"context"
	"slices"
	"sync"
)

// line hands out the slots of a lane in turn: whoever pulls for a source queues
// for one slot at a time, so that sources take turns whatever each has waiting.
// Its methods may be called by any goroutine.
type line struct {
	mu   sync.Mutex
	free int
	// Who waits, first come first served; those at the end only while nobody else
	// does, or after patience turns of others.
	waiting, end []chan struct{}
	passed       int
}

// patience is after how many turns of others one at the end of the line gets
// its turn, so that even its commands are answered some day.
const patience = 20

func newLine(slots int) *line { return &line{free: slots} }

// enter waits for a slot. The error is ctx's cause.
func (l *line) enter(ctx context.Context, atTheEnd bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	if l.free > 0 { // then nobody waits
		l.free--
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{}, 1)
	if atTheEnd {
		l.end = append(l.end, turn)
	} else {
		l.waiting = append(l.waiting, turn)
	}
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	same := func(c chan struct{}) bool { return c == turn }
	before := len(l.waiting) + len(l.end)
	l.waiting, l.end = slices.DeleteFunc(l.waiting, same), slices.DeleteFunc(l.end, same)
	given := len(l.waiting)+len(l.end) == before
	l.mu.Unlock()
	if given { // in this very moment
		l.leave(1)
	}
	return context.Cause(ctx)
}

// more takes slots that nobody waits for, up to most.
func (l *line) more(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := min(l.free, most)
	l.free -= taken
	return taken
}

// leave gives slots back.
func (l *line) leave(slots int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range slots {
		switch {
		case len(l.waiting) > 0 && (len(l.end) == 0 || l.passed < patience):
			l.passed++
			l.waiting[0] <- struct{}{}
			l.waiting = l.waiting[1:]
		case len(l.end) > 0:
			l.passed = 0
			l.end[0] <- struct{}{}
			l.end = l.end[1:]
		default:
			l.free++
		}
	}
}

// busy reports whether any slot is taken.
func (l *line) busy(slots int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free < slots
}

// strangers counts for each source the orders in a row that DigiCert did not
// know. The zero value is ready.
type strangers struct {
	mu    sync.Mutex
	inRow map[string]int
}

const (
	// A source whose last orders, so many, were all unknown waits at the end of
	// the line: made-up orders must not keep others waiting.
	mostUnknown = 20
	// mostStrangers bounds the memory of it.
	mostStrangers = 10_000
)

// ended takes note of a command's end, and reports whether the source goes to
// the end of the line with it.
func (s *strangers) ended(source string, unknown bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !unknown {
		delete(s.inRow, source)
		return false
	}
	if s.inRow == nil {
		s.inRow = map[string]int{}
	}
	if _, known := s.inRow[source]; !known && len(s.inRow) >= mostStrangers {
		return false
	}
	s.inRow[source]++
	return s.inRow[source] == mostUnknown
}

// atTheEnd reports whether the source waits at the end of the line.
func (s *strangers) atTheEnd(source string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inRow[source] >= mostUnknown
}

// count is how many sources do.
func (s *strangers) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, unknown := range s.inRow {
		if unknown >= mostUnknown {
			n++
		}
	}
	return n
}
