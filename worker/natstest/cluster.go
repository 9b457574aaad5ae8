package natstest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// clusterTimeout bounds elections on a loaded machine.
const clusterTimeout = 60 * time.Second

// Servers is a JetStream cluster in one process.
type Servers struct {
	t testing.TB
	// Nodes may be stopped, killed and restarted one by one.
	Nodes []*Server
}

// Cluster runs a cluster of n servers on free ports of 127.0.0.1 until the end
// of the test. It returns once the cluster can create streams, after a few seconds.
func Cluster(t testing.TB, n int) *Servers {
	t.Helper()
	routes := make([]*url.URL, n)
	ports := make([]int, n)
	for i := range n {
		ports[i] = freePort(t)
		routes[i] = &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])}
	}
	c := &Servers{t: t}
	for i := range n {
		s := newServer(t, fmt.Sprintf("n%d", i+1), freePort(t), func(o *server.Options) {
			o.Cluster = server.ClusterOpts{Name: "natstest", Host: "127.0.0.1", Port: ports[i]}
			o.Routes = routes
		})
		s.launch()
		c.Nodes = append(c.Nodes, s)
	}
	for _, s := range c.Nodes {
		if !s.running().ReadyForConnections(startTimeout) {
			t.Fatalf("server %s did not start within %v", s.opts.ServerName, startTimeout)
		}
	}
	c.WaitReady()
	return c
}

// URL lists every node.
func (c *Servers) URL() string {
	urls := make([]string, len(c.Nodes))
	for i, s := range c.Nodes {
		urls[i] = s.URL()
	}
	return strings.Join(urls, ",")
}

// Conn gives a connection to any node. It moves to another node when its own
// goes away, and is closed at the end of the test.
func (c *Servers) Conn(opts ...nats.Option) *nats.Conn {
	c.t.Helper()
	return connect(c.t, c.URL(), opts...)
}

// JetStream gives the JetStream interface of a connection of its own.
func (c *Servers) JetStream() jetstream.JetStream {
	c.t.Helper()
	return newJetStream(c.t, c.Conn())
}

// WaitReady waits until the running nodes have a leader for the cluster's own
// state, every one of them has caught up with it, and the leader would place
// replicas on each: until it has heard of a node's resources it refuses with
// "peer offline".
func (c *Servers) WaitReady() {
	c.t.Helper()
	c.wait("a leader of the cluster", func() bool {
		running, peers, current := 0, 0, true
		for _, s := range c.Nodes {
			if srv := s.running(); srv != nil {
				running++
				peers = max(peers, len(srv.JetStreamClusterPeers())) // none but the leader lists any
				current = current && srv.JetStreamIsCurrent()
			}
		}
		return peers >= running && current
	})
}

// Leader waits for the leader of a stream and returns it.
func (c *Servers) Leader(stream string) *Server {
	c.t.Helper()
	var leader *Server
	c.wait("a leader of stream "+stream, func() bool {
		for _, s := range c.Nodes {
			if srv := s.running(); srv != nil && srv.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				leader = s
				return true
			}
		}
		return false
	})
	return leader
}

// KillLeader kills the node that leads a stream and returns it. The others
// elect a new leader by themselves within about ten seconds; Restart brings the
// node back.
func (c *Servers) KillLeader(stream string) *Server {
	c.t.Helper()
	leader := c.Leader(stream)
	leader.Kill()
	return leader
}

func (c *Servers) wait(what string, ok func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), clusterTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("waiting for %s: none after %v", what, clusterTimeout)
		}
	}
}
