package ledger

import (
	"time"

	"pgregory.net/rapid"
)

// modelCommands are what the workers of the model carry.
var modelCommands = []Claimant{
	{Command: "soar/a", Reason: "keyCompromise"},
	{Command: "soar/b", Skip: true, Reason: "superseded"},
	{Command: "servicenow/c", Target: modelTarget},
	{Command: "servicenow/d"},
}

// modelWorker carries one command at a time, a micro-step at each call. next is
// what it does when it is called again; whatever happened meanwhile, happened.
type modelWorker struct {
	model *model
	next  func()
	put   *modelPut
}

func (w *modelWorker) step() {
	if next := w.next; next != nil {
		w.next = nil
		next()
		return
	}
	m := w.model
	c := rapid.SampledFrom(modelCommands).Draw(m.T, "command")
	if m.ended[c.Command] {
		return
	}
	c.Received = m.digicert[0].at.Add(time.Hour)
	e := m.load()
	switch a := e.Decide(c, m.now); a.Next {
	case Identify:
		m.update(func(r *Record) bool { r.SetMember(c.Target); return true })
	case Send:
		w.begin(c, e)
	case Read:
		w.lease(c)
	case Adopt:
		w.adopt(c, a.Request)
	case Finish:
		w.finish(c, e, a)
	case Await, Later, Crowded:
	}
}

// crash: whatever was not stored is lost; a PUT on its way goes on.
func (w *modelWorker) crash() { w.next, w.put = nil, nil }

func (w *modelWorker) begin(c Claimant, e Entry) {
	m, owner := w.model, w.model.name()
	if !e.Begin(c, owner, m.now, modelCall) || m.swap(e) != nil {
		return // as the revoke path: not certain, so it starts over
	}
	until := e.Lease.Until
	w.next = func() {
		if until.Sub(m.now) < modelCall {
			m.update(func(r *Record) bool { r.TakeBack(c, owner, false); return true })
			return
		}
		w.send(c, owner)
	}
}

// send starts the PUT, with what it will do drawn now; the answer is seen at the next step.
func (w *modelWorker) send(c Claimant, owner string) {
	m := w.model
	p := &modelPut{command: c.Command, target: c.Target, start: m.now}
	m.judgePut(p)
	m.puts = append(m.puts, p)
	answer := rapid.SampledFrom([]string{"ok", "ok", "lost", "late", "nothing", "429", "refused"}).Draw(m.T, "answer")
	if m.current().isRevoked(c.Target) {
		answer = rapid.SampledFrom([]string{"refused", "nothing"}).Draw(m.T, "answer of a revoked order")
	}
	switch answer {
	case "ok", "lost":
		m.commit(p, c, m.now)
	case "429":
		p.harmless = true
	case "late":
		d := time.Duration(rapid.IntRange(0, int(maxLate/time.Millisecond)).Draw(m.T, "late by")) * time.Millisecond
		m.late = append(m.late, late{m.now.Add(d), func(at time.Time) {
			if !m.current().isRevoked(c.Target) {
				m.commit(p, c, at)
			}
		}})
	}
	w.next = func() {
		if p.end.IsZero() {
			p.end = m.now
		}
		w.answered(c, owner, p, answer)
	}
}

// commit gives a PUT its effect.
func (m *model) commit(p *modelPut, c Claimant, at time.Time) {
	p.effective = true
	if c.Skip {
		m.change(at, func(v *version) { v.revoked[c.Target] = true })
		return
	}
	m.nextID++
	p.request = m.nextID
	m.change(at, func(v *version) {
		v.requests = append(v.requests, modelRequest{p.request, c.Target, "comment" + Suffix(c.Command), "pending"})
	})
}

// answered stores what the PUT came to, from whatever it finds in the record now.
func (w *modelWorker) answered(c Claimant, owner string, p *modelPut, answer string) {
	m, now := w.model, w.model.now
	m.update(func(r *Record) bool {
		switch {
		case answer == "429":
			r.TakeBack(c, owner, false)
		case answer == "refused":
			r.EndRefused(c, owner, now, Refusal{Status: 400})
		case answer == "ok" && c.Skip:
			r.EndRevoked(c, owner, now)
		case answer == "ok":
			r.EndRequested(c, owner, now, Request{ID: p.request, Status: "pending"})
		default:
			r.EndUnclear(c, owner, now)
		}
		return true
	})
	p.clear = answer == "ok" || answer == "refused"
	p.refused = answer == "refused"
}

func (w *modelWorker) lease(c Claimant) {
	m, owner, leased := w.model, w.model.name(), false
	m.update(func(r *Record) bool {
		leased = r.TakeLease(owner, m.now, modelCall+LeaseSlack)
		return leased
	})
	if leased {
		w.next = func() { w.read(c, owner) }
	}
}

// read sees DigiCert as it was a while ago.
func (w *modelWorker) read(c Claimant, owner string) {
	m := w.model
	lag := time.Duration(rapid.IntRange(0, int(maxLag/time.Millisecond)).Draw(m.T, "lag")) * time.Millisecond
	seen := m.at(m.now.Add(-lag))
	reading := Reading{ID: m.name(), Began: m.now, Revoked: seen.isRevoked(c.Target), OrderStatus: "issued"}
	if seen.revoked[WholeOrder] {
		reading.OrderStatus = "revoked"
	}
	stored := modelRead{target: c.Target, began: m.now}
	for _, q := range seen.requests {
		reading.Requests = append(reading.Requests, SeenRequest{Request: Request{ID: q.id, Status: q.status}, Comments: q.comments, Named: true, Target: q.target})
		stored.shows = append(stored.shows, q.id)
	}
	w.next = func() {
		m.update(func(r *Record) bool {
			r.Release(owner)
			r.Observe(c.Target, reading, m.now)
			return true
		})
		m.reads = append(m.reads, stored)
	}
}

func (w *modelWorker) adopt(c Claimant, q Request) {
	m := w.model
	status := m.requestStatus(q.ID)
	if status == "pending" {
		return
	}
	m.update(func(r *Record) bool { r.Decided(Request{ID: q.ID, Status: status}, m.now); return true })
	if status == "approved" {
		w.lease(c)
	}
}

// finish holds what is said to the truth, and forgets the command.
func (w *modelWorker) finish(c Claimant, e Entry, a Answer) {
	m := w.model
	v := m.current()
	switch {
	case a.Outcome == nil && a.State == Revoked:
		if !v.isRevoked(c.Target) {
			m.Fatalf("%s is told revoked, and it is not", c.Command)
		}
	case a.Outcome == nil && a.State == Rejected || a.Outcome != nil && a.Outcome.Kind == "revoke-rejected":
		id := a.Effect.requestID(a.Outcome)
		if m.requestStatus(id) != "rejected" {
			m.Fatalf("%s is told rejected, and request %d is %s", c.Command, id, m.requestStatus(id))
		}
	}
	if e.Revision != uint64(len(m.stored)) {
		return // an old read may say what was true then; it is said from the latest here
	}
	m.ended[c.Command] = true
	m.update(func(r *Record) bool { return r.Forget(c.Command) })
}

func (e Effect) requestID(o *Outcome) int64 {
	if o != nil {
		return o.RequestID
	}
	return e.RequestID
}
