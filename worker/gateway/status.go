package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// standing answers where a command stands.
type standing struct {
	Command string        `json:"command"`
	State   string        `json:"state"`
	Final   bool          `json:"final"`
	Events  []eventAnswer `json:"events"`
}

type eventAnswer struct {
	Event messages.EventName `json:"event"`
	Time  time.Time          `json:"time"`
	Data  json.RawMessage    `json:"data"`
}

const (
	// maxWait bounds ?wait.
	maxWait = time.Minute
	// While a request waits, the events are asked for at these intervals.
	firstLook, longestLook = 100 * time.Millisecond, time.Second
	// spareTime is what writing an answer may take beyond the wait.
	spareTime = 30 * time.Second
)

// get tells where a command of the caller's own source stands.
func (g *Gateway) get(w http.ResponseWriter, r *http.Request) {
	who, wrong := g.identify(r, nil)
	if wrong != nil {
		wrong.write(w, r)
		return
	}
	name, err := messages.ParseCommandKey(who.Source + "." + r.PathValue("incident") + "." + r.PathValue("id"))
	if err != nil {
		notKnown().write(w, r)
		return
	}
	note(r).command = name.String()
	wait, wrong := waitOf(r)
	if wrong != nil {
		wrong.write(w, r)
		return
	}
	if wait > 0 {
		select {
		case g.waiting <- struct{}{}:
			defer func() { <-g.waiting }()
		default:
			problem{http.StatusServiceUnavailable, "too-many-waiting", "too many requests wait for an answer: ask without wait, or later", nil, tryAgain}.write(w, r)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + spareTime)) // where it cannot be set there is none
	}
	s, err := g.await(r.Context(), name, wait)
	switch {
	case err != nil:
		problem{http.StatusServiceUnavailable, "not-readable", "NATS does not answer: ask again", nil, tryAgain}.write(w, r)
	case s.State == "":
		notKnown().write(w, r)
	default:
		writeJSON(w, http.StatusOK, "application/json", s)
	}
}

func notKnown() problem {
	return problem{http.StatusNotFound, "not-found", "no command of this source is known by this name: it was not sent, or no worker has taken it yet", nil, 0}
}

func waitOf(r *http.Request) (time.Duration, *problem) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, &problem{http.StatusBadRequest, "invalid-request", "the query is not valid",
			[]messages.Problem{{Field: "wait", Detail: fmt.Sprintf("set a duration from 0s to %v, as 30s", maxWait)}}, 0}
	}
	return wait, nil
}

// await reads a command's events until one is final, the wait is over, the
// caller is gone or the gateway is asked to stop.
func (g *Gateway) await(ctx context.Context, name messages.CommandName, wait time.Duration) (standing, error) {
	s := standing{Command: name.String(), Events: []eventAnswer{}}
	if _, ok := g.accepted.digest(name, time.Now()); ok {
		s.State = stateQueued
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	from := uint64(1)
	for look := firstLook; ; look = min(2*look, longestLook) {
		err := g.chain(ctx, name, from, func(m *jetstream.RawStreamMsg, event messages.EventName) bool {
			from = m.Sequence + 1
			s.add(m, event)
			return true
		})
		if err != nil || s.Final || wait == 0 {
			return s, err
		}
		select {
		case <-time.After(look):
		case <-over.C:
			return s, nil
		case <-g.stopping:
			return s, nil
		case <-ctx.Done():
			return s, nil
		}
	}
}

func (s *standing) add(m *jetstream.RawStreamMsg, event messages.EventName) {
	at := m.Time
	if t, err := time.Parse(time.RFC3339Nano, m.Header.Get("ce-time")); err == nil {
		at = t
	}
	s.Events = append(s.Events, eventAnswer{event, at.UTC(), json.RawMessage(m.Data)})
	if state := stateOf(event); state != "" {
		s.State = state
	}
	s.Final = event.Final()
}

// chain gives the events of a command from a sequence on, in order and from the
// leader, until each returns false.
func (g *Gateway) chain(ctx context.Context, name messages.CommandName, from uint64, each func(*jetstream.RawStreamMsg, messages.EventName) bool) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	events, err := g.open(ctx, g.cfg.Names.EventsStream())
	if err != nil {
		return err
	}
	for {
		m, err := events.GetMsg(ctx, from, jetstream.WithGetMsgSubject(g.cfg.Names.ChainSubject(name)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading events of %s: %w", name, err)
		}
		event, _, err := g.cfg.Names.ParseEventSubject(m.Subject)
		if err == nil && !each(m, event) {
			return nil
		}
		from = m.Sequence + 1
	}
}

// The states are those of `certrecall status`.
const stateQueued = "queued"

func stateOf(e messages.EventName) string {
	switch e {
	case messages.EventRevokeAccepted:
		return "accepted"
	case messages.EventRevokeHeld:
		return "held"
	case messages.EventRevokeRequested:
		return "waiting"
	case messages.EventRevoked:
		return "revoked"
	case messages.EventRevokePlanned:
		return "planned"
	case messages.EventDuplicatesListed:
		return "listed"
	case messages.EventRevokeRejected:
		return "rejected"
	case messages.EventRevokeFailed, messages.EventListDuplicatesFailed:
		return "failed"
	case messages.EventRevokeCancelled, messages.EventListDuplicatesCancelled:
		return "cancelled"
	case messages.EventCommandRejected:
		return "invalid"
	case messages.EventRevokeOverdue:
	}
	return ""
}
