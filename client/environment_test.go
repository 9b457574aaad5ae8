package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// runChild runs this test binary as child with an environment.
func runChild(t *testing.T, env ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(env, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.Output() // the runtime may have something to say beside it
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestProxiesOfTheEnvironment(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method+" "+r.RequestURI)
		if r.Method == http.MethodConnect {
			if r.Header.Get("X-Dc-Devkey") != "" {
				t.Error("the proxy was shown the key")
			}
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer proxy.Close()
	out := runChild(t,
		childURL+"=http://plain.example.com/v2 https://tls.example.com/v2 http://direct.example.com/v2",
		"HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=direct.example.com")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || lines[0] != "http://plain.example.com/v2 <nil>" ||
		!strings.Contains(lines[1], "revoke-order 4711: never sent: Forbidden") || // the proxy refused: DigiCert has seen nothing
		!strings.Contains(lines[2], "never sent: dialling direct.example.com:80") {
		t.Errorf("child:\n%s", out)
	}
	mu.Lock()
	defer mu.Unlock()
	want := "PUT http://plain.example.com/v2/order/certificate/4711/revoke;CONNECT tls.example.com:443"
	// A PUT of which nothing was written is repeated once.
	if got := strings.Join(seen, ";"); got != want && got != want+";CONNECT tls.example.com:443" {
		t.Errorf("the proxy saw %s, want %s", got, want)
	}
}

// noContentTLS is a server with TLS whose certificate is in a file of its own.
func noContentTLS(t *testing.T) (base, certFile string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("spoken to in %s", r.Proto)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // refused handshakes are expected
	srv.StartTLS()
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return "https://127.0.0.1:" + u.Port() + "/v2", writePEM(t, srv.Certificate().Raw)
}

func TestOwnCAIsAddedToTheSystems(t *testing.T) {
	t.Parallel()
	base, certFile := noContentTLS(t)
	empty := t.TempDir()
	if out := runChild(t, childURL+"="+base, "SSL_CERT_DIR="+empty, "SSL_CERT_FILE="+certFile); out != base+" <nil>\n" {
		t.Errorf("trusted by the system: %s", out)
	}
	if out := runChild(t, childURL+"="+base, "SSL_CERT_DIR="+empty, "SSL_CERT_FILE="+os.DevNull); !strings.Contains(out, "never sent: tls: failed to verify certificate") {
		t.Errorf("trusted by nobody: %s", out)
	}
	for name, env := range map[string][]string{
		"the CA file alone":                {"SSL_CERT_FILE=" + os.DevNull, childCAFile + "=" + certFile},
		"the system beside another's file": {"SSL_CERT_FILE=" + certFile, childCAFile + "=" + unrelatedCA(t)},
	} {
		if out := runChild(t, append(env, childURL+"="+base, "SSL_CERT_DIR="+empty)...); out != base+" <nil>\n" {
			t.Errorf("trusted by %s: %s", name, out)
		}
	}
}

// unrelatedCA is the file of a root that signed nothing.
func unrelatedCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, der)
}

func writePEM(t *testing.T, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
