package credentials

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"
)

// look is how often the files are looked at for a change.
const look = 5 * time.Second

// Store holds the secrets of all sources. Its methods may be called at once.
type Store struct {
	mu      sync.RWMutex
	entries []*entry

	replays replays
}

// Open reads every file. The error joins what is wrong with each of them.
func Open(files []File) (*Store, error) {
	s := &Store{replays: replays{accepted: map[replayKey]time.Time{}}}
	var problems []error
	for _, f := range files {
		e := &entry{File: f}
		if err := e.read(); err != nil {
			problems = append(problems, fmt.Errorf("source %s: %w", f.Source, err))
			continue
		}
		s.entries = append(s.entries, e)
	}
	problems = append(problems, shared(s.entries)...)
	return s, errors.Join(problems...)
}

// shared refuses a secret that would say two sources.
func shared(entries []*entry) []error {
	var problems []error
	for i, a := range entries {
		for _, b := range entries[:i] {
			if a.Kind == b.Kind && a.Source != b.Source && subtle.ConstantTimeCompare(a.sum[:], b.sum[:]) == 1 {
				problems = append(problems, fmt.Errorf("%s and %s hold one secret for the sources %s and %s: give each source its own", b.Path, a.Path, b.Source, a.Source))
			}
		}
	}
	return problems
}

// Run reads files that changed, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.Refresh()
		}
	}
}

// Refresh reads the files that changed since they were read last.
func (s *Store) Refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.problem == "" && stampOf(e.Path) == e.stamp {
			continue
		}
		fresh := entry{File: e.File}
		err := fresh.read()
		if err == nil {
			err = errors.Join(shared(s.with(e, &fresh))...)
		}
		if err != nil {
			e.problem = err.Error()
			continue
		}
		*e = fresh
	}
}

// with gives the entries with one of them in another's place.
func (s *Store) with(old, fresh *entry) []*entry {
	all := make([]*entry, 0, len(s.entries))
	for _, e := range s.entries {
		if e == old {
			e = fresh
		}
		all = append(all, e)
	}
	return all
}

// Problems gives what is wrong with the files now; the last good secrets stay
// in use meanwhile.
func (s *Store) Problems() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []string
	for _, e := range s.entries {
		if e.problem != "" {
			all = append(all, e.problem)
		}
	}
	return all
}

// Warnings gives what is weak about the secrets: files that everybody may
// read, and secrets that can be guessed.
func (s *Store) Warnings() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []string
	for _, e := range s.entries {
		if w := e.warning(); w != "" {
			all = append(all, w)
		}
	}
	return all
}
