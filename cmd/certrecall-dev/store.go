package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// store is the folder that keeps everything between two starts.
type store struct {
	dir  string
	lock *os.File
}

// openStore makes the folder for simulated or for real orders and locks it. The
// two are kept apart: what is known of a simulated order says nothing of the
// real one with its id.
func openStore(dir string, realOrders bool) (store, error) {
	kind := "simulated"
	if realOrders {
		kind = "real"
	}
	s := store{dir: filepath.Join(dir, kind)}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return store{}, fmt.Errorf("making --store-dir: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return store{}, fmt.Errorf("locking --store-dir: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return store{}, fmt.Errorf("another certrecall-dev works in %s: end it, or choose another --store-dir", s.dir)
		}
		return store{}, fmt.Errorf("locking --store-dir: %w", err)
	}
	s.lock = lock
	return s, nil
}

func (s store) nats() string     { return filepath.Join(s.dir, "nats") }
func (s store) digicert() string { return filepath.Join(s.dir, "digicert.jsonl") }

// close gives the folder free.
func (s store) close() { _ = s.lock.Close() }
