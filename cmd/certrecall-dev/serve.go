package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	closeTimeout  = 500 * time.Millisecond
)

// serve answers HTTP on the listener until ctx ends; it closes the listener.
// An answer may take as long as it likes: a simulated fault can be a long wait.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
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

// listen listens on a port, or on a free one if it is taken. Port 0 is any.
func listen(ctx context.Context, host string, port uint16) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if errors.Is(err, syscall.EADDRINUSE) {
		return config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	}
	return l, err
}
