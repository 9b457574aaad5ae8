package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	healthTimeout = 3 * time.Second
	maxReadiness  = 64 << 10 // bytes
)

var errNotReady = errors.New("the worker is not ready: see above")

// healthcheck asks the worker that runs on this machine for /readyz and prints
// what it says: the health check of a container without a shell.
func (c *workerCmd) healthcheck(ctx context.Context, p *process) error {
	host, port, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil {
		return usageError{fmt.Sprintf("--http-addr (CERTRECALL_HTTP_ADDR): %v; set host:port, as :8080", err)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // it listens on every address
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return usageError{fmt.Sprintf("--http-addr (CERTRECALL_HTTP_ADDR): %v; set host:port, as :8080", err)}
	}
	direct := &http.Transport{DisableKeepAlives: true} // never by a proxy
	answer, err := direct.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("asking the worker at --http-addr %s: %w", c.HTTPAddr, err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(p.stdout, io.LimitReader(answer.Body, maxReadiness)); err != nil {
		return fmt.Errorf("reading the answer of the worker: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return errNotReady
	}
	return nil
}
