package credentials

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Kind is a way to prove who sends a request.
type Kind string

// The kinds.
const (
	Bearer       Kind = "bearer"        // Authorization: Bearer <secret>
	Basic        Kind = "basic"         // Authorization: Basic, with user:password
	HubSignature Kind = "hub_signature" // X-Hub-Signature-256 over the body
	Webhook      Kind = "webhook"       // Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature
)

// File names the file in which one secret stands alone.
type File struct {
	Source string
	Kind   Kind
	Name   string // as configured: what logs and metrics call the credential
	Path   string
}

// Secret is a secret that does not print itself.
type Secret []byte

const redacted = "REDACTED"

// String hides the secret.
func (Secret) String() string { return redacted }

// GoString hides the secret.
func (Secret) GoString() string { return redacted }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const (
	maxSecretFile = 16 << 10 // bytes
	shortSecret   = 16       // bytes; a shorter one can be guessed
)

// The lengths of a key after Standard Webhooks, in bytes.
const minWebhookKey, maxWebhookKey = 24, 64

const webhookPrefix = "whsec_"

// WebhookKey decodes a secret after Standard Webhooks: whsec_ and the Base64 of
// 24 to 64 bytes.
func WebhookKey(secret Secret) (Secret, error) {
	text, prefixed := bytes.CutPrefix(secret, []byte(webhookPrefix))
	key, err := base64.StdEncoding.DecodeString(string(text))
	switch {
	case !prefixed || err != nil:
		return nil, errors.New("is no secret after Standard Webhooks: write whsec_ and the Base64 of 24 to 64 random bytes")
	case len(key) < minWebhookKey || len(key) > maxWebhookKey:
		return nil, fmt.Errorf("has a key of %d bytes: Standard Webhooks wants %d to %d", len(key), minWebhookKey, maxWebhookKey)
	}
	return key, nil
}

// ReadSecret reads the secret that stands alone in a file, without the white
// space around it.
func ReadSecret(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch secret := bytes.TrimSpace(data); {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, err)
	case len(data) > maxSecretFile:
		return nil, fmt.Errorf("%s is larger than %d bytes: a secret stands alone in its file", path, maxSecretFile)
	case len(secret) == 0:
		return nil, fmt.Errorf("%s is empty: a secret stands alone in its file", path)
	case bytes.ContainsAny(secret, "\r\n"):
		return nil, fmt.Errorf("%s has several lines: a secret stands alone in its file", path)
	default:
		return secret, nil
	}
}

// OpenMode says what is wrong with the rights of a secret's file; "" is nothing.
func OpenMode(path string) string {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o007 == 0 {
		return ""
	}
	return fmt.Sprintf("%s can be read by everybody on this machine (mode %04o): chmod 0600 it", path, info.Mode().Perm())
}

// entry is one file with its last good secret.
type entry struct {
	File
	key     Secret   // what signatures are made with
	sum     [32]byte // of what is compared: bearer, basic
	stamp   stamp
	problem string // of the last reading; "" is none
}

// stamp tells whether a file changed.
type stamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// read reads the file anew; on an error what was there stays.
func (e *entry) read() error {
	e.stamp = stampOf(e.Path)
	secret, err := ReadSecret(e.Path)
	if err != nil {
		return err
	}
	key := secret
	switch e.Kind {
	case Webhook:
		if key, err = WebhookKey(secret); err != nil {
			return fmt.Errorf("%s %w", e.Path, err)
		}
	case Basic:
		if user, password, ok := strings.Cut(string(secret), ":"); !ok || user == "" || password == "" {
			return fmt.Errorf("%s does not hold user:password", e.Path)
		}
	case Bearer, HubSignature:
	}
	e.key, e.sum = key, sha256.Sum256(key)
	return nil
}

// warning says what is weak about a good secret; "" is nothing.
func (e *entry) warning() string {
	if mode := OpenMode(e.Path); mode != "" {
		return mode
	}
	if len(e.key) < shortSecret {
		return fmt.Sprintf("%s is shorter than %d characters and can be guessed: use 32 random ones", e.Path, shortSecret)
	}
	return ""
}
