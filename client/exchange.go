package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	answerLimit     = 1 << 20   // bytes of a usual answer
	orderLimit      = 8 << 20   // bytes of an order
	listLimit       = 64 << 20  // bytes of a list of certificates
	problemLimit    = 64 << 10  // bytes of an error body that are looked at
	drainLimit      = 256 << 10 // bytes thrown away to keep a connection
	firstAllocation = 1 << 20   // bytes reserved on the word of a Content-Length alone
)

// exchange is one HTTP request to make and how to read its answer.
type exchange struct {
	op                                Operation
	orderID, certificateID, requestID int64
	method                            string
	path                              string // after the base path, escaped; "" = the caller's id cannot be one
	query                             string
	body                              []byte // of a PUT
	limit                             int64  // of a 2xx answer's body, in bytes
	// decode reads a 2xx answer: valid JSON, or empty.
	decode func(status int, body []byte) error
	// guard is asked when the connection is there, before the first byte; nil = not.
	guard Guard
	// untimed does something while the call time-out stands still; nil = it does not.
	untimed func(do func() error) error
}

func (x *exchange) mutating() bool { return x.method == http.MethodPut }

var (
	errTooLarge = errors.New("the answer is larger than this client takes")
	errNotJSON  = errors.New("the answer is not JSON")
	errNoID     = errors.New("an id must be greater than 0")
)

// attempt makes one HTTP exchange, reads its answer whole, and reports it to Observe. The context ends it.
func (c *Client) attempt(ctx context.Context, x *exchange) *Error {
	key, err := c.key.Key(ctx)
	if err == nil {
		key, err = parseSecret(string(key))
	}
	if err != nil {
		failure := x.fail(ClassNeverSent, fmt.Errorf("getting the key: %w", err))
		failure.Canceled = canceled(ctx)
		return failure
	}
	began := time.Now()
	status, setup, failure := c.send(ctx, x, key)
	call := Call{
		Op: x.op, Status: status, Began: began, Duration: time.Since(began), Setup: setup, OrderID: x.orderID, CertificateID: x.certificateID,
	}
	if failure != nil {
		failure.hide(key)
		call.Class, call.Code, call.RetryAfter, call.Canceled = failure.Class, failure.Code, failure.RetryAfter, failure.Canceled
	}
	if c.observe != nil {
		c.observe(call)
	}
	return failure
}

// send is an attempt with its key. setup is how long a new connection took to make.
func (c *Client) send(ctx context.Context, x *exchange, key Secret) (status int, setup time.Duration, _ *Error) {
	ctx, line := withLine(ctx, x)
	defer line.end()
	resp, err := c.roundTrip(c.newRequest(ctx, x, key))
	setup = line.setup
	if err != nil {
		return 0, setup, line.failed(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, setup, x.refusal(resp)
	}
	turn, own := c.turnOf(ctx)
	if own {
		defer turn.release()
	}
	body, err := readBody(resp, x.limit, func() error {
		if x.untimed == nil {
			return turn.acquire(ctx)
		}
		return x.untimed(func() error { return turn.acquire(ctx) })
	})
	if err == nil {
		err = x.take(resp.StatusCode, body)
	}
	if err == nil {
		return resp.StatusCode, setup, nil
	}
	failure := x.fail(unclear(x.mutating()), err)
	if errors.Is(err, errTooLarge) && !x.mutating() {
		failure.Class = ClassRefused // it will not be smaller next time
	}
	failure.Status = resp.StatusCode
	failure.Canceled = canceled(ctx)
	failure.NotJSON = errors.Is(err, errNotJSON)
	failure.Foreign = failure.NotJSON
	return resp.StatusCode, setup, failure
}

// take hands the body of a 2xx answer to decode.
func (x *exchange) take(status int, body []byte) error {
	body = bytes.TrimSpace(trimBOM(body))
	if len(body) > 0 && !json.Valid(body) {
		return errNotJSON
	}
	return x.decode(status, body)
}

// refusal reads an answer that is not 2xx.
func (x *exchange) refusal(resp *http.Response) *Error {
	f := x.fail("", nil)
	f.Status = resp.StatusCode
	f.RetryAfter = parseRetryAfter(resp.Header, time.Now())
	if resp.StatusCode != http.StatusSwitchingProtocols { // the body of that one is the connection
		body, _ := io.ReadAll(io.LimitReader(resp.Body, problemLimit))
		_, _ = io.CopyN(io.Discard, resp.Body, drainLimit) // for the reuse of the connection alone
		var of origin
		f.Code, f.Message, of = parseProblem(body)
		f.NotJSON, f.Foreign = of == notJSON, of != fromAPI
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		f.Err, f.Foreign = redirected(resp.Header), true
	}
	f.Class = classify(x.mutating(), resp.StatusCode, f.Code, f.Foreign)
	return f
}

func (x *exchange) fail(class Class, err error) *Error {
	return &Error{Op: x.op, Class: class, OrderID: x.orderID, CertificateID: x.certificateID, RequestID: x.requestID, Err: err}
}

// The values of headers that are the same in every request. The transport does not change them.
var jsonType = []string{"application/json"}

// newRequest is written out instead of using http.NewRequest: the URL needs no parsing.
func (c *Client) newRequest(ctx context.Context, x *exchange, key Secret) *http.Request {
	u := c.base
	if u.RawPath != "" {
		u.RawPath += x.path
	}
	u.Path += x.path
	u.RawQuery = x.query
	r := &http.Request{
		Method: x.method,
		URL:    &u,
		Header: http.Header{
			"Accept":       jsonType,
			"Content-Type": jsonType,
			"User-Agent":   c.userAgent,
			"X-Dc-Devkey":  {string(key)},
		},
	}
	if x.mutating() {
		r.ContentLength = int64(len(x.body))
		r.Body = io.NopCloser(bytes.NewReader(x.body))
		// With GetBody the transport moves to another connection if, and only if, not a byte was written on the first.
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.body)), nil }
	} else {
		// A body that the transport cannot rewind keeps it from repeating the read by itself: every repetition
		// is the caller's to admit. An empty body of identity encoding leaves no trace in the request.
		r.Body = emptyBody{}
		r.TransferEncoding = []string{"identity"}
	}
	return r.WithContext(ctx)
}

type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// WriteTo spares the transport the 32 KiB buffer of a copy.
func (emptyBody) WriteTo(io.Writer) (int64, error) { return 0, nil }

// readBody reads at most limit bytes; more is errTooLarge. It asks large once before it takes more than largeFrom bytes.
func readBody(resp *http.Response, limit int64, large func() error) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, errTooLarge
	}
	asked := false
	size := min(resp.ContentLength, firstAllocation)
	if size < 0 {
		size = 4 << 10
	}
	buf := make([]byte, 0, size+1) // one more, so that the end is seen without growing
	for {
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, errTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		if len(buf) < cap(buf) {
			continue
		}
		if !asked && len(buf) >= largeFrom {
			if err := large(); err != nil {
				return nil, fmt.Errorf("waiting to read a large answer: %w", err)
			}
			if asked = true; resp.ContentLength > int64(len(buf)) { // the rest comes, and fits
				buf = append(make([]byte, 0, resp.ContentLength+1), buf...)
				continue
			}
		}
		buf = append(buf, 0)[:len(buf)]
	}
}

func query(pairs ...string) string {
	v := make(url.Values, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v.Encode()
}
