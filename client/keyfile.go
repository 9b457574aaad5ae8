package client

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

const (
	keyFileInterval = 5 * time.Second
	keyFileLimit    = 4 << 10 // bytes; a key has well under a hundred
)

// KeyFile is a key kept in a file that an operator, or the platform, replaces while the process runs.
// White space around the key is trimmed. It is safe for concurrent use.
type KeyFile struct {
	path    string
	key     atomic.Pointer[Secret] // the last good key; never nil
	problem atomic.Pointer[error]  // why the last look failed; nil after a good one
	changed chan struct{}
}

// NewKeyFile reads the key once; a file that cannot be read or holds no key is an error.
func NewKeyFile(path string) (*KeyFile, error) {
	k := &KeyFile{path: path, changed: make(chan struct{}, 1)}
	key, err := k.read()
	if err != nil {
		return nil, err
	}
	k.key.Store(&key)
	return k, nil
}

// Run looks at the file's content every 5 s until ctx ends, and then returns nil. A file that is empty,
// unreadable or holds no possible key leaves the last key in use; Err tells why.
func (k *KeyFile) Run(ctx context.Context) error {
	tick := time.NewTicker(keyFileInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.look()
		}
	}
}

func (k *KeyFile) look() {
	key, err := k.read()
	if err != nil {
		k.problem.Store(&err)
		return
	}
	k.problem.Store(nil)
	if key == *k.key.Load() {
		return
	}
	k.key.Store(&key)
	select {
	case k.changed <- struct{}{}:
	default: // one signal waits already, and Key is read after it
	}
}

// Key returns the last key that could be read.
func (k *KeyFile) Key(context.Context) (Secret, error) { return *k.key.Load(), nil }

// Changed receives one value after the key has changed; changes that nobody received meanwhile are one. It is
// for a single receiver.
func (k *KeyFile) Changed() <-chan struct{} { return k.changed }

// Err tells why the last look at the file gave no key; nil when it did.
func (k *KeyFile) Err() error {
	if p := k.problem.Load(); p != nil {
		return *p
	}
	return nil
}

func (k *KeyFile) read() (Secret, error) {
	f, err := os.Open(k.path)
	if err != nil {
		return "", fmt.Errorf("reading the DigiCert key file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, keyFileLimit+1))
	if err != nil {
		return "", fmt.Errorf("reading the DigiCert key file: %w", err)
	}
	if len(b) > keyFileLimit {
		return "", fmt.Errorf("reading the DigiCert key file %s: more than %d bytes", k.path, keyFileLimit)
	}
	key, err := parseSecret(string(b))
	if err != nil {
		return "", fmt.Errorf("reading the DigiCert key file %s: %w", k.path, err)
	}
	return key, nil
}
