package credentials

import (
	"sync"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Signer signs what is delivered, after Standard Webhooks, with the secret in a
// file that is read again when it changes.
type Signer struct {
	mu     sync.Mutex
	entry  entry
	looked time.Time
}

// OpenSigner reads the secret.
func OpenSigner(path string) (*Signer, error) {
	s := &Signer{entry: entry{File: File{Kind: Webhook, Path: path}}, looked: time.Now()}
	return s, s.entry.read()
}

// Sign gives the value of webhook-signature. A file that became unreadable
// leaves the last good secret in use.
func (s *Signer) Sign(id string, at time.Time, body []byte) (string, error) {
	s.mu.Lock()
	s.refresh(at)
	key := s.entry.key
	s.mu.Unlock()
	w, err := webhooks.NewWebhookRaw(key)
	if err != nil {
		return "", err
	}
	return w.Sign(id, at, body)
}

// Warning says what is wrong or weak about the file; "" is nothing.
func (s *Signer) Warning() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entry.problem != "" {
		return s.entry.problem
	}
	return s.entry.warning()
}

func (s *Signer) refresh(now time.Time) {
	if now.Sub(s.looked) < look {
		return
	}
	s.looked = now
	if s.entry.problem == "" && stampOf(s.entry.Path) == s.entry.stamp {
		return
	}
	fresh := entry{File: s.entry.File}
	if err := fresh.read(); err != nil {
		s.entry.problem = err.Error()
		return
	}
	s.entry = fresh
}
