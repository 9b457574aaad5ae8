package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// pool counts the connections of a transport, whoever makes them.
type pool struct{ open atomic.Int64 } // being made, in use or kept

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// warmKey marks the context of a request that only wants a connection to be made; its value is called when that begins.
type warmKey struct{}

// counted is dial with every connection counted.
func (p *pool) counted(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		p.open.Add(1)
		if begun, ok := ctx.Value(warmKey{}).(func()); ok {
			begun()
		}
		conn, err := dial(ctx, network, addr)
		gone := sync.OnceFunc(func() { p.open.Add(-1) })
		if err != nil {
			gone()
			return nil, err
		}
		return &closer{conn, gone}, nil
	}
}

// Warm makes one more connection, if fewer than want are there or being made, and leaves it to whoever calls next. It
// returns at once; no request is made. Connections are kept for 30 s.
//
// It begins a request, whose dialling the transport finishes and keeps for others when the request is given up meanwhile.
// Should the transport find a connection that has just become free instead, nothing is written on it: the body of the
// request fails before the first byte is flushed.
func (c *Client) Warm(ctx context.Context, want int) {
	if c.pool.open.Load() >= int64(want) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	ctx = context.WithValue(ctx, warmKey{}, func() { cancel() })
	u := c.base
	r := &http.Request{Method: http.MethodPut, URL: &u, Header: http.Header{}, Body: noBody{}, ContentLength: 1}
	resp, err := c.roundTrip(r.WithContext(ctx))
	cancel()
	if err == nil {
		_ = resp.Body.Close()
	}
}

// Connections returns how many connections are there or being made.
func (c *Client) Connections() int { return int(c.pool.open.Load()) }

var errNoRequest = errors.New("only a connection was wanted")

// noBody ends a request before a byte of it was flushed.
type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, errNoRequest }
func (noBody) Close() error             { return nil }
