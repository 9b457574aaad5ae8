package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsServerMain is what the test binary does under the name nats-server: it
// runs the server of the module with a configuration file.
func natsServerMain() {
	opts, err := server.ProcessConfigFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
}

// natsProcess is a nats-server process with a store of its own, which syncs
// every write.
type natsProcess struct {
	t      *testing.T
	name   string
	port   int
	config string // file
	log    string // file
	cmd    *exec.Cmd
	ended  chan struct{}
}

// startNATS starts n nats-server processes, a cluster if there are several,
// and waits until JetStream answers.
func startNATS(t *testing.T, dir string, n int) []*natsProcess {
	t.Helper()
	var nodes []*natsProcess
	var routes []string
	for i := range n {
		node := &natsProcess{t: t, name: fmt.Sprintf("n%d", i+1), port: reservedPort(t)}
		node.config, node.log = filepath.Join(dir, node.name+".conf"), filepath.Join(dir, node.name+".log")
		nodes = append(nodes, node)
		routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", reservedPort(t)))
	}
	for i, node := range nodes {
		config := fmt.Sprintf("server_name: %s\nlisten: \"127.0.0.1:%d\"\njetstream {\n  store_dir: %q\n  sync_interval: always\n}\n",
			node.name, node.port, filepath.Join(dir, node.name))
		if n > 1 {
			config += fmt.Sprintf("cluster {\n  name: proof\n  listen: %q\n  routes: [%s]\n}\n",
				strings.TrimPrefix(routes[i], "nats-route://"), strings.Join(routes, ", "))
		}
		if err := os.WriteFile(node.config, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		node.start()
		t.Cleanup(func() { node.kill() })
	}
	conn := connectNATS(t, nodes)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ready := eventually(func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err = js.AccountInfo(ctx)
		return err == nil
	})
	if !ready {
		t.Fatalf("JetStream does not answer: %v", err)
	}
	return nodes
}

func (n *natsProcess) url() string { return "nats://127.0.0.1:" + strconv.Itoa(n.port) }

func natsURLs(nodes []*natsProcess) string {
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.url())
	}
	return strings.Join(urls, ",")
}

func connectNATS(t *testing.T, nodes []*natsProcess) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(natsURLs(nodes), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.RetryOnFailedConnect(true), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// start starts the process, again too: port and store stay its own.
func (n *natsProcess) start() {
	n.t.Helper()
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	n.cmd = exec.CommandContext(n.t.Context(), "nats-server", n.config)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	ended := make(chan struct{})
	n.ended = ended
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(ended) }(n.cmd)
}

// kill ends the process as a crash does, and waits until it is gone.
func (n *natsProcess) kill() {
	_ = n.cmd.Process.Kill()
	<-n.ended
}

// stop ends the process in order.
func (n *natsProcess) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(10 * time.Second):
		n.kill()
	}
}

// reservedPort finds a free port below the range that Linux hands out, so that
// nobody takes it while its server is down.
func reservedPort(t *testing.T) int {
	t.Helper()
	var config net.ListenConfig
	var err error
	for range 100 {
		port := 20_000 + rand.N(12_000)
		var l net.Listener
		if l, err = config.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("looking for a free port: %v", err)
	return 0
}
