package deliveries

import (
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// insideAddresses are the kinds of address that a webhook must not reach by
// itself: what is behind them trusts its neighbours.
var insideAddresses = []string{
	"127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", // the own machine
	"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", // private
	"169.254.169.254", "169.254.0.1", // link-local; the metadata of clouds
	"100.64.0.1", "100.127.255.255", // CGNAT
	"198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
}

func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	for _, text := range append([]string{
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1", "::ffff:0.0.0.0", // IPv4 in IPv6
		"64:ff9b::7f00:1", "2002:7f00:1::", // IPv4 behind a translator or a tunnel
	}, insideAddresses...) {
		if !Private(netip.MustParseAddr(text)) {
			t.Errorf("%s counts as public", text)
		}
	}
	if !Private(netip.Addr{}) {
		t.Error("no address at all counts as public")
	}
	for _, text := range []string{"8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "169.253.1.1", "::ffff:8.8.8.8", "2606:4700:4700::1111"} {
		if Private(netip.MustParseAddr(text)) {
			t.Errorf("%s counts as private", text)
		}
	}
}

// TestDialRefusesBeforeItConnects: the guard stands between the name's
// resolution and the connection.
func TestDialRefusesBeforeItConnects(t *testing.T) {
	t.Parallel()
	dial := dialer(false)
	for _, address := range append([]string{"localhost", "::ffff:127.0.0.1"}, insideAddresses...) {
		conn, err := dial(t.Context(), "tcp", net.JoinHostPort(address, "9"))
		if err == nil {
			_ = conn.Close()
		}
		if !errors.Is(err, errPrivate) || !strings.Contains(err.Error(), "allow_private: true") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// counted is a server that counts what reaches it.
type counted struct {
	*httptest.Server
	requests atomic.Int64
}

func newCounted(t *testing.T, start func(http.Handler) *httptest.Server, answer http.HandlerFunc) *counted {
	t.Helper()
	c := &counted{}
	c.Server = start(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		c.requests.Add(1)
		answer(w, q)
	}))
	t.Cleanup(c.Close)
	return c
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// postTo makes one request as a delivery does.
func postTo(t *testing.T, e Endpoint) answer {
	t.Helper()
	e.SecretFile, e.Concurrency = filepath.Join(t.TempDir(), "secret"), 1
	if err := os.WriteFile(e.SecretFile, []byte(testSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := newPoster(e, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.client.CloseIdleConnections()
	return p.post(t.Context(), event{header: map[string][]string{"ce-id": {"e-1"}}, body: []byte(`{}`)})
}

func TestDeliveriesStayOutUnlessTheFileSaysSo(t *testing.T) {
	t.Parallel()
	server := newCounted(t, httptest.NewServer, noContent)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1"} {
		address := "http://" + net.JoinHostPort(host, port) + "/hook?token=hidden"
		before := server.requests.Load()
		a := postTo(t, Endpoint{URL: address})
		if a.result != failed || !strings.Contains(a.detail, "allow_private: true") || strings.Contains(a.detail, "hidden") {
			t.Errorf("%s: %+v", host, a)
		}
		if n := server.requests.Load() - before; n != 0 {
			t.Errorf("%s: %d requests arrived", host, n)
		}
		if a := postTo(t, Endpoint{URL: address, AllowPrivate: true}); a.result != delivered || server.requests.Load() != before+1 {
			t.Errorf("%s with allow_private: %+v", host, a)
		}
	}
}

// TestProxyOfTheEnvironmentIsNotUsed: behind one, the guard would look at the proxy's address.
func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	proxy := newCounted(t, httptest.NewServer, noContent)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	if a := postTo(t, Endpoint{URL: "http://10.0.0.1/hook"}); a.result != failed || proxy.requests.Load() != 0 {
		t.Errorf("%+v; the proxy got %d requests", a, proxy.requests.Load())
	}
}

func TestTLSIsVerifiedWithTheOwnCA(t *testing.T) {
	t.Parallel()
	server := newCounted(t, httptest.NewTLSServer, noContent)
	dir := t.TempDir()
	ca, noCA := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "none.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := errors.Join(os.WriteFile(ca, text, 0o600), os.WriteFile(noCA, []byte("no certificate"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if a := postTo(t, Endpoint{URL: server.URL, AllowPrivate: true}); a.result != failed || !strings.Contains(a.detail, "certificate") || server.requests.Load() != 0 {
		t.Errorf("a certificate of an unknown authority: %+v", a)
	}
	if a := postTo(t, Endpoint{URL: server.URL, AllowPrivate: true, CAFile: ca}); a.result != delivered {
		t.Errorf("with ca_file: %+v", a)
	}
	elsewhere := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) // the certificate is not for this name
	if a := postTo(t, Endpoint{URL: elsewhere, AllowPrivate: true, CAFile: ca}); a.result != failed {
		t.Errorf("a certificate for another name: %+v", a)
	}
	for _, bad := range []string{noCA, filepath.Join(dir, "absent.pem")} {
		if _, err := newPoster(Endpoint{CAFile: bad, SecretFile: secretIn(t, dir)}, "test", nil); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func secretIn(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte(testSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRedirectIsAnAnswerAndNoAddress(t *testing.T) {
	t.Parallel()
	target := newCounted(t, httptest.NewServer, noContent)
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := newCounted(t, httptest.NewServer, func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, target.URL, code) })
		a := postTo(t, Endpoint{URL: server.URL, AllowPrivate: true})
		if a.result != refused || a.status != code || server.requests.Load() != 1 {
			t.Errorf("%d: %+v", code, a)
		}
	}
	if n := target.requests.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}
