package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Access says who may see the console, and under which name they speak.
type Access struct {
	// Users is a file of names and bcrypt hashes, as htpasswd -B writes it.
	Users *Users
	// Header is set by a proxy that knows who asks; it is believed from Proxies only.
	Header  string
	Proxies []netip.Prefix
	// Operator speaks where nobody logs in.
	Operator string
}

// Open reports whether everybody who reaches the console may see it.
func (a Access) Open() bool { return a.Users == nil && a.Header == "" }

// person is who asks.
type person struct{ Name string }

type personKey struct{}

func personOf(r *http.Request) person {
	p, _ := r.Context().Value(personKey{}).(person)
	return p
}

// gatekeeper knows who asks.
type gatekeeper struct {
	access Access

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]*session // by the hash of the cookie: memory that leaks opens nothing
	failures map[string]*failures
	hashing  chan struct{} // bounds the hashes that are worked out at once
}

type session struct {
	name        string
	hash        string // of the password: a changed one ends the session
	begun, used time.Time
}

type failures struct {
	n    int
	last time.Time
}

const (
	sessionCookie = "certrecall_session"
	// sessionIdle and sessionMost end a session that is not used, and every one.
	sessionIdle, sessionMost = time.Hour, 12 * time.Hour
	maxSessions              = 10_000
	// Failed tries that cost nothing: of one name from one address, from one
	// address, of one name. Each further one doubles the wait.
	freePair, freeAddress, freeName = 5, 20, 50
	longestWait                     = 15 * time.Minute
	maxFailures                     = 10_000
	hashesAtOnce                    = 2
)

func newGatekeeper(a Access) (*gatekeeper, error) {
	if a.Header != "" && len(a.Proxies) == 0 {
		return nil, errors.New("a user header is believed from named proxies only: name them")
	}
	if a.Header != "" && a.Users != nil {
		return nil, errors.New("a user header and a users file together: choose one way to log in")
	}
	return &gatekeeper{
		access: a, sessions: map[[sha256.Size]byte]*session{}, failures: map[string]*failures{}, hashing: make(chan struct{}, hashesAtOnce),
	}, nil
}

// run looks after the users file until ctx ends.
func (g *gatekeeper) run(ctx context.Context, log *zap.Logger) {
	said := ""
	for ctx.Err() == nil {
		if g.access.Users != nil {
			g.access.Users.reread()
			if p := g.problem(); p != said {
				if said = p; p != "" {
					log.Error("the users file is broken; the last good one stays in use", zap.String("error", p))
				}
			}
		}
		wait(ctx, 5*time.Second)
	}
}

func (g *gatekeeper) problem() string {
	if g.access.Users == nil {
		return ""
	}
	return g.access.Users.problem()
}

var errUnknownPerson = errors.New("log in first")

// who tells who asks. The error is what they are told.
func (g *gatekeeper) who(r *http.Request) (person, error) {
	switch {
	case g.access.Header != "":
		if !g.fromProxy(r) {
			return person{}, problem{http.StatusForbidden, "This console is reached by its proxy only.", nil}
		}
		values := r.Header.Values(g.access.Header)
		if len(values) != 1 || values[0] == "" || len(values[0]) > 128 {
			return person{}, problem{http.StatusUnauthorized, "The proxy names nobody, or more than one.", nil}
		}
		return person{values[0]}, nil
	case g.access.Users == nil:
		return person{g.access.Operator}, nil
	}
	if name, password, ok := r.BasicAuth(); ok {
		if err := g.check(r, name, password); err != nil {
			return person{}, err
		}
		return person{name}, nil
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return person{}, errUnknownPerson
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key, now := sha256.Sum256([]byte(c.Value)), time.Now()
	s := g.sessions[key]
	if s == nil || now.Sub(s.used) > sessionIdle || now.Sub(s.begun) > sessionMost || g.access.Users.hash(s.name) != s.hash {
		delete(g.sessions, key)
		return person{}, errUnknownPerson
	}
	if r.URL.Path != "/live" { // an open page alone keeps nobody logged in
		s.used = now
	}
	return person{s.name}, nil
}

// still reports whether whoever opened a stream may go on to see it.
func (g *gatekeeper) still(r *http.Request) bool {
	if _, _, basic := r.BasicAuth(); basic {
		return true
	}
	_, err := g.who(r)
	return err == nil
}

func (g *gatekeeper) fromProxy(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := at.Addr().Unmap()
	for _, p := range g.access.Proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// address is where a request comes from, as far as it can be known.
func (g *gatekeeper) address(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if g.fromProxy(r) {
		all := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
		if last, err := netip.ParseAddr(strings.TrimSpace(all[len(all)-1])); err == nil {
			return last.String()
		}
	}
	return host
}

// check compares a password. Who guesses waits longer with each try.
func (g *gatekeeper) check(r *http.Request, name, password string) error {
	address := g.address(r)
	keys := map[string]int{"p " + address + " " + name: freePair, "a " + address: freeAddress, "n " + name: freeName}
	g.mu.Lock()
	now := time.Now()
	var longest time.Duration
	for key, free := range keys {
		if f := g.failures[key]; f != nil && f.n >= free {
			longest = max(longest, f.last.Add(min(longestWait, time.Second<<min(f.n-free, 20))).Sub(now))
		}
	}
	g.mu.Unlock()
	if longest > 0 {
		return problem{http.StatusTooManyRequests, fmt.Sprintf("Too many failed tries: wait %s.", span(longest)), nil}
	}
	select {
	case g.hashing <- struct{}{}:
		defer func() { <-g.hashing }()
	case <-r.Context().Done():
		return problem{http.StatusServiceUnavailable, "Too many people log in at once.", nil}
	}
	good := g.access.Users.check(name, password)
	g.mu.Lock()
	defer g.mu.Unlock()
	if good {
		delete(g.failures, "p "+address+" "+name)
		return nil
	}
	if len(g.failures) > maxFailures {
		clear(g.failures)
	}
	for key := range keys {
		f := g.failures[key]
		if f == nil || now.Sub(f.last) > longestWait {
			f = &failures{}
			g.failures[key] = f
		}
		f.n, f.last = f.n+1, now
	}
	return problem{http.StatusUnauthorized, "Name or password is wrong.", nil}
}

// begin makes a session and gives its cookie.
func (g *gatekeeper) begin(name string) string {
	token := rand.Text() + rand.Text()
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for key, s := range g.sessions {
		if len(g.sessions) >= maxSessions || now.Sub(s.used) > sessionIdle || now.Sub(s.begun) > sessionMost {
			delete(g.sessions, key)
		}
	}
	g.sessions[sha256.Sum256([]byte(token))] = &session{name, g.access.Users.hash(name), now, now}
	return token
}

func (g *gatekeeper) end(r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.sessions, sha256.Sum256([]byte(c.Value)))
	}
}

// known lets those pass who may see the console.
func (c *Console) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := c.gate.who(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), personKey{}, p)))
		case errors.Is(err, errUnknownPerson) && r.Method == http.MethodGet && !wantsJSON(r) && r.URL.Path != "/live":
			http.Redirect(w, r, c.cfg.BasePath+"/login?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		case errors.Is(err, errUnknownPerson):
			http.Error(w, "log in first", http.StatusUnauthorized)
		default:
			refused := problemOf(err)
			http.Error(w, refused.text, refused.status)
		}
	})
}

// login asks for name and password, and takes them.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	to := r.FormValue("to")
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, "\\") {
		to = "/"
	}
	q := &request{Request: r, c: c, w: w, now: time.Now().UTC()}
	show := func(p problem) {
		_ = q.show(answer{template: "login", title: "Log in", status: p.status, data: map[string]string{"Text": p.text, "To": to, "Name": r.PostFormValue("name")}})
	}
	switch {
	case c.gate.access.Users == nil:
		http.Redirect(w, r, c.cfg.BasePath+"/", http.StatusSeeOther)
	case r.Method == http.MethodGet:
		show(problem{})
	case r.Method != http.MethodPost:
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
	default:
		name := r.PostFormValue("name")
		if err := c.gate.check(r, name, r.PostFormValue("password")); err != nil {
			c.metrics.logins.WithLabelValues("refused").Inc()
			c.cfg.Log.Warn("a login was refused", zap.String("address", c.gate.address(r)))
			show(problemOf(err))
			return
		}
		c.metrics.logins.WithLabelValues("taken").Inc()
		http.SetCookie(w, c.cookie(r, c.gate.begin(name), int(sessionMost/time.Second)))
		http.Redirect(w, r, c.cfg.BasePath+to, http.StatusSeeOther)
	}
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	c.gate.end(r)
	http.SetCookie(w, c.cookie(r, "", -1))
	http.Redirect(w, r, c.cfg.BasePath+"/login", http.StatusSeeOther)
}

// cookie is for this site only, and for TLS only where the browser came by it.
func (c *Console) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: c.cfg.BasePath + "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://"),
	}
}
