package deliveries

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"certrecall/worker/gateway/credentials"
)

const (
	// postTimeout is how long an endpoint has to answer.
	postTimeout = 20 * time.Second
	dialTimeout = 5 * time.Second
	idleTimeout = 90 * time.Second
	// maxAnswer is how much of an answer is read, so that the connection can be used again.
	maxAnswer       = 64 << 10
	maxAnswerHeader = 64 << 10
	// maxRetryAfter bounds the wait that an endpoint may ask for.
	maxRetryAfter = 24 * time.Hour
)

var errPrivate = errors.New("is an address inside, which this delivery may not go to: set allow_private: true if that is meant")

// Dial makes a connection.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// poster posts events to one endpoint.
type poster struct {
	url       string
	userAgent string
	signer    *credentials.Signer
	client    *http.Client
}

func newPoster(e Endpoint, userAgent string, dial Dial) (*poster, error) {
	signer, err := credentials.OpenSigner(e.SecretFile)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CAFile != "" {
		if config.RootCAs, err = trust(e.CAFile); err != nil {
			return nil, err
		}
	}
	if dial == nil {
		dial = dialer(e.AllowPrivate)
	}
	return &poster{url: e.URL, userAgent: userAgent, signer: signer, client: &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: config, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
			MaxConnsPerHost: e.Concurrency, MaxIdleConnsPerHost: e.Concurrency, IdleConnTimeout: idleTimeout,
			MaxResponseHeaderBytes: maxAnswerHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// trust reads certificates to trust besides the system's.
func trust(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// dialer looks at the address that a name has become, not at the name: it may
// become another one at any time.
func dialer(allowPrivate bool) Dial {
	d := &net.Dialer{Timeout: dialTimeout}
	if !allowPrivate {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if Private(a.Addr()) {
				return fmt.Errorf("%s %w", a.Addr(), errPrivate)
			}
			return nil
		}
	}
	return d.DialContext
}

// result is what became of one request.
type result string

const (
	delivered result = "delivered"
	gone      result = "gone"    // 410: never again
	refused   result = "refused" // an answer that says no, or sends elsewhere
	failed    result = "failed"  // no answer, or one that may be better next time
)

// answer is the outcome of one request.
type answer struct {
	result     result
	status     int // 0 = no answer
	detail     string
	retryAfter time.Duration // 0 = none
}

// event is what is posted.
type event struct {
	header map[string][]string
	body   []byte
}

// post makes one request, within postTimeout.
func (p *poster) post(ctx context.Context, e event) answer {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	now := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(e.body))
	if err != nil {
		return answer{result: failed, detail: "the URL cannot be used"}
	}
	id := carry(e.header, r.Header)
	signature, err := p.signer.Sign(id, now, e.body)
	if err != nil {
		return answer{result: failed, detail: "signing: " + err.Error()}
	}
	r.Header.Set(webhooks.HeaderWebhookID, id)
	r.Header.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(webhooks.HeaderWebhookSignature, signature)
	r.Header.Set("User-Agent", p.userAgent)
	response, err := p.client.Do(r)
	if err != nil {
		return answer{result: failed, detail: withoutURL(err)}
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // what it says changes nothing
	return judge(response, now)
}

// carry copies the CloudEvent's attributes as the HTTP binding has them, and
// the trace context; it returns the event's id.
func carry(from map[string][]string, to http.Header) (id string) {
	to.Set("Content-Type", "application/json")
	for name, values := range from {
		switch lower := strings.ToLower(name); {
		case len(values) == 0:
		case lower == "ce-datacontenttype":
			to.Set("Content-Type", values[0])
		case strings.HasPrefix(lower, "ce-"), lower == "traceparent", lower == "tracestate":
			to.Set(name, values[0])
			if lower == "ce-id" {
				id = values[0]
			}
		}
	}
	return id
}

// withoutURL takes the address out of an error: it may hold a secret of the endpoint.
func withoutURL(err error) string {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		if inner.Timeout() {
			return "no answer within " + postTimeout.String()
		}
		return inner.Err.Error()
	}
	return err.Error()
}

func judge(r *http.Response, now time.Time) answer {
	a := answer{status: r.StatusCode, detail: "HTTP " + strconv.Itoa(r.StatusCode), retryAfter: retryAfter(r.Header.Get("Retry-After"), now)}
	switch {
	case r.StatusCode >= 200 && r.StatusCode < 300:
		a.result = delivered
	case r.StatusCode == http.StatusGone:
		a.result = gone
	case r.StatusCode == http.StatusRequestTimeout, r.StatusCode == http.StatusTooEarly, r.StatusCode == http.StatusTooManyRequests:
		a.result = failed
	case r.StatusCode >= 300 && r.StatusCode < 400:
		a.result, a.detail = refused, a.detail+": redirects are not followed, since a signature is for one address"
	case r.StatusCode >= 400 && r.StatusCode < 500:
		a.result = refused
	default:
		a.result = failed
	}
	return a
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 is none.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
