package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// codeInvalidKey is the one code of a 403 that speaks of the key as a whole. Recorded from the real API.
const codeInvalidKey = "access_denied|access_denied_invalid_key"

const (
	maxRetryAfter  = time.Hour
	maxMessageSize = 1000 // bytes
	maxCodeSize    = 200  // bytes
)

// classify gives the class of an answer that is not a success. Only the status, whether the body is the API's own and,
// for the key, the exact code decide: messages change with the language. Whatever stands in front of the API (a proxy,
// a firewall, a maintenance page, another server behind a wrong base URL) may have passed a call on before it answered,
// and its no is not DigiCert's: it is as unclear as no answer. A 429 slows down by whoever says it.
func classify(mutating bool, status int, code string, foreign bool) Class {
	switch {
	case status == http.StatusTooManyRequests:
		return ClassThrottled
	case foreign, status < 400:
		return unclear(mutating)
	case status == http.StatusUnauthorized, status == http.StatusForbidden && code == codeInvalidKey:
		return ClassKeyRefused
	case status == http.StatusForbidden:
		return ClassForbidden
	case status == http.StatusNotFound:
		return ClassNotFound
	case status < 500 && status != http.StatusRequestTimeout:
		return ClassRefused
	default:
		return unclear(mutating)
	}
}

// unclear is the class of a call whose connection was gained and whose effect is not known: harmless for a read.
func unclear(mutating bool) Class {
	if mutating {
		return ClassOutcomeUnknown
	}
	return ClassUnavailable
}

// origin says whose body an answer has.
type origin int

const (
	notJSON   origin = iota // a page, or nothing
	otherJSON               // of a gateway, for example
	fromAPI
)

// parseProblem reads code and message of an error body. DigiCert documents {"errors":[{"code","message"}]}; errors
// as one object and a bare list are the API's too, a bare object may be anybody's. Further messages are appended.
func parseProblem(body []byte) (code, message string, of origin) {
	body = trimBOM(body)
	if !json.Valid(body) {
		return "", "", notJSON
	}
	list, whole := body, isArray(body)
	if errs := member(body, "errors"); errs != nil {
		list, whole = errs, true
	}
	var messages []string
	add := func(v []byte) {
		if code == "" {
			code = text(member(v, "code"))
		}
		if m := text(member(v, "message")); m != "" {
			messages = append(messages, m)
		}
	}
	if isArray(list) {
		for v := range elements(list) {
			add(v)
		}
	} else {
		add(list)
	}
	of = otherJSON
	if whole && (code != "" || len(messages) > 0) {
		of = fromAPI
	}
	return clip(code, maxCodeSize), clip(strings.Join(messages, "; "), maxMessageSize), of
}

// clip makes text of a stranger fit for a one-line message: no control characters, valid UTF-8, bounded.
func clip(s string, size int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	if len(s) <= size {
		return s
	}
	const mark = "…"
	size -= len(mark)
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size] + mark
}

func trimBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\uFEFF")) }

// parseRetryAfter reads a Retry-After header (RFC 9110, section 10.2.3), seconds or a date, clamped to 0 … 1 h.
// A date is taken relative to the answer's own Date if it has one, so that clocks need not agree.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789") == "" {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// redirected says where an answer points, without path and query, which may hold anything.
func redirected(h http.Header) error {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return errors.New("redirects are not followed")
	}
	return fmt.Errorf("a redirect to %s is not followed: check the DigiCert URL", clip(u.Scheme+"://"+u.Host, maxCodeSize))
}
