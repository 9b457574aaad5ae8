package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

const (
	// poll is how often the file is looked at.
	poll = 5 * time.Second
	// maxFile bounds the file.
	maxFile = 1 << 20
)

// File is a policy in a file, read again when it changes.
type File struct {
	path    string
	current atomic.Pointer[Policy]
	// Owned by Run once it runs.
	sum    [sha256.Size]byte
	broken string
}

// Open reads the policy. "" is none: everything is allowed. The error names
// everything that is wrong with the file.
func Open(path string) (*File, error) {
	f := &File{path: path}
	f.current.Store(&Policy{})
	if path == "" {
		return f, nil
	}
	if _, err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// Policy gives what is in force. It must not be changed.
func (f *File) Policy() *Policy { return f.current.Load() }

// Path gives the file; "" is none.
func (f *File) Path() string { return f.path }

// load takes the file over if its content changed and all of it can be read.
func (f *File) load() (changed bool, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", f.path, err)
	}
	if len(content) > maxFile {
		return false, fmt.Errorf("%s is larger than %d bytes", f.path, maxFile)
	}
	sum := sha256.Sum256(content)
	if sum == f.sum {
		return false, nil
	}
	p, err := Parse(content)
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.path, err)
	}
	f.sum = sum
	f.current.Store(&p)
	return true, nil
}

// Run reads the file again when it changes, until ctx ends. A broken file
// leaves the last good policy in force; told hears of that once, and of every
// change.
func (f *File) Run(ctx context.Context, told func(*Policy, error)) {
	if f.path == "" {
		return
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := f.load()
		switch {
		case err != nil && err.Error() != f.broken:
			f.broken = err.Error()
			told(f.Policy(), err)
		case err == nil && (changed || f.broken != ""):
			f.broken = ""
			told(f.Policy(), nil)
		}
	}
}
