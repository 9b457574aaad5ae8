package digicertsim

import (
	"maps"
	"slices"
	"time"
)

// history is the latest versions of an order, oldest first. Versions are never changed once made, and share what
// did not change between them.
type history struct {
	// auto: the order was made up, with so many duplicates. What it was before its first change is made up again
	// when somebody asks: most orders of a benchmark are changed once and never looked back at.
	auto       bool
	duplicates int
	versions   []*version
}

type version struct {
	at time.Time // when it came to be
	Order
	bodies map[bodyKind][]byte // encoded answers
}

type bodyKind struct {
	op       Operation
	archived bool
}

// madeUp is the history of an order that is made up from its id.
func madeUp(id int64, duplicates int) *history {
	h := &history{auto: true, duplicates: duplicates}
	h.add(time.Time{}, autoOrder(id, duplicates))
	return h
}

func (h *history) add(at time.Time, o Order) {
	h.versions = append(h.versions, &version{at: at, Order: o})
	if len(h.versions) > keptVersions {
		h.versions = slices.Delete(h.versions, 0, 1)
	}
}

func (h *history) current() *version { return h.versions[len(h.versions)-1] }

// change adds a version.
func (h *history) change(at time.Time, o Order) {
	if h.auto && len(h.versions) == 1 && h.versions[0].at.IsZero() {
		h.versions = nil
	}
	h.add(at, o)
}

// asOf returns the version of a time, the oldest one known if that was later.
func (h *history) asOf(at time.Time) *version {
	for _, v := range slices.Backward(h.versions) {
		if !v.at.After(at) {
			return v
		}
	}
	if h.auto && len(h.versions) < keptVersions {
		return madeUp(h.versions[0].ID, h.duplicates).versions[0]
	}
	return h.versions[0]
}

func (h *history) forgetBodies() {
	for _, v := range h.versions {
		v.bodies = nil
	}
}

// body returns an encoded answer, made once a version.
func (v *version) body(kind bodyKind, encode func() []byte) []byte {
	if b, ok := v.bodies[kind]; ok {
		return b
	}
	if v.bodies == nil {
		v.bodies = make(map[bodyKind][]byte)
	}
	b := encode()
	v.bodies[kind] = b
	return b
}

// clone copies an order so that its requests and counts can be changed; lists of certificates are shared.
func (o *Order) clone() Order {
	c := *o
	c.Requests = slices.Clone(o.Requests)
	c.EffectiveCertificates = maps.Clone(o.EffectiveCertificates)
	return c
}

// deepClone copies an order for somebody who may change anything of it, raw JSON excepted.
func (o *Order) deepClone() Order {
	c := o.clone()
	c.Duplicates = slices.Clone(o.Duplicates)
	c.Reissues = slices.Clone(o.Reissues)
	return c
}

func (o *Order) request(id int64) *Request {
	for i := range o.Requests {
		if o.Requests[i].ID == id {
			return &o.Requests[i]
		}
	}
	return nil
}

func (q *Request) waits() bool { return q.Status == "pending" || q.Status == "submitted" }
