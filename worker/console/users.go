package console

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"certrecall/worker/statements"
)

// Users are those of a file, which is read again when it changes.
type Users struct {
	path string

	mu      sync.Mutex
	hashes  map[string]string
	nobody  string // a hash that nothing fits, as costly as the others
	broken  string
	changed time.Time
	size    int64
}

// maxUsersFile bounds the file, in bytes; maxPassword is what bcrypt looks at.
const maxUsersFile, maxPassword = 1 << 20, 72

// OpenUsers reads a file as htpasswd -B writes it: a name, a colon and a bcrypt
// hash in each line.
func OpenUsers(path string) (*Users, error) {
	u := &Users{path: path}
	return u, u.read()
}

func (u *Users) read() error {
	info, err := os.Stat(u.path)
	if err != nil {
		return err
	}
	if info.Size() > maxUsersFile {
		return fmt.Errorf("%s is larger than %d bytes: it is no file of users", u.path, maxUsersFile)
	}
	text, err := os.ReadFile(u.path)
	if err != nil {
		return err
	}
	hashes, costliest := map[string]string{}, bcrypt.MinCost
	for i, line := range strings.Split(string(bytes.TrimSpace(text)), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, _ := strings.Cut(line, ":")
		cost, err := bcrypt.Cost([]byte(hash))
		switch {
		case statements.ValidOperator(name) != nil:
			return fmt.Errorf("%s, line %d: the name cannot be an operator's: %w", u.path, i+1, statements.ValidOperator(name))
		case err != nil:
			return fmt.Errorf("%s, line %d: no bcrypt hash stands behind the name: make the line with htpasswd -nB %s", u.path, i+1, name)
		case hashes[name] != "":
			return fmt.Errorf("%s, line %d: %s stands there twice", u.path, i+1, name)
		}
		hashes[name], costliest = hash, max(costliest, cost)
	}
	if len(hashes) == 0 {
		return fmt.Errorf("%s names nobody: make a line with htpasswd -nB <name>", u.path)
	}
	nobody, err := bcrypt.GenerateFromPassword([]byte("nobody"), costliest)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hashes, u.nobody, u.changed, u.size, u.broken = hashes, string(nobody), info.ModTime(), info.Size(), ""
	return nil
}

// reread takes over a changed file; a broken one changes nothing.
func (u *Users) reread() {
	info, err := os.Stat(u.path)
	u.mu.Lock()
	same := err == nil && info.ModTime().Equal(u.changed) && info.Size() == u.size
	u.mu.Unlock()
	if same {
		return
	}
	if err := u.read(); err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.broken = err.Error()
	}
}

func (u *Users) problem() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.broken
}

func (u *Users) hash(name string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hashes[name]
}

// check compares a password. A name that is not known takes as long as one that is.
func (u *Users) check(name, password string) bool {
	u.mu.Lock()
	hash, there := u.hashes[name]
	if !there {
		hash = u.nobody
	}
	u.mu.Unlock()
	if len(password) > maxPassword {
		password = password[:maxPassword]
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && there
}
