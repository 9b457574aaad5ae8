package gateway

import (
	"sync"
	"time"

	"certrecall/messages"
)

// What was accepted is remembered for a while, so that a second command under
// its id is refused, and its name is known, before a worker has taken it.
const (
	maxAccepted = 50_000
	acceptedFor = time.Hour
)

type accepted struct {
	mu    sync.Mutex
	known map[messages.CommandName]acceptance
	order []messages.CommandName // oldest first
}

type acceptance struct {
	digest string
	at     time.Time
}

func (a *accepted) add(name messages.CommandName, digest string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[messages.CommandName]acceptance{}
	}
	if _, ok := a.known[name]; !ok {
		a.order = append(a.order, name)
	}
	a.known[name] = acceptance{digest, now}
	for len(a.order) > 0 && (len(a.order) > maxAccepted || now.Sub(a.known[a.order[0]].at) > acceptedFor) {
		delete(a.known, a.order[0])
		a.order = a.order[1:]
	}
}

// digest gives that of a command that was accepted lately.
func (a *accepted) digest(name messages.CommandName, now time.Time) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.known[name]
	return k.digest, ok && now.Sub(k.at) <= acceptedFor
}
