package budget

import (
	"math/rand/v2"
	"time"
)

// A proposal is a record that this process would like to write.
type proposal struct {
	decision
	rec       *record
	changed   bool // there is something to write
	returned  []*grant
	incidents []Incident // to report once it is written
	began     time.Time  // when the clock was read; local
	lead      time.Duration
	at        int64 // the time of the grants
}

// propose works out what to write for the callers that wait and the permits that were returned.
func (r *reserver) propose(waiting [laneCount]int, returned []*grant) proposal {
	p := proposal{began: time.Now(), lead: r.lead, returned: returned}
	now := r.clock.now().UnixMilli()
	p.rec = r.base(&p, now)
	for _, g := range returned {
		if g.epoch == p.rec.epoch {
			p.rec.cells = p.rec.cells.remove(g.cell())
			p.changed = true
		}
	}
	p.rec.last = max(p.rec.last, now)
	p.at = p.rec.last + p.lead.Milliseconds()
	p.decision = r.rules.decide(p.rec, p.rec.last, p.lead.Milliseconds(), waiting)
	p.changed = p.changed || p.marked || p.total() > 0
	return p
}

// base returns the record to change: a copy of the known one, moved back if it is ahead, or a new one in place of one
// that is gone or cannot be read; with this process's own permits if it lacks them.
func (r *reserver) base(p *proposal, now int64) *record {
	var rec *record
	switch {
	case r.rec != nil:
		rec = r.rec.clone()
		if lead := rec.moveBack(now); lead > 0 {
			p.changed = true
			p.incidents = append(p.incidents, Incident{Kind: RecordAhead, Detail: "moved back by " + lead.String()})
		}
	default:
		rec = &record{epoch: rand.Uint32() | 1, last: now}
		p.changed = true
		kind, detail := RecordBegun, "there was none"
		if r.seen {
			kind, detail = RecordMissing, "begun anew with this process's own calls"
		}
		if r.bad != nil {
			kind, detail = RecordUnreadable, "begun anew with this process's own calls"
		}
		if kind != RecordBegun {
			rec.hold = now + rejoin.Milliseconds()
		}
		p.incidents = append(p.incidents, Incident{Kind: kind, Detail: detail, Err: r.bad})
	}
	if rec.epoch == r.joined {
		return rec
	}
	if own := r.recent(); len(own) > 0 {
		rec.cells = rec.cells.merge(own)
		p.changed = true
		if r.rec != nil {
			detail := "begun anew by another process; this one's calls were added"
			p.incidents = append(p.incidents, Incident{Kind: RecordMissing, Detail: detail})
		}
	}
	return rec
}

// grants returns the permits of a proposal that was written, in the order of the lanes.
func (r *reserver) grants(p proposal) []*grant {
	all := make([]*grant, 0, p.total())
	for _, lane := range byRank {
		for range p.decision.grants[lane] {
			all = append(all, &grant{
				queue: r.queue, lane: lane, at: p.at, epoch: p.rec.epoch,
				deadline: p.began.Add(p.lead + permitLife),
			})
		}
	}
	return all
}
