package nats_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

func TestTLS(t *testing.T) {
	cert, key := selfSigned(t)
	t.Setenv("NATS_TLS_CERT", cert)
	t.Setenv("NATS_TLS_KEY", key)
	t.Setenv("NATS_TLS_CA", cert)
	o := options(t, "nats-tls.conf")
	if o.TLSConfig.MinVersion != tls.VersionTLS12 {
		t.Errorf("oldest TLS version is %s, want 1.2", tls.VersionName(o.TLSConfig.MinVersion))
	}
	s := start(t, o)

	login := nats.UserInfo("worker", password("worker"))
	if nc, err := nats.Connect(s.ClientURL(), login); err == nil {
		nc.Close()
		t.Error("connected to a server whose certificate nobody vouches for")
	}
	nc, err := nats.Connect(s.ClientURL(), login, nats.RootCAs(cert))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if !nc.TLSRequired() {
		t.Error("the connection is not encrypted")
	}
}

// selfSigned makes a certificate for 127.0.0.1 and gives its files.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("tls.crt", "CERTIFICATE", der), write("tls.key", "EC PRIVATE KEY", keyDER)
}

// The rights and the ways between the accounts hold in a cluster too, whichever server a client is connected to.
func TestCluster(t *testing.T) {
	t.Setenv("NATS_ROUTE_PASSWORD", "pw-route")
	ports := [3]int{freePort(t), freePort(t), freePort(t)}
	t.Setenv("NATS_ROUTES", fmt.Sprintf(`["nats://route:pw-route@127.0.0.1:%d", "nats://route:pw-route@127.0.0.1:%d", "nats://route:pw-route@127.0.0.1:%d"]`,
		ports[0], ports[1], ports[2]))
	var servers []*server.Server
	for i, port := range ports {
		t.Setenv("NATS_SERVER_NAME", fmt.Sprintf("nats-%d", i+1))
		o := options(t, "nats-cluster.conf")
		o.Cluster.Host, o.Cluster.Port = "127.0.0.1", port
		servers = append(servers, launch(t, o))
	}
	waitFor(t, "a leader of the cluster", func() bool { return slices.ContainsFunc(servers, (*server.Server).JetStreamIsLeader) })
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) *site { return &site{server: servers[i%3], names: names} }

	if err := streams.Apply(t.Context(), at(0).jetstream(t, "setup"), names, streams.Options{Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	_, err = at(0).jetstream(t, "admin").CreateConsumer(t.Context(), names.EventsStream(), jetstream.ConsumerConfig{
		Durable: "notifier", AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := at(i).jetstream(t, "servicenow").Publish(t.Context(), names.CommandSubject(messages.LaneRevoke, "servicenow"), nil); err != nil {
			t.Errorf("servicenow at server %d: %v", i+1, err)
		}
		id := fmt.Sprintf("INC-%d", i)
		if _, err := at(i).jetstream(t, "worker").Publish(t.Context(), names.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: id}), nil); err != nil {
			t.Errorf("worker at server %d: %v", i+1, err)
		}
		c, err := at(i+1).outside(t, "notifier").Consumer(t.Context(), names.EventsStream(), "notifier")
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Next(jetstream.FetchMaxWait(nextWait))
		if err != nil {
			t.Fatalf("notifier at server %d: %v", i+1, err)
		}
		if want := names.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: id}); m.Subject() != want {
			t.Errorf("got %s, want %s", m.Subject(), want)
		}
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Errorf("notifier acknowledges: %v", err)
		}
	}
}

// freePort finds a port that nobody listens on; the routes of a cluster must be known before it starts.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("no %s within a minute", what)
		}
	}
}
