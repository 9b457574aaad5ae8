package digicertsim

import (
	"bytes"
	"maps"
	"slices"
	"time"
)

// history is the latest versions of an order, oldest first.
type history struct {
	auto     bool
	versions []*version
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

func (h *history) add(at time.Time, o Order) {
	h.versions = append(h.versions, &version{at: at, Order: o})
	if len(h.versions) > keptVersions {
		h.versions = slices.Delete(h.versions, 0, 1)
	}
}

func (h *history) current() *version { return h.versions[len(h.versions)-1] }

// asOf returns the version of a time, the oldest one kept if that was later.
func (h *history) asOf(at time.Time) *version {
	for _, v := range slices.Backward(h.versions) {
		if !v.at.After(at) {
			return v
		}
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

func (o *Order) clone() Order {
	c := *o
	c.Duplicates = slices.Clone(o.Duplicates)
	c.Reissues = slices.Clone(o.Reissues)
	c.Requests = slices.Clone(o.Requests)
	c.EffectiveCertificates = maps.Clone(o.EffectiveCertificates)
	c.Certificate.Raw = bytes.Clone(o.Certificate.Raw)
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
