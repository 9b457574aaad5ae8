package console

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"certrecall/worker/ledger"
	"certrecall/worker/status"
)

// ledgerLine is one fact of the order's record.
type ledgerLine struct {
	About string `json:"about"`
	Fact  string `json:"fact"`
}

// ledgerLines tells what the record of an order knows.
func ledgerLines(e ledger.Entry) []ledgerLine {
	lines := []ledgerLine{}
	add := func(about, format string, args ...any) {
		lines = append(lines, ledgerLine{about, fmt.Sprintf(format, args...)})
	}
	if l := e.Lease; l != nil {
		add("lease", "an attempt may be under way until %s", stamp(l.Until))
	}
	for _, id := range slices.Sorted(maps.Keys(e.Targets)) {
		t, about := e.Targets[id], "the whole order"
		if id != ledger.WholeOrder {
			about = fmt.Sprintf("certificate %d", id)
		}
		add(about, "state: %s; revocation calls begun: %d", cmp.Or(string(t.State), "nothing was done"), t.Puts)
		if a := t.Attempt; a != nil {
			if a.Ended.IsZero() {
				add(about, "open attempt of %s, begun %s: it may be under way", a.Command, stamp(a.Begun))
			} else {
				add(about, "open attempt of %s, begun %s, ended %s: its outcome is being read", a.Command, stamp(a.Begun), stamp(a.Ended))
			}
		}
		for _, q := range t.Requests {
			add(about, "request %d of DigiCert, by %s", q.ID, cmp.Or(q.By, "somebody else"))
		}
		if t.Effect != nil {
			add(about, "caused by %s", cmp.Or(t.Effect.Command, "somebody outside"))
		}
	}
	return lines
}

// opened counts what is open, and notes the incidents whose commands no worker
// has spoken of yet.
func (h *hub) opened(ctx context.Context, r *status.Reader) (map[status.State]int, error) {
	return h.openBy.get(2*time.Second, func() (map[status.State]int, error) {
		v, err := r.LoadOpen(ctx)
		if err != nil {
			return nil, err
		}
		h.recent.queued(v.Each(r.Now()))
		return v.Counts(), nil
	})
}
