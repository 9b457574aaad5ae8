package client

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigTellsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	noCA := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noCA, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{BaseURL: "ftp://digicert.example.com", CallTimeout: -1, MaxIdleConns: -1, UserAgent: "a\nb", CAFile: noCA})
	if err == nil {
		t.Fatal("took it")
	}
	for _, part := range []string{
		`configuring the DigiCert client: `, `the DigiCert URL "ftp://digicert.example.com" is not http(s)://host/path`, "no DigiCert API key source",
		"a negative call time-out", "a negative number of idle connections", "the user agent is not printable ASCII", "holds no certificate",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("lacks %q: %v", part, err)
		}
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": DefaultBaseURL,
		"https://certcentral.digicert.eu/services/v2/": "https://certcentral.digicert.eu/services/v2",
		"http://127.0.0.1:8080":                        "http://127.0.0.1:8080",
		"https://proxy.example.com/a%2Fb/":             "https://proxy.example.com/a%2Fb",
		"digicert.example.com":                         "error",
		"https://":                                     "error",
		"https://digicert.example.com/?a=b":            "error",
		"https://digicert.example.com/#a":              "error",
		"https://u:p@digicert.example.com/":            "error",
		"https://digicert.example.com:port/":           "error",
	} {
		u, err := parseBaseURL(in)
		if got := u.String(); want == "error" && err == nil || want != "error" && (err != nil || got != want) {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestTheBasePathIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	c := newClient(t, "https://proxy.example.com/a%2Fb/v2/")
	x := &exchange{method: "GET", path: idPath("/request/", 5, ""), query: query("limit", "1")}
	if got := c.newRequest(t.Context(), x, "k").URL.String(); got != "https://proxy.example.com/a%2Fb/v2/request/5?limit=1" {
		t.Error(got)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := New(Config{Key: StaticKey("k")})
	if err != nil {
		t.Fatal(err)
	}
	if c.timeout != 20*time.Second || c.userAgent[0] != "certrecall" || c.String() != "DigiCert client for "+DefaultBaseURL {
		t.Errorf("%+v", c)
	}
}
