package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// natsFlags are the flags of every subcommand: where NATS is, who we are there,
// and under which prefix. Embed it.
type natsFlags struct {
	URL    string `name:"nats-url" env:"NATS_URL" default:"nats://127.0.0.1:4222" help:"Servers of NATS, separated by commas."`
	User   string `name:"nats-user" env:"NATS_USER" placeholder:"NAME" help:"NATS user, with --nats-password-file; in place of one in the URL."`
	Pass   string `name:"nats-password-file" env:"NATS_PASSWORD_FILE" placeholder:"FILE" help:"File with the password of the NATS user; white space around it is trimmed."`
	Creds  string `name:"nats-creds" env:"NATS_CREDS" placeholder:"FILE" help:"Credentials file of the NATS user."`
	Nkey   string `name:"nats-nkey" env:"NATS_NKEY" placeholder:"FILE" help:"File with the NKey seed of the NATS user."`
	CA     string `name:"nats-ca" env:"NATS_CA" placeholder:"FILE" help:"Certificates (PEM) to trust for NATS in place of the system's."`
	Cert   string `name:"nats-cert" env:"NATS_CERT" placeholder:"FILE" help:"Client certificate (PEM) for NATS."`
	Key    string `name:"nats-key" env:"NATS_KEY" placeholder:"FILE" help:"Key (PEM) of the client certificate for NATS."`
	Prefix string `name:"prefix" env:"CERTRECALL_PREFIX" default:"certrecall" help:"First token of all subjects, and in upper case of all streams and buckets."`
}

const (
	// dialTimeout bounds one attempt to reach one server.
	dialTimeout = 2 * time.Second
	// pingInterval finds a dead connection within a minute.
	pingInterval = 20 * time.Second
)

// session is what a subcommand talks to NATS with. Close its conn.
type session struct {
	conn  *nats.Conn
	js    jetstream.JetStream
	names messages.Names
}

// open connects for a subcommand that a person waits for: it fails within a few
// seconds where no server answers. Wrong flags are a usageError.
func (f *natsFlags) open(ctx context.Context, p *process) (session, error) {
	s := p.settings()
	names, options := f.check(s)
	if err := s.err(); err != nil {
		return session{}, err
	}
	if err := ctx.Err(); err != nil {
		return session{}, err
	}
	// What the client library finds out of turn (a right that is missing, a
	// server that is slow) is no line for a terminal: it stands as LastError
	// beside the error of whatever fails of it.
	options = append(options, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	conn, err := nats.Connect(f.URL, options...)
	if err != nil {
		return session{}, fmt.Errorf("connecting to NATS at %s, set by %s: %w", f.redacted(), s.name("nats-url"), err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return session{}, fmt.Errorf("preparing JetStream: %w", err)
	}
	return session{conn: conn, js: js, names: names}, nil
}

// check reads the flags; what is wrong with them goes into s. The options
// reconnect for ever and buffer nothing meanwhile: what is sent after a
// reconnect says something that may no longer be true.
func (f *natsFlags) check(s *settings) (messages.Names, []nats.Option) {
	options := []nats.Option{
		nats.Name("certrecall"), nats.Timeout(dialTimeout), nats.PingInterval(pingInterval),
		nats.MaxReconnects(-1), nats.ReconnectWait(time.Second), nats.ReconnectJitter(500*time.Millisecond, time.Second),
		nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1),
	}
	for server := range strings.SplitSeq(f.URL, ",") {
		if problem := checkServer(server); problem != "" {
			s.bad("nats-url", "%s: %s", redactServer(server, strings.Contains(f.URL, "@")), problem)
		}
	}
	options = append(options, f.userOption(s)...)
	s.file("nats-creds", f.Creds)
	s.file("nats-nkey", f.Nkey)
	s.file("nats-ca", f.CA)
	s.file("nats-cert", f.Cert)
	s.file("nats-key", f.Key)
	if f.Creds != "" && f.Nkey != "" {
		s.bad("nats-creds", "set together with %s: set one of them", s.name("nats-nkey"))
	}
	if (f.Cert == "") != (f.Key == "") {
		s.bad("nats-cert", "set without %s, or the other way round: set both", s.name("nats-key"))
	}
	names, err := messages.NewNames(f.Prefix)
	if err != nil {
		s.bad("prefix", "%v", err)
	}
	if s.err() != nil {
		return names, nil
	}
	if f.Creds != "" {
		options = append(options, nats.UserCredentials(f.Creds))
	}
	if f.Nkey != "" {
		nkey, err := nats.NkeyOptionFromSeed(f.Nkey)
		if err != nil {
			s.bad("nats-nkey", "%s holds no NKey seed: name the file with the line that begins with SU", f.Nkey)
		}
		options = append(options, nkey)
	}
	if f.CA != "" || f.Cert != "" {
		options = append(options, nats.Secure()) // a server without TLS is not the one that is meant
	}
	if f.CA != "" {
		options = append(options, nats.RootCAs(f.CA))
	}
	if f.Cert != "" {
		options = append(options, nats.ClientCert(f.Cert, f.Key))
	}
	return names, options
}

// maxPassword bounds what is read of a password file.
const maxPassword = 4096

// userOption reads user and password; what is wrong with them goes into s.
func (f *natsFlags) userOption(s *settings) []nats.Option {
	if f.User == "" && f.Pass == "" {
		return nil
	}
	if f.User == "" || f.Pass == "" {
		s.bad("nats-user", "set without %s, or the other way round: set both", s.name("nats-password-file"))
		return nil
	}
	if f.Creds != "" || f.Nkey != "" || strings.Contains(f.URL, "@") {
		s.bad("nats-user", "set together with credentials, an NKey or a user in the URL: set one of them")
		return nil
	}
	in, err := os.Open(f.Pass)
	if err != nil {
		s.bad("nats-password-file", "%v: name a file that can be read", err)
		return nil
	}
	defer in.Close()
	password, err := io.ReadAll(io.LimitReader(in, maxPassword))
	if text := strings.TrimSpace(string(password)); err == nil && text != "" {
		return []nats.Option{nats.UserInfo(f.User, text)}
	}
	s.bad("nats-password-file", "holds no password")
	return nil
}

// checkServer says what is wrong with the URL of one server; "" is nothing.
func checkServer(server string) string {
	u, err := parseServer(server)
	switch {
	case err != nil && strings.Contains(server, "@"):
		return "cannot be read: a password with one of @ : / ? # % in it is written with percent codes (@ is %40), or set --nats-user and --nats-password-file"
	case err != nil:
		return "cannot be read: set nats://host:port"
	case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
		return "the scheme must be nats, tls, ws or wss"
	case u.Hostname() == "":
		return "names no host: set nats://host:port"
	}
	return ""
}

func parseServer(server string) (*url.URL, error) {
	server = strings.TrimSpace(server)
	if server == "" {
		return nil, errors.New("empty")
	}
	if !strings.Contains(server, "://") {
		server = "nats://" + server
	}
	return url.Parse(server)
}

// redacted is the URL fit to be shown: without passwords and tokens.
func (f *natsFlags) redacted() string {
	servers := strings.Split(f.URL, ",")
	for i, server := range servers {
		servers[i] = redactServer(server, strings.Contains(f.URL, "@"))
	}
	return strings.Join(servers, ",")
}

const redacted = "REDACTED"

// redactServer redacts the URL of one server. What cannot be read is not shown
// at all where secrets are about: it may be a part of one.
func redactServer(server string, secrets bool) string {
	u, err := parseServer(server)
	if err != nil && !secrets {
		return strconv.Quote(server)
	}
	if err != nil || strings.Count(server, "@") > 1 || strings.Contains(server, "@") && u.User == nil {
		return redacted
	}
	if _, password := u.User.Password(); password {
		u.User = url.UserPassword(u.User.Username(), redacted)
	} else if u.User != nil {
		u.User = url.User(redacted) // a user alone is a token
	}
	return u.String()
}
