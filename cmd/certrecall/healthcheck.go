package main

import (
	"context"
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

// healthcheck asks the program that runs on this machine for /readyz and prints
// what it says: the health check of a container without a shell. flag names the
// setting that holds the address, what the program.
func healthcheck(ctx context.Context, p *process, flag, addr, what string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return usageError{fmt.Sprintf("%s: %v; set host:port, as :8080", flag, err)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // it listens on every address
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return usageError{fmt.Sprintf("%s: %v; set host:port, as :8080", flag, err)}
	}
	direct := &http.Transport{DisableKeepAlives: true} // never by a proxy
	answer, err := direct.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("asking the %s at --http-addr %s: %w", what, addr, err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(p.stdout, io.LimitReader(answer.Body, maxReadiness)); err != nil {
		return fmt.Errorf("reading the answer of the %s: %w", what, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the %s is not ready: see above", what)
	}
	return nil
}
