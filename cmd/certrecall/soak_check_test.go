package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// judge holds what is judged: what was published, what the streams hold, and
// what the simulator recorded.
type judge struct {
	p   *plant
	log *transcript
	// chains are the events by source and id, in the order of the stream;
	// those under an id of ours (seq-…) stand beside them, by that sequence.
	chains   map[string][]messages.Event
	answers  map[string]messages.Event
	letters  map[string]int // dead letters by the subject of their event
	puts     map[target][]put
	requests map[int64]digicertsim.Request
	calls    []digicertsim.Call
}

// target is the order as a whole (0) or one certificate of it.
type target struct{ order, certificate int64 }

// put is a revoking call that arrived.
type put struct {
	digicertsim.Call
	by     string // "<source>/<id>", from the suffix of its comments
	reason string
	skip   bool
}

// check reports every broken promise.
func check(p *plant, l *load, log *transcript) {
	p.t.Helper()
	e := gather(p, log)
	e.checkChains(l.contents())
	e.checkPuts()
	e.checkAlready()
	e.checkLetters()
	e.checkResidue()
}

func gather(p *plant, log *transcript) *judge {
	p.t.Helper()
	e := &judge{
		p: p, log: log, chains: map[string][]messages.Event{}, answers: map[string]messages.Event{}, letters: map[string]int{},
		puts: map[target][]put{}, requests: map[int64]digicertsim.Request{}, calls: p.sim.Calls(),
	}
	var events []string
	p.everyMessage(p.names.EventsStream(), func(m jetstream.Msg) {
		events = append(events, m.Subject()+" "+string(m.Data()))
		ev, err := p.names.DecodeEvent(m.Subject(), m.Headers(), m.Data())
		switch {
		case err != nil:
			log.violation("%s: %v", m.Subject(), err)
		case messages.ReservedID(ev.ID):
			e.answers[ev.ID[strings.LastIndexByte(ev.ID, '-')+1:]] = ev
		default:
			e.chains[ev.Source+"/"+ev.ID] = append(e.chains[ev.Source+"/"+ev.ID], ev)
		}
	})
	p.everyMessage(p.names.DeadLettersStream(), func(m jetstream.Msg) {
		d, err := messages.ParseDeadLetter(m.Headers())
		if err != nil {
			log.violation("dead letter %s: %v", m.Subject(), err)
		}
		e.letters[d.EventSubject]++
	})
	for _, q := range p.sim.Requests() {
		e.requests[q.ID] = q
	}
	for _, c := range e.calls {
		if c.Op == digicertsim.OpRevokeOrder || c.Op == digicertsim.OpRevokeCertificate {
			e.arrived(c)
		}
	}
	p.t.Cleanup(func() {
		if p.t.Failed() {
			keepLines(log, "calls.json", e.calls)
			keepLines(log, "requests.json", p.sim.Requests())
			keepLines(log, "events.json", events)
		}
	})
	return e
}

func (e *judge) arrived(c digicertsim.Call) {
	var body struct {
		Comments string `json:"comments"`
		Reason   string `json:"revocation_reason"`
		Skip     bool   `json:"skip_approval"`
	}
	if err := json.Unmarshal([]byte(c.Body), &body); err != nil {
		e.log.violation("a revocation of order %d arrived with the body %q", c.OrderID, c.Body)
	}
	t := target{c.OrderID, c.CertificateID}
	e.puts[t] = append(e.puts[t], put{c, commandOf(body.Comments), body.Reason, body.Skip})
}

// commandOf reads "<source>/<id>" from the end of comments; "" = not ours.
func commandOf(comments string) string {
	_, suffix, found := strings.Cut(comments, " [certrecall ")
	if !found {
		return ""
	}
	return strings.TrimSuffix(suffix, "]")
}

// checkChains: every command that was taken has one answer, at the end of its
// chain, and it is the truth.
func (e *judge) checkChains(contents map[string][]*published) {
	for key := range e.chains {
		if contents[key] == nil {
			e.log.violation("%s has events and was never published", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(contents)) {
		e.checkKey(key, contents[key])
	}
}

func (e *judge) checkKey(key string, of []*published) {
	chain := e.chains[key]
	var origins []string // of command-rejected under the id itself
	for len(chain) > 0 && chain[0].Name == messages.EventCommandRejected {
		origins = append(origins, chain[0].Origin)
		chain = chain[1:]
	}
	var accepted *published
	for _, what := range of {
		if !what.invalid && len(chain) > 0 && chain[0].Digest == what.cmd.Digest() {
			accepted = what
		}
	}
	if accepted != nil {
		e.checkChain(key, accepted, chain)
	} else if len(chain) > 0 {
		e.log.violation("%s: its events have the digest of nothing that was published", key)
	}
	for _, what := range of {
		if !what.invalid && accepted != nil && what.cmd.Digest() == accepted.cmd.Digest() {
			continue
		}
		if !what.invalid && accepted == nil {
			e.log.violation("%s was published and has no event", key)
			continue
		}
		for _, sequence := range what.sequences { // rejected, each message
			number := fmt.Sprint(sequence)
			under := slices.ContainsFunc(origins, func(o string) bool { return strings.HasSuffix(o, "-"+number) })
			if _, answered := e.answers[number]; !answered && !under {
				e.log.violation("%s: message %d was to be rejected and has no event", key, sequence)
			}
		}
	}
}

func (e *judge) checkChain(key string, what *published, chain []messages.Event) {
	names := map[messages.EventName]int{}
	for i, ev := range chain {
		names[ev.Name]++
		if names[ev.Name] > 1 {
			e.log.violation("%s: %s twice", key, ev.Name)
		}
		if ev.Digest != chain[0].Digest {
			e.log.violation("%s: %s has another digest than the first event", key, ev.Name)
		}
		if ev.Name.Final() != (i == len(chain)-1) {
			e.log.violation("%s: %s is event %d of %d", key, ev.Name, i+1, len(chain))
		}
		if ev.Name == messages.EventRevokeRequested {
			e.checkRequested(key, ev)
		}
	}
	revokes := what.cmd.Action() == messages.ActionRevoke && !what.cmd.DryRun
	if revokes && chain[0].Name != messages.EventRevokeAccepted {
		e.log.violation("%s: the first event is %s", key, chain[0].Name)
	}
	final := chain[len(chain)-1]
	if final.Name.Final() {
		e.checkFinal(key, what, final)
	}
}

// checkRequested: the request exists, is for that order, and is said to be the
// command's own exactly if its comments say so.
func (e *judge) checkRequested(key string, ev messages.Event) {
	q, known := e.requests[ev.RequestID]
	if !known || q.OrderID != ev.OrderID || q.CertificateID != ev.CertificateID {
		e.log.violation("%s: waits for request %d, which is %+v", key, ev.RequestID, q)
	} else if own := commandOf(q.Comments) == key; own == ev.Already {
		e.log.violation("%s: request %d has the comments %q, and already is %v", key, ev.RequestID, q.Comments, ev.Already)
	}
}

// checkFinal holds the answer to what DigiCert knows.
func (e *judge) checkFinal(key string, what *published, final messages.Event) {
	c := what.cmd
	own := e.effective(target{c.OrderID, c.CertificateID}, key)
	begun := 0
	for _, p := range e.puts[target{c.OrderID, c.CertificateID}] {
		if p.by == key && p.Status != 401 && p.Status != 403 && p.Status != 429 {
			begun++
		}
	}
	if c.Action() == messages.ActionRevoke && final.Attempts < begun {
		e.log.violation("%s: %s after %d attempts, and %d calls arrived", key, final.Name, final.Attempts, begun)
	}
	switch final.Name {
	case messages.EventRevoked:
		if status := e.status(c.OrderID, c.CertificateID); status != "revoked" {
			e.log.violation("%s: revoked, and DigiCert says %q of order %d, certificate %d", key, status, c.OrderID, c.CertificateID)
		}
	case messages.EventRevokeRejected:
		if q, known := e.requests[final.RequestID]; !known || q.Status != "rejected" || q.OrderID != c.OrderID {
			e.log.violation("%s: rejected with request %d, which is %+v", key, final.RequestID, q)
		}
	case messages.EventRevokeFailed:
		e.checkFailed(key, what, final, own)
	case messages.EventRevokeCancelled:
		if len(own) > 0 || begun > 0 {
			e.log.violation("%s: cancelled, and %d of its calls arrived, %d with effect", key, begun, len(own))
		}
	case messages.EventRevokePlanned:
		if begun > 0 || !c.DryRun || final.Count == nil || *final.Count != 3 {
			e.log.violation("%s: %s with %d calls, %v certificates", key, final.Name, begun, final.Count)
		}
	case messages.EventDuplicatesListed:
		if c.Lane != messages.LaneListDuplicates || final.Count == nil || *final.Count != 2 {
			e.log.violation("%s: listed %v", key, final.Count)
		}
	case messages.EventListDuplicatesFailed, messages.EventListDuplicatesCancelled:
		if !what.cancelled && c.Expires.IsZero() {
			e.log.violation("%s: %s: %+v", key, final.Name, final.Error)
		}
	case messages.EventRevokeAccepted, messages.EventRevokeRequested, messages.EventRevokeHeld, messages.EventRevokeOverdue, messages.EventCommandRejected:
	}
}

// checkFailed: the reason is one that the command gave, and nothing of it took effect.
func (e *judge) checkFailed(key string, what *published, final messages.Event, own []put) {
	c, right := what.cmd, false
	if final.Error == nil {
		e.log.violation("%s: %s without an error", key, final.Name)
		return
	}
	switch final.Error.Type {
	case messages.ErrorExpired:
		right = !c.Expires.IsZero()
	case messages.ErrorOrderNotFound:
		right = c.OrderID >= digicertsim.UnknownOrders
	case messages.ErrorCertificateNotInOrder:
		right = c.CertificateID == certificateOf(c.OrderID, 77)
	case messages.ErrorProtectedOrder:
		right = c.OrderID == protectedSoakOrder
	default:
	}
	if !right || len(own) > 0 {
		e.log.violation("%s: failed with %s (%s), and %d of its calls had an effect", key, final.Error.Type, final.Error.Detail, len(own))
	}
}

func (e *judge) effective(t target, by string) []put {
	return slices.DeleteFunc(slices.Clone(e.puts[t]), func(p put) bool { return !p.Effective || p.by != by })
}

func (e *judge) status(order, certificate int64) string {
	o, _ := e.p.sim.Order(order)
	for _, c := range append(slices.Concat(o.Duplicates, o.Reissues), o.Certificate) {
		if c.ID == certificate {
			return c.Status
		}
	}
	return o.Status
}

// checkLetters: a dead letter for each command that failed or was rejected, one
// each, and for no other.
func (e *judge) checkLetters() {
	want := map[string]bool{}
	for _, ev := range slices.Concat(slices.Concat(slices.Collect(maps.Values(e.chains))...), slices.Collect(maps.Values(e.answers))) {
		switch ev.Name {
		case messages.EventRevokeFailed, messages.EventListDuplicatesFailed, messages.EventCommandRejected:
			want[e.p.names.EventSubject(ev.Name, ev.Command())] = true
		default:
		}
	}
	for subject := range want {
		if n := e.letters[subject]; n != 1 {
			e.log.violation("%d dead letters for %s", n, subject)
		}
	}
	for subject := range e.letters {
		if !want[subject] {
			e.log.violation("a dead letter for %s, which is no event", subject)
		}
	}
}

// checkResidue: nothing is left of commands that ended.
func (e *judge) checkResidue() {
	ctx, cancel := context.WithTimeout(e.p.t.Context(), 30*time.Second)
	defer cancel()
	kv, err := e.p.js.KeyValue(ctx, e.p.names.OrdersBucket())
	if err != nil {
		e.p.t.Fatal(err)
	}
	orders, err := e.p.keys(ctx, e.p.names.OrdersBucket(), "order.>")
	if err != nil {
		e.p.t.Fatal(err)
	}
	for _, key := range orders {
		entry, err := kv.Get(ctx, key)
		if err != nil {
			e.p.t.Fatal(err)
		}
		var record struct {
			Commands map[string]json.RawMessage `json:"commands"`
		}
		if err := json.Unmarshal(entry.Value(), &record); err != nil || len(record.Commands) > 0 {
			e.log.violation("%s still holds notes of commands that ended: %s %v", key, entry.Value(), err)
		}
	}
	if n := e.p.sim.OverLimit(); n > 0 {
		e.log.violation("%d calls over the limit", n)
	}
}
