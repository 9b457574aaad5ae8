package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// DefaultBaseURL is DigiCert's API for accounts in the United States.
const DefaultBaseURL = "https://www.digicert.com/services/v2"

const (
	defaultCallTimeout  = 20 * time.Second
	defaultMaxIdleConns = 256
	dialTimeout         = 10 * time.Second
	// Below the keep-alive of the usual front ends, so that a PUT seldom meets a connection that is being closed.
	idleConnTimeout = 30 * time.Second
)

// Config says where and how to call DigiCert. Only Key is required.
type Config struct {
	// BaseURL with its path; "" = DefaultBaseURL. European accounts: https://certcentral.digicert.eu/services/v2.
	BaseURL string
	Key     KeySource
	// CAFile is a PEM file of roots trusted besides the system's; "" = none.
	CAFile string
	// CAOnly trusts the roots of CAFile alone.
	CAOnly bool
	// CallTimeout bounds one HTTP attempt from dialling to the last byte of the body; 0 = 20 s. A PUT lasts no
	// longer than this in all, its one repetition included.
	CallTimeout time.Duration
	// UserAgent, for example "certrecall/1.2.0"; "" = "certrecall".
	UserAgent string
	// DialContext replaces the dialler, for tests; nil = TCP with a time-out of 10 s.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Observe is called after every HTTP attempt, from the goroutine of the call; nil = not. It must be quick.
	Observe func(Call)
	// MaxIdleConns bounds the connections kept open between calls; 0 = 256. At least the greatest number of
	// concurrent calls, else connections are made anew all the time.
	MaxIdleConns int
}

// Call is one HTTP attempt that has ended.
type Call struct {
	Op     Operation
	Class  Class // "" = success
	Status int   // 0 = no answer
	Began  time.Time
	// Duration runs from Began to the last byte of the body; Setup is how much of it a new connection took, 0 if a kept
	// one was used.
	Duration, Setup time.Duration
	// Code is DigiCert's, of an answer that is not a success.
	Code       string
	RetryAfter time.Duration
	// OrderID and CertificateID as the caller gave them; 0 = not given.
	OrderID, CertificateID int64
	// Canceled: the caller's context ended the attempt, so that it says nothing about DigiCert.
	Canceled bool
}

// Client calls DigiCert. It is safe for concurrent use. Reads go through a Reader.
type Client struct {
	base      url.URL
	key       KeySource
	timeout   time.Duration
	userAgent []string
	observe   func(Call)
	// The transport is held by its methods alone: fmt must not find its way to a request in flight, which has the key.
	roundTrip func(*http.Request) (*http.Response, error)
	closeIdle func()
	pool      *pool
	large     chan struct{} // has an element while a large answer is in hand
}

// New checks the configuration, all problems at once, and reads the CA file. It connects to nothing.
func New(cfg Config) (*Client, error) {
	base, err := parseBaseURL(cfg.BaseURL)
	var problems []error
	if err != nil {
		problems = append(problems, err)
	}
	if cfg.Key == nil {
		problems = append(problems, errors.New("no DigiCert API key source"))
	}
	if cfg.CallTimeout < 0 {
		problems = append(problems, fmt.Errorf("a negative call time-out: %s", cfg.CallTimeout))
	}
	if cfg.MaxIdleConns < 0 {
		problems = append(problems, fmt.Errorf("a negative number of idle connections: %d", cfg.MaxIdleConns))
	}
	if strings.ContainsFunc(cfg.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		problems = append(problems, errors.New("the user agent is not printable ASCII"))
	}
	if cfg.CAOnly && cfg.CAFile == "" {
		problems = append(problems, errors.New("no CA file, and nothing else is to be trusted"))
	}
	roots, err := rootCAs(cfg.CAFile, cfg.CAOnly)
	if err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("configuring the DigiCert client: %w", err)
	}
	pool := new(pool)
	transport := newTransport(cfg, roots, pool)
	return &Client{
		pool:      pool,
		large:     make(chan struct{}, 1),
		base:      base,
		key:       cfg.Key,
		timeout:   orDefault(cfg.CallTimeout, defaultCallTimeout),
		userAgent: []string{orDefault(cfg.UserAgent, "certrecall")},
		observe:   cfg.Observe,
		roundTrip: transport.RoundTrip,
		closeIdle: transport.CloseIdleConnections,
	}, nil
}

// String names the server.
func (c *Client) String() string { return "DigiCert client for " + c.base.String() }

// CloseIdleConnections closes connections that no call uses. The client stays usable.
func (c *Client) CloseIdleConnections() { c.closeIdle() }

func newTransport(cfg Config, roots *x509.CertPool, pool *pool) *http.Transport {
	dial := cfg.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	idle := orDefault(cfg.MaxIdleConns, defaultMaxIdleConns)
	// HTTP/1.1 only: there a request that gained no connection was provably not written.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            pool.counted(dial),
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           idle,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: 256 << 10,
		Protocols:              protocols,
	}
}

func parseBaseURL(s string) (url.URL, error) {
	u, err := url.Parse(orDefault(s, DefaultBaseURL))
	switch {
	case err != nil:
		return url.URL{}, errors.New("the DigiCert URL cannot be parsed") // it may hold a password: not quoted
	case u.User != nil:
		return url.URL{}, errors.New("the DigiCert URL holds a user name or password")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return url.URL{}, fmt.Errorf("the DigiCert URL %q is not http(s)://host/path", u)
	case u.RawQuery != "", u.Fragment != "":
		return url.URL{}, fmt.Errorf("the DigiCert URL %q has a query or a fragment", u)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return *u, nil
}

// rootCAs returns the system's roots with those of file added, or those of file only; nil = the system's alone.
func rootCAs(file string, only bool) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the CA file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil || only {
		roots = x509.NewCertPool() // a system without a store still has the file's
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the CA file %s holds no certificate", file)
	}
	return roots, nil
}

func orDefault[T comparable](v, def T) T {
	if v == *new(T) {
		return def
	}
	return v
}
