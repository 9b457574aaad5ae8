package natstest

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Env is what a bubble holds: a JetStream server in fake time, and the ways to
// reach it. It is also the nats.InProcessConnProvider of that server, through
// restarts.
type Env struct {
	t     *testing.T
	opts  server.Options
	alone bool // nothing else runs in the process

	mu  sync.Mutex
	srv *server.Server // nil while the server is stopped
}

// errStopped is what a connection attempt gets while the server is stopped.
var errStopped = errors.New("natstest: the server is stopped")

// Bubble runs f in a synctest bubble together with a JetStream server whose
// file store lies in a temporary directory. The t that f gets belongs to the
// bubble: its Context and its Cleanup do too. Bubble returns when f, its
// cleanups and the server have ended; a goroutine of f that outlives them
// fails the test.
//
// Bubbles of several tests may run side by side (t.Parallel outside of them).
// Each option may change the server's options.
//
// What the NATS client times with pooled timers has no place here, see
// LoneBubble.
func Bubble(t *testing.T, f func(t *testing.T, e *Env), options ...func(*server.Options)) {
	t.Helper()
	run(t, &Env{}, f, options)
}

// LoneBubble is Bubble for a test in which a connection reconnects, or calls
// Flush, Drain, RTT, Request with a time-out, or NextMsg. There the client takes
// a timer from a pool of the process and puts it back; a timer of one bubble
// that comes up outside of it, or in another, ends the whole test process
// ("reset of synctest timer from outside bubble"). So a lone bubble runs beside
// no other test (it fails in a parallel one), and the pool is emptied before and
// after it. Only here StopServer and StartServer may be used.
func LoneBubble(t *testing.T, f func(t *testing.T, e *Env), options ...func(*server.Options)) {
	t.Helper()
	t.Setenv("NATSTEST_LONE_BUBBLE", t.Name()) // refuses parallel tests
	emptyPools()
	defer emptyPools()
	run(t, &Env{alone: true}, f, options)
}

// emptyPools empties every sync.Pool: the first collection sets what is in
// them aside, the second drops it.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// oneThread keeps Go code on one thread for the rest of the process, under the
// race detector. Go 1.26 keeps one context of the detector for all timers of a
// bubble and uses it from every thread that meets an expired one
// (runtime.(*timer).unlockAndRun); two at once crash the process.
func oneThread() {
	if raceDetector {
		runtime.GOMAXPROCS(1)
	}
}

func run(t *testing.T, e *Env, f func(t *testing.T, e *Env), options []func(*server.Options)) {
	t.Helper()
	oneThread()
	e.opts = server.Options{
		ServerName: "bubble", DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}
	for _, o := range options {
		o(&e.opts)
	}
	// The server keeps one ticker goroutine a process for cache access times.
	// Born in the bubble it would wait on a channel of its package, which does
	// not count as waiting in a bubble, and fake time would stand still. So it
	// is kept alive from outside.
	ats.Register()
	t.Cleanup(ats.Unregister)
	synctest.Test(t, func(t *testing.T) {
		e.t = t
		e.start()
		t.Cleanup(e.stop)
		f(t, e)
	})
}

// StartServer starts the server again after StopServer, with the same store.
// Connections come back by themselves. Only in a LoneBubble.
func (e *Env) StartServer() {
	e.t.Helper()
	e.mustBeAlone()
	e.start()
}

// StopServer stops the server and waits until it has ended. Connections stay
// open and try to reconnect. Only in a LoneBubble.
func (e *Env) StopServer() {
	e.t.Helper()
	e.mustBeAlone()
	e.stop()
}

func (e *Env) mustBeAlone() {
	e.t.Helper()
	if !e.alone {
		e.t.Fatal("stopping or starting the server makes connections reconnect: use natstest.LoneBubble")
	}
}

func (e *Env) start() {
	e.t.Helper()
	opts := e.opts // the server changes its options
	srv, err := server.NewServer(&opts)
	if err != nil {
		e.t.Fatalf("making the server: %v", err)
	}
	go srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		e.t.Fatal("the server in the bubble did not start")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.srv = srv
}

func (e *Env) stop() {
	e.mu.Lock()
	srv := e.srv
	e.srv = nil
	e.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// InProcessConn gives one end of a pipe to the server. It makes Env a
// nats.InProcessConnProvider: nats.Connect("", nats.InProcessServer(e)).
func (e *Env) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	srv := e.srv
	e.mu.Unlock()
	if srv == nil {
		return nil, errStopped
	}
	return srv.InProcessConn()
}

// Conn gives a connection of its own, which reconnects for ever and is closed
// at the end of the bubble.
func (e *Env) Conn(opts ...nats.Option) *nats.Conn {
	e.t.Helper()
	opts = append([]nats.Option{nats.InProcessServer(e), nats.ErrorHandler(ignore), nats.MaxReconnects(-1)}, opts...)
	nc, err := nats.Connect("", opts...)
	if err != nil {
		e.t.Fatalf("connecting in the bubble: %v", err)
	}
	e.t.Cleanup(nc.Close)
	return nc
}

// JetStream gives the JetStream interface of a connection of its own.
func (e *Env) JetStream() jetstream.JetStream {
	e.t.Helper()
	return newJetStream(e.t, e.Conn())
}

func newJetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("making the JetStream interface: %v", err)
	}
	return js
}
