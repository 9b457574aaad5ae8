package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Bounds of the HTTP server: its answers are small, and nobody slow may hold it.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = time.Minute
	closeTimeout  = time.Second
	maxHeader     = 16 << 10 // bytes
)

// serve answers HTTP on the listener until ctx ends; it closes the listener.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	return serveUntil(ctx, listener, handler, closeTimeout)
}

// serveUntil is serve for requests that have the grace to end, once ctx has.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler, grace time.Duration) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(listener)
	if stop() { // it ended by itself
		return err
	}
	<-closed
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
