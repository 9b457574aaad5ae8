package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"certrecall/messages"
)

// problem is an answer after RFC 9457.
type problem struct {
	status     int
	kind       string // the last part of its type
	detail     string
	errors     []messages.Problem // by field
	retryAfter time.Duration      // 0 = none
}

// fieldError is one thing that is wrong with a command.
type fieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// problemDocument is a problem on the wire.
type problemDocument struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Errors []fieldError `json:"errors,omitempty"`
}

// problemTypes is what the types of problems begin with: names, not addresses.
const problemTypes = "urn:certrecall:problem:"

const contentProblem = "application/problem+json"

func (p problem) write(w http.ResponseWriter, r *http.Request) {
	note(r).problem = p.kind
	d := problemDocument{Type: problemTypes + p.kind, Title: http.StatusText(p.status), Status: p.status, Detail: p.detail}
	for _, e := range p.errors {
		d.Errors = append(d.Errors, fieldError(e))
	}
	if p.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="certrecall", Basic realm="certrecall"`)
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, p.status, contentProblem, d)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // to a client that may be gone
}

// methodNotAllowed answers for a path that takes another method.
func methodNotAllowed(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		problem{http.StatusMethodNotAllowed, "method-not-allowed", "use " + allow, nil, 0}.write(w, r)
	}
}
