package console

import (
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

func usersFile(t *testing.T) *Users {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("a good password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte("# who\nmira:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestLogInAndOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Access, c.BasePath = Access{Users: usersFile(t)}, "/certrecall" })
	form := func(password string) reply {
		return r.do(http.MethodPost, "/login", url.Values{"name": {"mira"}, "password": {password}, "to": {"/held"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	}
	if a := r.get("/held"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/certrecall/login?to=%2Fheld" {
		t.Errorf("without a session: %d to %s", a.status, a.header.Get("Location"))
	}
	if a := r.act("pause", url.Values{"kind": {"all"}, "reason": {"x"}, "confirm": {"yes"}}); a.status != http.StatusUnauthorized {
		t.Errorf("an action without a session: %d", a.status)
	}
	a := form("a good password")
	cookie := strings.Split(a.header.Get("Set-Cookie"), ";")[0]
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/certrecall/held" || !strings.Contains(a.header.Get("Set-Cookie"), "HttpOnly; SameSite=Strict") {
		t.Fatalf("logged in: %d %v", a.status, a.header)
	}
	if a := r.get("/held", "Cookie", cookie); a.status != http.StatusOK || !strings.Contains(a.body, "mira") {
		t.Errorf("with a session: %d", a.status)
	}
	r.do(http.MethodPost, "/logout", "", "Cookie", cookie)
	if a := r.get("/held", "Cookie", cookie); a.status != http.StatusSeeOther {
		t.Errorf("after logging out: %d", a.status)
	}
	for range freePair {
		if a := form("wrong"); a.status != http.StatusUnauthorized {
			t.Errorf("a wrong password: %d", a.status)
		}
	}
	if a := form("a good password"); a.status != http.StatusTooManyRequests {
		t.Errorf("after %d wrong tries: %d", freePair, a.status)
	}
}

func TestProxyNamesTheUser(t *testing.T) {
	t.Parallel()
	for proxy, want := range map[string]int{"127.0.0.1/32": http.StatusOK, "10.0.0.0/8": http.StatusForbidden} {
		r := newRig(t, func(c *Config) {
			c.Access = Access{Header: "X-Forwarded-User", Proxies: []netip.Prefix{netip.MustParsePrefix(proxy)}}
		})
		if a := r.get("/", "X-Forwarded-User", "omar"); a.status != want {
			t.Errorf("proxy %s: %d, want %d", proxy, a.status, want)
		}
		if a := r.get("/"); a.status == http.StatusOK {
			t.Errorf("proxy %s: somebody without a name sees the page", proxy)
		}
	}
}

// TestViewerHasNoButtons: what NATS does not allow has no button, and a form
// that is sent all the same is refused by NATS.
func TestViewerHasNoButtons(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.night()
	if a := r.get("/"); !strings.Contains(a.body, "/actions/pause") {
		t.Error("an operator has no buttons")
	}
	r.server.Stop()
	viewer := newRigWith(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "viewer", Password: "v", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$KV.>", "certrecall.>"}}}},
			{Username: "admin", Password: "a"},
		}
	})
	viewer.night()
	a := viewer.get("/incidents/INC-1")
	if a.status != http.StatusOK || strings.Contains(a.body, "/actions/") || !strings.Contains(a.body, "view only") {
		t.Errorf("a viewer: %d, buttons %v", a.status, strings.Contains(a.body, "/actions/"))
	}
	if a := viewer.act("pause", url.Values{"kind": {"all"}, "reason": {"forged"}, "confirm": {"yes"}}); a.status != http.StatusForbidden || !strings.Contains(a.body, "NATS refused it") {
		t.Errorf("a forged form: %d %s", a.status, a.body)
	}
}
