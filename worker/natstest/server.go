package natstest

import (
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startTimeout bounds the start of one server on a loaded machine.
const startTimeout = 20 * time.Second

// lameDuckDuration is the shortest that the server takes: after about a second
// a server in lame duck mode has sent its clients away.
const lameDuckDuration = time.Second

// Server is a server on a port of its own, with a file store that
// syncs every write. Its methods may be called from one goroutine at a time.
type Server struct {
	t    testing.TB
	opts server.Options // with the port fixed, for the next start

	mu  sync.Mutex
	srv *server.Server // nil while stopped
}

// Start runs a server on a free port of 127.0.0.1 until the end of the test.
// Each option may change the server's options before its first start.
func Start(t testing.TB, options ...func(*server.Options)) *Server {
	t.Helper()
	s := newServer(t, "natstest", freePort(t), options...)
	s.start()
	return s
}

func newServer(t testing.TB, name string, port int, options ...func(*server.Options)) *Server {
	t.Helper()
	s := &Server{t: t, opts: server.Options{
		ServerName: name, Host: "127.0.0.1", Port: port,
		JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
		NoSigs: true, NoLog: true,
		LameDuckDuration: lameDuckDuration, LameDuckGracePeriod: 10 * time.Millisecond,
	}}
	for _, o := range options {
		o(&s.opts)
	}
	t.Cleanup(s.Stop)
	return s
}

// URL is where clients connect, also after a restart.
func (s *Server) URL() string {
	return "nats://" + net.JoinHostPort(s.opts.Host, strconv.Itoa(s.opts.Port))
}

// Conn gives a connection that reconnects for ever, quickly, and is closed at
// the end of the test.
func (s *Server) Conn(opts ...nats.Option) *nats.Conn {
	s.t.Helper()
	return connect(s.t, s.URL(), opts...)
}

// JetStream gives the JetStream interface of a connection of its own.
func (s *Server) JetStream() jetstream.JetStream {
	s.t.Helper()
	return newJetStream(s.t, s.Conn())
}

// Stop stops the server in order and waits for its end. The port and the store
// stay its own.
func (s *Server) Stop() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// Kill stops the server and takes away the stream snapshots that only an
// orderly stop writes, so that the next start reads the streams block by block
// as after the death of the process.
func (s *Server) Kill() {
	s.t.Helper()
	s.Stop()
	err := filepath.WalkDir(s.opts.StoreDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() == "index.db" {
			return os.Remove(path)
		}
		return err
	})
	if err != nil {
		s.t.Fatalf("removing the snapshots of the store: %v", err)
	}
}

// Restart starts the server again on its port with its store, after stopping
// it where it still runs.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}

// LameDuck makes the server send its clients away and end, and waits for that
// (about a second). Restart brings it back.
func (s *Server) LameDuck() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv != nil {
		srv.LameDuckShutdown()
		srv.WaitForShutdown()
	}
}

// launch starts the server without waiting until it is ready.
func (s *Server) launch() *server.Server {
	s.t.Helper()
	opts := s.opts // the server changes its options
	srv, err := server.NewServer(&opts)
	if err != nil {
		s.t.Fatalf("making the server: %v", err)
	}
	s.mu.Lock()
	s.srv = srv
	s.mu.Unlock()
	go srv.Start()
	return srv
}

func (s *Server) start() {
	s.t.Helper()
	if !s.launch().ReadyForConnections(startTimeout) {
		s.t.Fatalf("server %s did not start within %v", s.opts.ServerName, startTimeout)
	}
}

// running gives the server, or nil while it is stopped.
func (s *Server) running() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.srv
}

func connect(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	opts = append([]nats.Option{
		nats.ErrorHandler(ignore), nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.ReconnectJitter(0, 0),
	}, opts...)
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatalf("connecting to %s: %v", url, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// ignore keeps the client from printing what a test provokes.
func ignore(*nats.Conn, *nats.Subscription, error) {}

// Ports are taken from below the range that Linux hands out for outgoing
// connections and for port 0, so that nobody gets the port of a stopped server.
const lowestPort, portRange = 20_000, 12_000

// freePort finds a port that was free a moment ago. It must be known before
// the first start, so that the routes of a cluster can name it and a restart
// can use it again.
func freePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := lowestPort + rand.N(portRange)
		var l *net.TCPListener
		if l, err = net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("looking for a free port: %v", err)
	return 0
}
