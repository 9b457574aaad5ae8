package credentials

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var (
	body = []byte(`{"order_id":4711}`)
	noon = time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)
)

// secretOf makes a good secret of a kind: the same for the same seed.
func secretOf(kind Kind, seed string) string {
	switch kind {
	case Webhook:
		return webhookPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(seed+"-", 24)[:24]))
	case Basic:
		return "user:" + seed + "-a-long-password"
	case Bearer, HubSignature:
	}
	return seed + "-a-long-secret"
}

// proof is what a sender with the secret puts into the header at a time.
func proof(t *testing.T, kind Kind, secret, id string, at time.Time) http.Header {
	t.Helper()
	h := http.Header{}
	switch kind {
	case Bearer:
		h.Set("Authorization", "Bearer "+secret)
	case Basic:
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
	case HubSignature:
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		h.Set(HeaderHubSignature, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	case Webhook:
		w, err := webhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := w.Sign(id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		h.Set(webhooks.HeaderWebhookID, id)
		h.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
		h.Set(webhooks.HeaderWebhookSignature, signature)
	}
	return h
}

var kinds = []Kind{Bearer, Basic, HubSignature, Webhook}

// place writes a secret with a time of its own, so that a change is seen
// whatever the clock of the file system is.
func place(t *testing.T, path, secret string, modified time.Time) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(secret+"\n"), 0o600), os.Chtimes(path, modified, modified)); err != nil {
		t.Fatal(err)
	}
}

// folder has two secrets for the source a and one for b, of each kind.
func folder(t *testing.T) (dir string, s *Store) {
	t.Helper()
	dir = t.TempDir()
	var files []File
	for _, kind := range kinds {
		for _, name := range []string{"a1", "a2", "b"} {
			path := filepath.Join(dir, string(kind)+"-"+name)
			place(t, path, secretOf(kind, name), noon)
			files = append(files, File{Source: name[:1], Kind: kind, Name: filepath.Base(path), Path: path})
		}
	}
	s, err := Open(files)
	if err != nil {
		t.Fatal(err)
	}
	return dir, s
}

func TestTwoSecretsAreGoodAtOnce(t *testing.T) {
	t.Parallel()
	_, s := folder(t)
	for _, kind := range kinds {
		for seed, want := range map[string]string{"a1": "a", "a2": "a", "b": "b"} {
			who, err := s.Verify(proof(t, kind, secretOf(kind, seed), "m-1", noon), body, noon)
			if err != nil || who.Source != want || who.Credential != string(kind)+"-"+seed || who.Kind != kind {
				t.Errorf("%s %s: %+v %v", kind, seed, who, err)
			}
		}
		for _, secret := range []string{secretOf(kind, "c"), secretOf(kind, "A1")} {
			if who, err := s.Verify(proof(t, kind, secret, "m-1", noon), body, noon); !errors.Is(err, ErrWrongCredential) || who != (Identity{}) {
				t.Errorf("%s with a wrong secret: %+v %v", kind, who, err)
			}
		}
	}
}

// TestWhatProvesNothing: a proof that is broken in any way is refused, whatever
// else stands beside it.
func TestWhatProvesNothing(t *testing.T) {
	t.Parallel()
	_, s := folder(t)
	good := func(kind Kind, seed string) http.Header { return proof(t, kind, secretOf(kind, seed), "m-1", noon) }
	with := func(h http.Header, name string, values ...string) http.Header {
		h.Del(name)
		for _, v := range values {
			h.Add(name, v)
		}
		return h
	}
	both := func(a, b http.Header) http.Header {
		maps.Copy(a, b)
		return a
	}
	bearer := "Bearer " + secretOf(Bearer, "a1")
	for name, c := range map[string]struct {
		header http.Header
		body   []byte
		want   error
	}{
		"nothing":                             {http.Header{}, body, ErrNoCredential},
		"an empty token":                      {with(http.Header{}, "Authorization", "Bearer "), body, ErrWrongCredential},
		"a token's beginning":                 {with(http.Header{}, "Authorization", bearer[:len(bearer)-1]), body, ErrWrongCredential},
		"two of Authorization":                {with(http.Header{}, "Authorization", bearer, bearer), body, ErrWrongCredential},
		"a basic secret as a token":           {with(http.Header{}, "Authorization", "Bearer "+secretOf(Basic, "a1")), body, ErrWrongCredential},
		"basic without Base64":                {with(http.Header{}, "Authorization", "Basic "+secretOf(Basic, "a1")), body, ErrWrongCredential},
		"another scheme":                      {with(http.Header{}, "Authorization", "Digest x"), body, ErrWrongCredential},
		"a signature of another body":         {good(HubSignature, "a1"), []byte(`{"order_id":4712}`), ErrWrongCredential},
		"a webhook of another body":           {good(Webhook, "a1"), []byte(`{"order_id":4712}`), ErrWrongCredential},
		"a webhook with another id":           {with(good(Webhook, "a1"), webhooks.HeaderWebhookID, "m-2"), body, ErrWrongCredential},
		"a webhook with another time":         {with(good(Webhook, "a1"), webhooks.HeaderWebhookTimestamp, strconv.FormatInt(noon.Unix()+1, 10)), body, ErrWrongCredential},
		"a webhook without a time":            {with(good(Webhook, "a1"), webhooks.HeaderWebhookTimestamp), body, ErrWrongCredential},
		"SHA-1":                               {with(http.Header{}, HeaderHubSignature, "sha1=00"), body, ErrWrongCredential},
		"a signature of nothing":              {good(HubSignature, "a1"), nil, ErrWrongCredential},
		"two sources":                         {both(good(Bearer, "a1"), good(HubSignature, "b")), body, ErrWrongCredential},
		"a good token and a wrong signature":  {both(good(Bearer, "a1"), with(http.Header{}, HeaderHubSignature, "sha256=00")), body, ErrWrongCredential},
		"two secrets of one source, as asked": {both(good(Bearer, "a1"), good(HubSignature, "a2")), body, nil},
	} {
		if _, err := s.Verify(c.header, c.body, noon); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestSignedMessagesAreGoodForFiveMinutesAndOnce(t *testing.T) {
	t.Parallel()
	_, s := folder(t)
	secret := secretOf(Webhook, "a1")
	for offset, want := range map[time.Duration]error{
		-Tolerance - time.Second: ErrWebhookTime, -Tolerance: nil, 0: nil, Tolerance: nil, Tolerance + time.Second: ErrWebhookTime, -24 * time.Hour: ErrWebhookTime,
	} {
		if _, err := s.Verify(proof(t, Webhook, secret, "m-1", noon.Add(offset)), body, noon); !errors.Is(err, want) {
			t.Errorf("signed %s away: %v, want %v", offset, err, want)
		}
	}
	first := proof(t, Webhook, secret, "m-1", noon)
	who, err := s.Verify(first, body, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(first, body, noon); err != nil {
		t.Errorf("what was not accepted is refused: %v", err)
	}
	s.Accepted(who, noon)
	if _, err := s.Verify(first, body, noon.Add(time.Minute)); !errors.Is(err, ErrReplayed) {
		t.Errorf("a replay: %v", err)
	}
	if _, err := s.Verify(proof(t, Webhook, secret, "m-1", noon.Add(time.Second)), body, noon.Add(time.Second)); err != nil {
		t.Errorf("the same message signed anew: %v", err)
	}
}

func TestRotatedFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		dir, s := folder(t)
		passes := func(seed string) bool {
			_, err := s.Verify(proof(t, kind, secretOf(kind, seed), "m-1", noon), body, noon)
			return err == nil
		}
		path := filepath.Join(dir, string(kind)+"-a1")
		place(t, path, secretOf(kind, "new"), noon.Add(time.Minute))
		if passes("new") || !passes("a1") {
			t.Errorf("%s: a file has an effect before it is read", kind)
		}
		s.Refresh()
		if !passes("new") || passes("a1") || !passes("a2") || !passes("b") || len(s.Problems()) > 0 {
			t.Errorf("%s: after a rotation: new %v, old %v, the other %v, of b %v, %v", kind, passes("new"), passes("a1"), passes("a2"), passes("b"), s.Problems())
		}
		// What cannot be used leaves the last good secret in force, and is named.
		for i, bad := range []string{"", secretOf(kind, "b"), "two\nlines"} {
			place(t, path, bad, noon.Add(time.Duration(i+2)*time.Minute))
			s.Refresh()
			problems := s.Problems()
			if !passes("new") || len(problems) != 1 || !strings.Contains(problems[0], path) || strings.Contains(problems[0], secretOf(kind, "b")) {
				t.Errorf("%s, file %q: passes %v, %v", kind, bad, passes("new"), problems)
			}
		}
		place(t, path, secretOf(kind, "newest"), noon.Add(time.Hour))
		s.Refresh()
		if !passes("newest") || passes("new") || len(s.Problems()) > 0 {
			t.Errorf("%s: mended: %v", kind, s.Problems())
		}
	}
}

func TestOneSecretForTwoSourcesIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var files []File
	for _, source := range []string{"a", "b"} {
		path := filepath.Join(dir, source)
		place(t, path, secretOf(Bearer, "same"), noon)
		files = append(files, File{Source: source, Kind: Bearer, Name: source, Path: path})
	}
	if _, err := Open(files); err == nil || strings.Contains(err.Error(), secretOf(Bearer, "same")) {
		t.Errorf("%v", err)
	}
}
