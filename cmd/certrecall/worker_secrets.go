package main

import (
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"

	"certrecall/client"
)

// wide names the files with secrets that others than their owner can read or
// change, as far as their modes say.
func (c *workerCmd) wide(s *settings) (warnings []string) {
	for _, file := range []struct{ flag, path string }{
		{"digicert-api-key-file", c.DigiCertKeyFile}, {"nats-creds", c.Creds}, {"nats-nkey", c.Nkey}, {"nats-key", c.Key},
	} {
		if file.path == "" {
			continue
		}
		if info, err := os.Stat(file.path); err == nil && tooWide(info.Mode()) {
			warnings = append(warnings, fmt.Sprintf("%s: %s has mode %04o: others than its owner and group can read it, or change it; chmod 0400 it", s.name(file.flag), file.path, info.Mode().Perm()))
		}
	}
	return warnings
}

// tooWide: read by everybody, or written by anybody but the owner. A group that
// may read is how a platform hands a secret to a user without rights.
func tooWide(m fs.FileMode) bool { return m.Perm()&0o027 != 0 }

// clear tells of a password for NATS that would cross the network readable.
func (f *natsFlags) clear(s *settings) (warnings []string) {
	if f.CA != "" || f.Cert != "" {
		return nil // TLS, or no connection
	}
	for server := range strings.SplitSeq(f.URL, ",") {
		u, err := parseServer(server)
		if err != nil || u.User == nil || u.Scheme == "tls" || u.Scheme == "wss" || local(u.Hostname()) {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s: the password for %s crosses the network in the clear, unless the server asks for TLS: set tls:// in place of %s://, or %s",
			s.name("nats-url"), u.Host, u.Scheme, s.name("nats-ca")))
	}
	return warnings
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// demos refuses secrets that everybody knows where something real depends on them.
func (c *workerCmd) demos(s *settings, cfg client.Config, key string) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || !realDigiCert(base.Hostname()) {
		return
	}
	if demo(key) {
		s.problems = append(s.problems, "the DigiCert API key is one of the demonstration: set a real one, or the URL of the simulator with "+s.name("digicert-url"))
	}
	for server := range strings.SplitSeq(c.URL, ",") {
		u, err := parseServer(server)
		if err != nil || u.User == nil {
			continue
		}
		password, given := u.User.Password()
		if !given {
			password = u.User.Username() // a token
		}
		if demo(password) {
			s.bad("nats-url", "the password is one of the demonstration, and %s is the real DigiCert: whoever knows it could revoke; set passwords of your own", base.Host)
		}
	}
}

func realDigiCert(host string) bool {
	host = strings.ToLower(host)
	for _, domain := range []string{"digicert.com", "digicert.eu"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// demo reports whether the secret is of the shipped demonstration or of a test.
func demo(secret string) bool {
	return strings.HasPrefix(secret, "demo-") || strings.HasPrefix(secret, "made-up-key")
}
