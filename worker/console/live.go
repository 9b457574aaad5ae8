package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// tellEvery is how often one tab is told at most.
	tellEvery = 700 * time.Millisecond
	// pingEvery keeps proxies from ending a quiet stream.
	pingEvery = 15 * time.Second
	// tellWithin bounds the writing to a tab that takes nothing.
	tellWithin = 10 * time.Second
	// maxTabs bounds the streams that are open at once.
	maxTabs = 1000
)

// live tells one tab that its page changed; the tab asks for it again. What
// comes at once is told once, and the first telling lets a tab that was away
// see what it missed.
func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	wants := interest(r.URL.Query().Get("page"))
	if wants == nil {
		http.Error(w, "page: name the page that is open", http.StatusBadRequest)
		return
	}
	out := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	t := c.hub.join(wants)
	defer c.hub.leave(t)
	if c.metrics.tabs.Add(1) > maxTabs {
		c.metrics.tabs.Add(-1)
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer c.metrics.tabs.Add(-1)
	tell := func(format string, args ...any) bool {
		_ = out.SetWriteDeadline(time.Now().Add(tellWithin)) // where it cannot be set the server's holds
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	session := time.NewTicker(pingEvery)
	defer session.Stop()
	if !tell("retry: 1000\nevent: changed\ndata: %d\n\n", c.hub.seen()) {
		return
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-r.Context().Done():
			return
		case <-c.stopping:
			return
		}
		select {
		case <-t.wake:
			if !tell("event: changed\ndata: %d\n\n", c.hub.seen()) {
				return
			}
			pause.Reset(tellEvery)
		case <-session.C:
			if !c.gate.still(r) { // logged out, or out of time
				tell("event: over\ndata: 0\n\n")
				return
			}
			if !tell(": still here\n\n") {
				return
			}
			pause.Reset(0)
		case <-r.Context().Done():
			return
		case <-c.stopping:
			return
		}
	}
}

func (h *hub) seen() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sequence
}

// interest says which changes concern a page; nil is no page.
func interest(page string) func(change) bool {
	u, err := url.Parse(page)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return nil
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case parts[0] == "":
		return func(change) bool { return true }
	case parts[0] == "incidents" && len(parts) >= 2:
		incident := strings.TrimPrefix(parts[1], "-")
		if parts[1] != "-" {
			incident = parts[1]
		}
		return func(c change) bool { return c.kind != kindEvent || c.command.Incident == incident }
	case parts[0] == "commands" && len(parts) == 4:
		id := parts[3]
		return func(c change) bool { return c.kind == kindQueue || c.kind == kindLetters || c.command.ID == id }
	case parts[0] == "orders" && len(parts) == 2:
		order, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return nil
		}
		return func(c change) bool { return c.kind == kindQueue || c.order == order }
	case parts[0] == "approvals":
		return func(c change) bool { return c.kind == kindEvent || c.kind == kindTick }
	case parts[0] == "held":
		return func(c change) bool { return c.kind == kindEvent || c.kind == kindWords }
	case parts[0] == "dead-letters":
		return func(c change) bool { return c.kind == kindLetters }
	case parts[0] == "audit":
		return func(c change) bool { return c.kind == kindWords }
	}
	return func(c change) bool { return c.kind == kindTick }
}
