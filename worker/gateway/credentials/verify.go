package credentials

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Tolerance is how far the time of a signed message may be from now.
const Tolerance = 5 * time.Minute

// HeaderHubSignature carries "sha256=" and the HMAC of the body, in hexadecimal digits.
const HeaderHubSignature = "X-Hub-Signature-256"

// Identity is who sent a request.
type Identity struct {
	Source     string
	Credential string // the name of the secret's file
	Kind       Kind
	message    replayKey // of a message after Standard Webhooks
}

// The refusals of Verify.
var (
	ErrNoCredential    = errors.New("no credential: send Authorization (Bearer or Basic), a signature after Standard Webhooks, or X-Hub-Signature-256")
	ErrWrongCredential = errors.New("the credential fits no source")
	ErrWebhookTime     = errors.New("webhook-timestamp is more than 5 minutes from the gateway's clock: sign each attempt anew")
	ErrReplayed        = errors.New("this signed message (webhook-id and webhook-timestamp) was accepted before: sign another attempt anew")
)

// Verify tells who sent a request, by what its header and body prove. Of a
// request without a body only Authorization counts: a signature over nothing
// would be good for every address.
func (s *Store) Verify(h http.Header, body []byte, now time.Time) (Identity, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var proofs []*entry
	given := false
	for _, prove := range []func(http.Header, []byte) (bool, *entry){s.authorization, s.hub, s.webhook} {
		present, e := prove(h, body)
		given = given || present
		if present && e == nil {
			return Identity{}, ErrWrongCredential
		}
		if e != nil {
			proofs = append(proofs, e)
		}
	}
	if !given {
		return Identity{}, ErrNoCredential
	}
	who := Identity{Source: proofs[0].Source, Credential: proofs[0].Name, Kind: proofs[0].Kind}
	for _, e := range proofs {
		if e.Source != who.Source {
			return Identity{}, ErrWrongCredential
		}
		if e.Kind == Webhook {
			who.message = messageOf(e, h)
		}
	}
	if who.message != (replayKey{}) {
		if err := s.replays.check(who.message, now); err != nil {
			return Identity{}, err
		}
	}
	return who, nil
}

// authorization looks for a bearer token or basic credentials.
func (s *Store) authorization(h http.Header, _ []byte) (bool, *entry) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return false, nil
	}
	if len(values) > 1 {
		return true, nil
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	text = strings.Trim(text, " ")
	switch {
	case strings.EqualFold(scheme, "bearer"):
		return true, s.same(Bearer, []byte(text))
	case strings.EqualFold(scheme, "basic"):
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return true, nil
		}
		return true, s.same(Basic, decoded)
	}
	return true, nil
}

// same finds the entry with this secret, and takes the same time whether and
// where there is one.
func (s *Store) same(kind Kind, secret []byte) *entry {
	sum := sha256.Sum256(secret)
	var found *entry
	for _, e := range s.entries {
		if e.Kind == kind && subtle.ConstantTimeCompare(sum[:], e.sum[:]) == 1 {
			found = e
		}
	}
	return found
}

func (s *Store) hub(h http.Header, body []byte) (bool, *entry) {
	values := h.Values(HeaderHubSignature)
	if len(values) == 0 {
		return false, nil
	}
	text, ok := strings.CutPrefix(values[0], "sha256=")
	signature, err := hex.DecodeString(text)
	if len(values) > 1 || !ok || err != nil || len(body) == 0 {
		return true, nil
	}
	var found *entry
	for _, e := range s.entries {
		if e.Kind != HubSignature {
			continue
		}
		mac := hmac.New(sha256.New, e.key)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), signature) {
			found = e
		}
	}
	return true, found
}

// webhook looks for a signature after Standard Webhooks; its time is judged later.
func (s *Store) webhook(h http.Header, body []byte) (bool, *entry) {
	if h.Get(webhooks.HeaderWebhookSignature) == "" {
		return false, nil
	}
	var found *entry
	for _, e := range s.entries {
		if e.Kind != Webhook || len(body) == 0 {
			continue
		}
		w, err := webhooks.NewWebhookRaw(e.key)
		if err == nil && w.VerifyIgnoringTimestamp(body, h) == nil {
			found = e
		}
	}
	return true, found
}

// messageOf is what a replay of a signed message would have in common with it.
func messageOf(e *entry, h http.Header) replayKey {
	seconds, err := strconv.ParseInt(h.Get(webhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		seconds = 0 // long ago; the signature did not pass with it either
	}
	return replayKey{e.Source, e.Name, h.Get(webhooks.HeaderWebhookID), seconds}
}
