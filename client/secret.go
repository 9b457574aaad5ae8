package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Secret is a DigiCert API key. However it is printed, logged or marshalled, it shows as REDACTED; only a
// conversion to string gives the key itself.
//
// fmt reaches into unexported struct fields without asking their methods: keep a Secret in an exported field
// or behind a pointer.
type Secret string

const redacted = "REDACTED"

// String returns REDACTED.
func (Secret) String() string { return redacted }

// GoString returns REDACTED.
func (Secret) GoString() string { return redacted }

// Format writes REDACTED for every verb, %x and %d too.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns REDACTED.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "REDACTED".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue returns REDACTED.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// parseSecret trims white space around a key and checks that a header can carry it. Its errors never quote the key.
func parseSecret(s string) (Secret, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", errors.New("the DigiCert API key is empty")
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return "", errors.New("the DigiCert API key holds a character that is not printable ASCII")
		}
	}
	return Secret(s), nil
}

// hide takes the key out of all that an answer can have put into the error: the words of an error body, a redirect,
// a header line that net/http quotes because it is malformed. What is shorter than any key of DigiCert's stands in
// for one in a test, and is left: it may be part of a word.
func (e *Error) hide(key Secret) {
	const shortest = 8
	if len(key) < shortest {
		return
	}
	e.Code = strings.ReplaceAll(e.Code, string(key), redacted)
	e.Message = strings.ReplaceAll(e.Message, string(key), redacted)
	if e.Err != nil && strings.Contains(e.Err.Error(), string(key)) {
		e.Err = errors.New(strings.ReplaceAll(e.Err.Error(), string(key), redacted))
	}
}

// KeySource gives the key for the next call. It is asked before every HTTP attempt, so that a key that changes
// is used at once, and must be quick and safe for concurrent use.
type KeySource interface {
	Key(ctx context.Context) (Secret, error)
}

// StaticKey is a key that never changes. White space around it is trimmed.
func StaticKey(key Secret) KeySource {
	parsed, err := parseSecret(string(key))
	return &staticKey{&parsed, err}
}

// staticKey is handed out by pointer and holds the key by pointer: fmt prints neither.
type staticKey struct {
	key *Secret
	err error
}

func (s *staticKey) Key(context.Context) (Secret, error) { return *s.key, s.err }
