package gateway

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// Readiness is the body of /readyz.
type Readiness struct {
	Ready   bool          `json:"ready"`
	Reasons []ReadyReason `json:"reasons"`
}

// ReadyReason is one thing that is not as it should be. Only some of them make
// the gateway not ready: an endpoint that is switched off is no reason to refuse
// commands.
type ReadyReason struct {
	Gate   string    `json:"gate"`
	Since  time.Time `json:"since"`
	Detail string    `json:"detail"`
}

// Gates of readiness.
const (
	gateNATS     = "nats"
	gateStreams  = "streams"
	gateDelivery = "delivery"
	gateSecrets  = "secrets"
)

// healthLook is how often streams, secrets and deliveries are looked at.
const healthLook = 5 * time.Second

// health is what was last seen of the streams, and since when it is so.
type health struct {
	mu      sync.Mutex
	looked  bool
	streams string // what is wrong with them; "" is nothing
	since   map[string]time.Time
}

// sinceOf gives since when a reason holds, and forgets those that no longer do.
func (h *health) sinceOf(reasons []ReadyReason, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := map[string]time.Time{}
	for i, r := range reasons {
		if !r.Since.IsZero() {
			continue
		}
		key := r.Gate + " " + r.Detail
		if since[key] = h.since[key]; since[key].IsZero() {
			since[key] = now
		}
		reasons[i].Since = since[key]
	}
	h.since = since
}

// watch looks at the streams, and brings metrics and log up to date, until ctx ends.
func (g *Gateway) watch(ctx context.Context) {
	tick := time.NewTicker(healthLook)
	defer tick.Stop()
	said := map[string]bool{}
	for {
		g.lookAtStreams(ctx)
		g.metrics.ready.Set(oneIf(g.Ready().Ready))
		for _, d := range g.deliveries {
			g.metrics.stands(d.State())
		}
		problems := g.secrets.Problems()
		g.metrics.secretsBroken.Set(oneIf(len(problems) > 0))
		for _, p := range problems {
			if !said[p] {
				g.cfg.Log.Error("the file of a secret is broken; the last good one stays in use", zap.String("error", p))
			}
		}
		maps.DeleteFunc(said, func(p string, _ bool) bool { return !slices.Contains(problems, p) })
		for _, p := range problems {
			said[p] = true
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (g *Gateway) lookAtStreams(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*publishTimeout)
	defer cancel()
	wrong := ""
	for _, name := range []string{g.cfg.Names.CommandsStream(), g.cfg.Names.EventsStream()} {
		_, err := g.js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			wrong = "there is no stream " + name + ": run certrecall setup"
		case err != nil && name == g.cfg.Names.EventsStream(): // whether the commands are there the user may not be told
			wrong = "stream " + name + " cannot be read: " + err.Error()
		}
	}
	g.health.mu.Lock()
	defer g.health.mu.Unlock()
	g.health.looked, g.health.streams = true, wrong
}

// Ready says whether the gateway can take commands, and what is not as it should be.
func (g *Gateway) Ready() Readiness {
	r := Readiness{Ready: true, Reasons: []ReadyReason{}}
	g.health.mu.Lock()
	streams := g.health.streams
	if !g.health.looked {
		streams = "not looked at yet"
	}
	g.health.mu.Unlock()
	switch {
	case !g.cfg.Conn.IsConnected():
		r.Ready = false
		r.Reasons = append(r.Reasons, ReadyReason{Gate: gateNATS, Detail: "no connection to NATS; trying again until it answers"})
	case streams != "":
		r.Ready = false
		r.Reasons = append(r.Reasons, ReadyReason{Gate: gateStreams, Detail: streams})
	}
	for _, p := range g.secrets.Problems() {
		r.Reasons = append(r.Reasons, ReadyReason{Gate: gateSecrets, Detail: p + "; the last good secret stays in use"})
	}
	for _, d := range g.deliveries {
		s := d.State()
		switch {
		case s.Problem != "":
			r.Reasons = append(r.Reasons, ReadyReason{Gate: gateDelivery, Detail: s.Name + " cannot read events: " + s.Problem})
		case s.Off:
			r.Reasons = append(r.Reasons, ReadyReason{Gate: gateDelivery, Since: s.OffSince, Detail: s.Name + " is switched off (" + s.OffReason + "): mend it and run certrecall deliveries resume " + s.Name})
		case !s.FailingSince.IsZero():
			r.Reasons = append(r.Reasons, ReadyReason{Gate: gateDelivery, Since: s.FailingSince.UTC(), Detail: s.Name + " takes nothing: " + s.Failure})
		}
	}
	g.health.sinceOf(r.Reasons, time.Now().UTC())
	return r
}

func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) {
	ready := g.Ready()
	status := http.StatusOK
	if !ready.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, "application/json", ready)
}

func sortedSources(sources map[string]Source) []string { return slices.Sorted(maps.Keys(sources)) }
