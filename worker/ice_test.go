package worker

import (
	"errors"
	"net"
	"sync"

	"certrecall/worker/natstest"
)

// ice freezes a worker: it passes no step, and is cut off from NATS, so that
// nothing of it goes on meanwhile; what it does when it thaws is up to it.
type ice struct {
	env *natstest.Env

	mu    sync.Mutex
	hard  chan struct{} // not nil while frozen
	conns []net.Conn
}

func (i *ice) freeze() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hard = make(chan struct{})
	for _, c := range i.conns {
		_ = c.Close()
	}
	i.conns = nil
}

func (i *ice) thaw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.hard != nil {
		close(i.hard)
		i.hard = nil
	}
}

func (i *ice) pass() {
	i.mu.Lock()
	hard := i.hard
	i.mu.Unlock()
	if hard != nil {
		<-hard
	}
}

// InProcessConn is the worker's way to NATS; there is none while it is frozen.
func (i *ice) InProcessConn() (net.Conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.hard != nil {
		return nil, errors.New("frozen")
	}
	conn, err := i.env.InProcessConn()
	if err == nil {
		i.conns = append(i.conns, conn)
	}
	return conn, err
}
