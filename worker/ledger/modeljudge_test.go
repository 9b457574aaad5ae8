package ledger

import "slices"

// What must hold in the model, whatever happens.

// judgeRecord holds what must never change to what was stored.
func (m *model) judgeRecord(before, after Record) {
	for id, t := range before.Targets {
		now := after.Targets[id]
		if now == nil {
			now = &Target{}
		}
		if t.State == Revoked && now.State != Revoked {
			m.Fatalf("target %d was revoked and reads %q now", id, now.State)
		}
		if t.Attempt != nil && now.Attempt != nil && t.Attempt.Owner != now.Attempt.Owner {
			m.Fatalf("an attempt began over the open one of %s", t.Attempt.Command)
		}
	}
	for command, n := range before.Commands {
		now := after.Commands[command]
		if n.Outcome != nil && now != nil && (now.Outcome == nil || *now.Outcome != *n.Outcome) {
			m.Fatalf("the outcome of %s changed from %+v to %+v", command, *n.Outcome, now.Outcome)
		}
	}
}

// judgePut is asked when a PUT starts.
func (m *model) judgePut(p *modelPut) {
	for _, other := range m.puts {
		if !other.end.IsZero() && !other.end.After(p.start) || other.harmless {
			continue
		}
		m.Fatalf("the PUT of %s overlaps that of %s", p.command, other.command)
	}
	for _, last := range slices.Backward(m.puts) {
		if last.target != p.target || last.harmless {
			continue
		}
		m.judgeAfter(last, p)
		return
	}
}

func (m *model) judgeAfter(last, p *modelPut) {
	distinct, late, evidence := 0, false, false
	for _, r := range m.reads {
		if r.target != p.target && r.target != WholeOrder {
			continue
		}
		evidence = evidence || last.request != 0 && slices.Contains(r.shows, last.request)
		if r.target == p.target && !r.began.Before(last.end) {
			distinct++
			late = late || r.began.Sub(last.end) >= SettleTime
		}
	}
	switch {
	case last.clear && last.request != 0:
		if last.command == p.command && m.requestStatus(last.request) != "rejected" {
			m.Fatalf("%s sends again although its request %d is %s", p.command, last.request, m.requestStatus(last.request))
		}
	case last.clear && last.refused:
		if distinct < 2 || !late {
			m.Fatalf("%s sends after a refusal of %s with %d reads since (late enough: %t)", p.command, last.command, distinct, late)
		}
	case last.clear:
		m.Fatalf("a PUT after a 204")
	case evidence:
	case distinct < 2 || !late:
		m.Fatalf("%s sends after an unclear PUT of %s that ended %s ago, with %d reads since (late enough: %t)",
			p.command, last.command, p.start.Sub(last.end), distinct, late)
	}
}

func (m *model) requestStatus(id int64) string {
	for _, q := range m.current().requests {
		if q.id == id {
			return q.status
		}
	}
	return ""
}

// judgeEffects: a command has one effect at most, since its next PUT needs a
// rejection, and reads that see what the one before did.
func (m *model) judgeEffects() {
	effects := map[string]int{}
	for _, p := range m.puts {
		if p.effective {
			effects[p.command]++
		}
	}
	for command, n := range effects {
		if n > 1 {
			m.Fatalf("%d PUTs of %s had an effect", n, command)
		}
	}
}
