package console

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"certrecall/messages"
	"certrecall/worker/status"
)

// views are the incidents in memory, each loaded once and followed from then on.
type views struct {
	hub *hub
	ctx context.Context //nolint:containedctx // of run: a view outlives the request that opened it

	mu      sync.Mutex
	open    map[string]*shared // by incident; "" is the commands without one
	running sync.WaitGroup
}

const (
	// keepRows bounds what is kept in memory: about 300 bytes a command.
	keepRows = 300_000
	// keepIdle is after how long nobody looks at an incident any more.
	keepIdle = 30 * time.Minute
)

// shared is one incident in memory.
type shared struct {
	ready  chan struct{} // closed when view or err is there
	view   *status.View
	err    error
	cancel context.CancelFunc
	used   atomic.Int64 // unix nanoseconds
	// version counts what changed.
	version atomic.Uint64

	queue   sync.Mutex // one look at the queue at a time
	renewed time.Time

	mu     sync.Mutex
	digest digest
	at     uint64 // the version of the digest
	made   time.Time
}

func filterOf(incident string) status.Filter {
	return status.Filter{Incident: incident, WithoutIncident: incident == ""}
}

// get gives an incident as it stands; it waits while it is loaded.
func (v *views) get(ctx context.Context, incident string) (*shared, error) {
	s, err := v.find(incident)
	if err != nil {
		return nil, err
	}
	s.used.Store(time.Now().UnixNano())
	select {
	case <-s.ready:
		if s.err != nil {
			return nil, s.err
		}
		return s, v.renew(ctx, s)
	case <-ctx.Done():
		return nil, problem{503, "The incident is still being read; look again in a moment.", context.Cause(ctx)}
	}
}

// renew takes in what arrived in the queue, which no event tells.
func (v *views) renew(ctx context.Context, s *shared) error {
	r, err := v.hub.open()
	if err != nil {
		return err
	}
	s.queue.Lock()
	defer s.queue.Unlock()
	if time.Since(s.renewed) < lookEvery/4 {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, lookWithin)
	defer done()
	before := s.view.Len()
	if err := r.Refresh(ctx, s.view); err != nil {
		return err
	}
	s.renewed = time.Now()
	if s.view.Len() != before {
		s.version.Add(1)
	}
	return nil
}

func (v *views) find(incident string) (*shared, error) {
	r, err := v.hub.open()
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.open[incident]; s != nil {
		return s, nil
	}
	if v.ctx == nil || v.ctx.Err() != nil {
		return nil, problem{503, "The console is not running.", nil}
	}
	ctx, cancel := context.WithCancel(v.ctx)
	s := &shared{ready: make(chan struct{}), cancel: cancel}
	s.used.Store(time.Now().UnixNano())
	v.open[incident] = s
	v.running.Go(func() {
		v.follow(ctx, r, incident, s)
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.open[incident] == s {
			delete(v.open, incident)
		}
	})
	return s, nil
}

// loadWithin bounds the loading of one incident.
const loadWithin = 2 * time.Minute

// follow loads an incident and keeps it up to date. When that fails it is
// forgotten, and read anew by whoever asks next.
func (v *views) follow(ctx context.Context, r *status.Reader, incident string, s *shared) {
	defer s.cancel()
	loading, done := context.WithTimeout(ctx, loadWithin)
	s.view, s.err = r.Load(loading, filterOf(incident))
	done()
	close(s.ready)
	if s.err != nil {
		return
	}
	if s.view.Len() == 0 { // nobody's: it need not be kept
		return
	}
	_ = r.Follow(ctx, s.view, func(status.State, status.Row) { s.version.Add(1) })
}

// refresh takes in what arrived in the queue.
func (v *views) refresh(ctx context.Context) {
	v.mu.Lock()
	all := make([]*shared, 0, len(v.open))
	for _, s := range v.open {
		all = append(all, s)
	}
	v.mu.Unlock()
	for _, s := range all {
		select {
		case <-s.ready:
			if s.err != nil {
				continue
			}
			_ = v.renew(ctx, s) // whoever opens it is told
		default: // it is being loaded
		}
	}
}

// tidy forgets what nobody looks at, and the longest unused where there is too much.
func (v *views) tidy() {
	v.mu.Lock()
	defer v.mu.Unlock()
	type aged struct {
		incident string
		s        *shared
		rows     int
	}
	var all []aged
	total := 0
	for incident, s := range v.open {
		select {
		case <-s.ready:
			if s.err == nil {
				all = append(all, aged{incident, s, s.view.Len()})
				total += s.view.Len()
			}
		default:
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return int((a.s.used.Load() - b.s.used.Load()) / int64(time.Millisecond)) })
	for i, a := range all {
		idle := time.Since(time.Unix(0, a.s.used.Load()))
		if idle > keepIdle || total > keepRows && i < len(all)-1 {
			total -= a.rows
			a.s.cancel()
			delete(v.open, a.incident)
		}
	}
}

func (v *views) end() {
	v.mu.Lock()
	for _, s := range v.open {
		s.cancel()
	}
	v.mu.Unlock()
	v.running.Wait()
}

// counted gives the counts of an incident that is in memory.
func (v *views) counted(incident string) (map[status.State]int, bool) {
	v.mu.Lock()
	s := v.open[incident]
	v.mu.Unlock()
	if s == nil {
		return nil, false
	}
	select {
	case <-s.ready:
		if s.err != nil {
			return nil, false
		}
		return s.view.Counts(), true
	default:
		return nil, false
	}
}

// recentIncidents are the incidents of the overview.
type recentIncidents struct {
	mu        sync.Mutex
	summaries map[string]status.Summary
	dirty     map[string]bool // something happened since they were counted
	since     time.Time       // from when on all are known
}

// saw notes that an incident has something new.
func (i *recentIncidents) saw(e messages.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.summaries[e.Incident]
	s.Incident = e.Incident
	if e.Time.After(s.Latest) {
		s.Latest = e.Time
	}
	i.summaries[e.Incident] = s
	i.touch(e.Incident)
}

// queued notes the incidents that have commands in the queue.
func (i *recentIncidents) queued(rows iter.Seq[status.Row]) {
	latest := map[string]time.Time{}
	for r := range rows {
		if r.State == status.Queued && r.Received.After(latest[r.Incident]) {
			latest[r.Incident] = r.Received
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for incident, at := range latest {
		s, known := i.summaries[incident]
		s.Incident = incident
		if at.After(s.Latest) {
			s.Latest = at
		}
		if i.summaries[incident] = s; !known {
			i.touch(incident)
		}
	}
}

func (i *recentIncidents) touch(incident string) {
	if i.dirty == nil {
		i.dirty = map[string]bool{}
	}
	i.dirty[incident] = true
}

// warmSince is how far back incidents are read ahead, so that they open at once.
const warmSince = 24 * time.Hour

// warm reads the incidents of the last day ahead.
func (h *hub) warm(ctx context.Context, r *status.Reader) {
	all, err := h.incidents(ctx, r, r.Now().Add(-warmSince))
	if err != nil {
		return // whoever looks at the overview is told
	}
	rows := 0
	for _, s := range all {
		if rows += s.Total; rows > keepRows/2 || ctx.Err() != nil {
			return
		}
		_, _ = h.views.get(ctx, s.Incident)
	}
}

// incidents gives those with something new since a moment, the latest first.
// What is in memory is counted there; the rest was counted by its subjects.
func (h *hub) incidents(ctx context.Context, r *status.Reader, since time.Time) ([]status.Summary, error) {
	i := &h.recent
	i.mu.Lock()
	covered := !i.since.IsZero() && !since.Before(i.since)
	i.mu.Unlock()
	if !covered {
		all, err := r.Incidents(ctx, since)
		if err != nil {
			return nil, err
		}
		i.mu.Lock()
		for _, s := range all {
			i.summaries[s.Incident] = s
		}
		i.since = since
		i.mu.Unlock()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []status.Summary
	for incident, s := range i.summaries {
		if s.Latest.Before(since) {
			continue
		}
		counts, ok := h.views.counted(incident)
		switch {
		case ok:
			s.States, s.Total = counts, sum(counts)
			i.summaries[incident] = s
			delete(i.dirty, incident)
		case i.dirty[incident]: // it is counted once it is loaded
			_, _ = h.views.find(incident)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b status.Summary) int { return b.Latest.Compare(a.Latest) })
	return out, nil
}

func sum(counts map[status.State]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
