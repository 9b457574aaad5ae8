package client

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const htmlPage = `<html><head><title>403</title></head><body>Request unsuccessful. Incapsula incident ID: 0-0</body></html>`

func problemBody(code, message string) string {
	return `{"errors":[{"code":"` + code + `","message":"` + message + `"}]}`
}

// Every answer that is not a success, as a read and as a revocation see it.
func TestClasses(t *testing.T) {
	t.Parallel()
	const invalidKey = "access_denied|access_denied_invalid_key"
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		read, put Class
		want      Error // Code, Message, NotJSON, RetryAfter
		header    []string
		sentence  string // of the revocation, after "revoke-order 4711"
	}{
		{name: "no key", status: 401, body: problemBody("x", "y"), read: ClassKeyRefused, put: ClassKeyRefused, want: Error{Code: "x", Message: "y"}, sentence: ": DigiCert answered 401 x: y"},
		{name: "401 with HTML", status: 401, body: htmlPage, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 401 with a body that is not JSON"},
		{name: "invalid key", status: 403, body: problemBody(invalidKey, "m"), read: ClassKeyRefused, put: ClassKeyRefused, want: Error{Code: invalidKey, Message: "m"}, sentence: ": DigiCert answered 403 " + invalidKey + ": m"},
		{name: "invalid key with a suffix", status: 403, body: problemBody(invalidKey+"|x", "m"), read: ClassForbidden, put: ClassForbidden, want: Error{Code: invalidKey + "|x", Message: "m"}, sentence: ": DigiCert answered 403 " + invalidKey + "|x: m"},
		{name: "invalid key in the message only", status: 403, body: problemBody("access_denied", invalidKey), read: ClassForbidden, put: ClassForbidden, want: Error{Code: "access_denied", Message: invalidKey}, sentence: ": DigiCert answered 403 access_denied: " + invalidKey},
		{name: "missing permission", status: 403, body: problemBody("access_denied|missing_permission", ""), read: ClassForbidden, put: ClassForbidden, want: Error{Code: "access_denied|missing_permission"}, sentence: ": DigiCert answered 403 access_denied|missing_permission"},
		{name: "firewall", status: 403, body: htmlPage, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 403 with a body that is not JSON"},
		{name: "403 without a body", status: 403, body: "", read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 403 with a body that is not JSON"},
		{name: "no such order", status: 404, body: problemBody("not_found|order", "order"), read: ClassNotFound, put: ClassNotFound, want: Error{Code: "not_found|order", Message: "order"}, sentence: ": DigiCert answered 404 not_found|order: order"},
		{name: "throttled", status: 429, body: problemBody("request_limit_exceeded", "Service unavailable, please limit request volume"), read: ClassThrottled, put: ClassThrottled, want: Error{Code: "request_limit_exceeded", Message: "Service unavailable, please limit request volume"}, sentence: ": DigiCert answered 429 request_limit_exceeded: Service unavailable, please limit request volume"},
		{name: "throttled with a delay", status: 429, body: htmlPage, header: []string{"Retry-After", "17"}, read: ClassThrottled, put: ClassThrottled, want: Error{NotJSON: true, Foreign: true, RetryAfter: 17 * time.Second}, sentence: ": DigiCert answered 429 with a body that is not JSON (retry after 17s)"},
		{name: "bad request", status: 400, body: problemBody("required_param:comments", "m"), read: ClassRefused, put: ClassRefused, want: Error{Code: "required_param:comments", Message: "m"}, sentence: ": DigiCert answered 400 required_param:comments: m"},
		{name: "404 with HTML", status: 404, body: htmlPage, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 404 with a body that is not JSON"},
		{name: "404 of a gateway", status: 404, body: `{"message":"no Route matched with those values"}`, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{Message: "no Route matched with those values", Foreign: true}, sentence: ": outcome unknown: DigiCert answered 404 with a body that is not the API's: no Route matched with those values"},
		{name: "403 of a gateway", status: 403, body: `{"code":403,"message":"forbidden"}`, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{Code: "403", Message: "forbidden", Foreign: true}, sentence: ": outcome unknown: DigiCert answered 403 403 with a body that is not the API's: forbidden"},
		{name: "proxy asks for a password", status: 407, body: htmlPage, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 407 with a body that is not JSON"},
		{name: "conflict", status: 409, body: problemBody("conflict", ""), read: ClassRefused, put: ClassRefused, want: Error{Code: "conflict"}, sentence: ": DigiCert answered 409 conflict"},
		{name: "conflict that says nothing", status: 409, body: `{}`, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{Foreign: true}, sentence: ": outcome unknown: DigiCert answered 409 with a body that is not the API's"},
		{name: "unprocessable, errors an object", status: 422, body: `{"errors":{"code":"c","message":"m"}}`, read: ClassRefused, put: ClassRefused, want: Error{Code: "c", Message: "m"}, sentence: ": DigiCert answered 422 c: m"},
		{name: "not acceptable", status: 406, body: "no", read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 406 with a body that is not JSON"},
		{name: "408", status: 408, body: "", read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 408 with a body that is not JSON"},
		{name: "500", status: 500, body: problemBody("internal", "m"), read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{Code: "internal", Message: "m"}, sentence: ": outcome unknown: DigiCert answered 500 internal: m"},
		{name: "502 with HTML", status: 502, body: htmlPage, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 502 with a body that is not JSON"},
		{name: "503 for an hour", status: 503, body: "{}", header: []string{"Retry-After", "9999999"}, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{RetryAfter: time.Hour, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 503 with a body that is not the API's (retry after 1h0m0s)"},
		{name: "a 503 that says 429 is not one", status: 503, body: problemBody("request_limit_exceeded", ""), header: []string{"Retry-After", "30"}, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{Code: "request_limit_exceeded", RetryAfter: 30 * time.Second}, sentence: ": outcome unknown: DigiCert answered 503 request_limit_exceeded (retry after 30s)"},
		{name: "redirect", status: 302, body: htmlPage, header: []string{"Location", "https://login.example.com/secret?key=1"}, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 302 with a body that is not JSON: a redirect to https://login.example.com is not followed: check the DigiCert URL"},
		{name: "redirect to nowhere", status: 307, body: "{}", header: []string{"Location", "/elsewhere"}, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{Foreign: true}, sentence: ": outcome unknown: DigiCert answered 307 with a body that is not the API's: redirects are not followed"},
		{name: "304", status: 304, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 304 with a body that is not JSON: redirects are not followed"},
		{name: "200 with HTML", status: 200, body: htmlPage, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 200 with a body that is not JSON: the answer is not JSON"},
		{name: "201 without an id", status: 201, body: `{"comments":"c"}`, read: ClassUnavailable, put: ClassOutcomeUnknown, sentence: ": outcome unknown: DigiCert answered 201: the answer is not a request with an id"},
		{name: "200 with null", status: 200, body: `null`, read: ClassUnavailable, put: ClassOutcomeUnknown, sentence: ": outcome unknown: DigiCert answered 200: the answer is not a request with an id"},
		{name: "200 with a list", status: 200, body: `[1]`, read: ClassUnavailable, put: ClassOutcomeUnknown, sentence: ": outcome unknown: DigiCert answered 200: the answer is not a request with an id"},
		{name: "201 cut off", status: 201, body: `{"id":1,"status":"pend`, read: ClassUnavailable, put: ClassOutcomeUnknown, want: Error{NotJSON: true, Foreign: true}, sentence: ": outcome unknown: DigiCert answered 201 with a body that is not JSON: the answer is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen []Call
				c := piped(t, answers(tt.status, tt.body, tt.header...), func(cfg *Config) {
					cfg.Observe = func(call Call) { seen = append(seen, call) }
				})
				_, err := c.RevokeOrder(t.Context(), 4711, Revocation{Comments: "c"})
				checkFailure(t, err, seen, OpRevokeOrder, tt.put, tt.status, tt.want)
				if diff := cmp.Diff("revoke-order 4711"+tt.sentence, err.Error()); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				seen = nil
				_, err = c.Reader(nil).Order(t.Context(), 4711)
				checkFailure(t, err, seen, OpOrder, tt.read, tt.status, tt.want)
			})
		})
	}
}

// checkFailure compares an error, and what was observed of it, with what it must be.
func checkFailure(t *testing.T, err error, seen []Call, op Operation, class Class, status int, want Error) {
	t.Helper()
	want.Op, want.Class, want.Status, want.OrderID = op, class, status, 4711
	if diff := cmp.Diff(want, *asError(t, err), cmpopts.IgnoreFields(Error{}, "Err")); diff != "" {
		t.Errorf("%s (-want +got)\n%s", op, diff)
	}
	attempts := 1
	if class == ClassUnavailable && want.RetryAfter == 0 && (!want.Foreign || status >= 500 || status < 300) && status != 408 || status == 408 && class == ClassUnavailable {
		attempts = 1 + readMaxRetries
	}
	if len(seen) != attempts {
		t.Errorf("%s: %d attempts observed, want %d", op, len(seen), attempts)
	}
	for _, call := range seen {
		call.Began, call.Duration = time.Time{}, 0
		if diff := cmp.Diff(Call{Op: op, Class: class, Status: status, Code: want.Code, RetryAfter: want.RetryAfter, OrderID: 4711}, call); diff != "" {
			t.Errorf("observed (-want +got)\n%s", diff)
		}
	}
	checkSentinels(t, err, class)
}

func checkSentinels(t *testing.T, err error, class Class) {
	t.Helper()
	for c, sentinel := range map[Class]error{
		ClassThrottled: ErrThrottled, ClassUnavailable: ErrUnavailable, ClassKeyRefused: ErrKeyRefused, ClassForbidden: ErrForbidden,
		ClassNotFound: ErrNotFound, ClassRefused: ErrRefused, ClassOutcomeUnknown: ErrOutcomeUnknown, ClassNeverSent: ErrNeverSent,
	} {
		if errors.Is(err, sentinel) != (c == class) {
			t.Errorf("errors.Is(%v, %v) is %t", err, sentinel, c != class)
		}
	}
}

func TestClassesAndOperationsAreListed(t *testing.T) {
	t.Parallel()
	if n := len(Classes()); n != 8 {
		t.Errorf("%d classes", n)
	}
	if n := len(Operations()); n != 9 {
		t.Errorf("%d operations", n)
	}
}

func TestParseProblem(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 2000)
	for _, tt := range []struct {
		body, code, message string
		of                  origin
	}{
		{problemBody("a|b", "m"), "a|b", "m", fromAPI},
		{"\uFEFF" + problemBody("a", "m"), "a", "m", fromAPI},
		{`{"errors":{"code":"a","message":"m"}}`, "a", "m", fromAPI},
		{`[{"code":"required_param:x","message":"x is required"},{"code":"b","message":"n"}]`, "required_param:x", "x is required; n", fromAPI},
		{`{"code":"a","message":"m"}`, "a", "m", otherJSON},
		{`{"errors":[{"message":"first"},{"code":"late"}]}`, "late", "first", fromAPI},
		{`{"errors":[{"code":17,"message":true}]}`, "17", "true", fromAPI},
		{`{"errors":[{"code":{"a":1},"message":["m"]}]}`, "", "", otherJSON},
		{`{"errors":"boom"}`, "", "", otherJSON},
		{`{"errors":null}`, "", "", otherJSON},
		{`{"errors":[null,7,"x"]}`, "", "", otherJSON},
		{`"just a string"`, "", "", otherJSON},
		{`{}`, "", "", otherJSON},
		{`{"errors":[{"code":"a\u0000b","message":"one\ntwo\u001b[31m"}]}`, "a b", "one two [31m", fromAPI},
		{problemBody("a", long), "a", strings.Repeat("é", 498) + "…", fromAPI},
		{"", "", "", notJSON},
		{htmlPage, "", "", notJSON},
		{`{"errors":[`, "", "", notJSON},
	} {
		code, message, of := parseProblem([]byte(tt.body))
		if code != tt.code || message != tt.message || of != tt.of {
			t.Errorf("%.80s: %q %q %d, want %q %q %d", tt.body, code, message, of, tt.code, tt.message, tt.of)
		}
	}
}

func TestHasCode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code, asked string
		want        bool
	}{
		{"not_found|order", "not_found", true},
		{"not_found", "not_found", true},
		{"required_param:comments", "required_param", true},
		{"not_found_at_all", "not_found", false},
		{"not_found|order", "not_found|order", true},
		{"not_found", "not_found|order", false},
		{"x", "", false},
		{"", "", false},
	} {
		if got := (&Error{Code: tt.code}).HasCode(tt.asked); got != tt.want {
			t.Errorf("%q has %q: %t", tt.code, tt.asked, got)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.May, 4, 3, 2, 1, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"5", "", 5 * time.Second},
		{" 5 ", "", 5 * time.Second},
		{"3600", "", time.Hour},
		{"3601", "", time.Hour},
		{"99999999999999999999999", "", time.Hour},
		{"-5", "", 0},
		{"1.5", "", 0},
		{"soon", "", 0},
		{at(time.Minute), "", time.Minute},
		{at(-time.Minute), "", 0},
		{at(48 * time.Hour), "", time.Hour},
		{at(time.Minute), at(30 * time.Second), 30 * time.Second}, // a clock that is ahead of ours
		{at(time.Minute), "nonsense", time.Minute},
		{"Monday, 04-May-26 03:03:01 GMT", "", time.Minute}, // RFC 850
		{"Mon May  4 03:03:01 2026", "", time.Minute},       // asctime
	} {
		h := http.Header{}
		h.Set("Retry-After", tt.value)
		h.Set("Date", tt.date)
		if got := parseRetryAfter(h, now); got != tt.want {
			t.Errorf("%q (date %q): %s, want %s", tt.value, tt.date, got, tt.want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"", "5", "-1", "1e9", "Mon, 04 May 2026 03:02:01 GMT", "999999999999999999999999"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		d := parseRetryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, time.Now())
		if d < 0 || d > maxRetryAfter {
			t.Errorf("%q, %q: %s", value, date, d)
		}
	})
}

func FuzzParseProblem(f *testing.F) {
	for _, s := range []string{problemBody("a|b", "m"), `{"errors":{"code":"a"}}`, `[{"code":"a"}]`, htmlPage, `{"errors":[{"message":"\ud800"}]}`, `{"e\u0072rors":[{}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		code, message, _ := parseProblem(body)
		for _, s := range []string{code, message} {
			if len(s) > maxMessageSize || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
				t.Errorf("%q from %q", s, body)
			}
		}
	})
}
