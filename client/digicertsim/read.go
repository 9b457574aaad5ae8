package digicertsim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	maxPage         = 1000
	maxStatusWindow = 7 * 24 * time.Hour
)

// read answers a call that changes nothing, with the state of the time at.
func (s *Simulator) read(at, now time.Time, c *arrival) answer {
	switch c.op {
	case OpOrder:
		return s.ofOrder(c, at, func(v *version) []byte {
			return v.body(bodyKind{op: OpOrder}, func() []byte { return s.encodeOrder(&v.Order) })
		})
	case OpDuplicates:
		return s.ofOrder(c, at, func(v *version) []byte {
			if v.DuplicatesBody != "" && !s.behaviour.StringIDs {
				return []byte(v.DuplicatesBody)
			}
			return s.list(v, c, v.Duplicates)
		})
	case OpReissues:
		return s.ofOrder(c, at, func(v *version) []byte { return s.list(v, c, v.Reissues) })
	case OpRequest:
		return s.request(c, at)
	case OpRequests:
		return s.listRequests(c, at)
	case OpStatusChanges:
		return s.statusChanges(c, at, now)
	case OpRevokeOrder, OpRevokeCertificate:
	}
	return s.notFound("")
}

func (s *Simulator) ofOrder(c *arrival, at time.Time, body func(*version) []byte) answer {
	h := s.order(c.orderID)
	if h == nil {
		return s.notFound(c.op)
	}
	return answer{status: http.StatusOK, body: body(h.asOf(at))}
}

func (s *Simulator) list(v *version, c *arrival, all []Certificate) []byte {
	archived := queryOf(c).Get("show_archived")
	kind := bodyKind{c.op, archived == "true" || archived == "1"}
	return v.body(kind, func() []byte { return s.encodeList(kind, all) })
}

func (s *Simulator) request(c *arrival, at time.Time) answer {
	h := s.orders[s.requests[c.requestID]]
	if h == nil {
		return s.notFound(c.op)
	}
	v := h.asOf(at)
	q := v.request(c.requestID)
	if q == nil {
		return s.notFound(c.op)
	}
	return answer{status: http.StatusOK, body: s.encodeRequest(&v.Order, q)}
}

func (s *Simulator) listRequests(c *arrival, at time.Time) answer {
	values := queryOf(c)
	kind, status := values.Get("filters[type]"), orDefault(values.Get("filters[status]"), values.Get("status"))
	if s.behaviour.FilterIgnored {
		kind, status = "", ""
	}
	limit, offset := paging(values)
	var page []wireRequest
	total := 0
	for _, id := range s.requestIDs {
		v := s.orders[s.requests[id]].asOf(at)
		q := v.request(id)
		if q == nil || kind != "" && kind != q.Type || status != "" && status != q.Status {
			continue
		}
		if total >= offset && len(page) < limit {
			page = append(page, s.wireRequest(&v.Order, q, false))
		}
		total++
	}
	if len(page) == 0 {
		return answer{status: http.StatusOK, body: []byte("{}")}
	}
	return answer{status: http.StatusOK, body: encode(map[string]any{
		"requests": page,
		"page":     map[string]int{"total": total, "limit": limit, "offset": offset},
	})}
}

func (s *Simulator) statusChanges(c *arrival, at, now time.Time) answer {
	values := queryOf(c)
	window := time.Duration(parseID(values.Get("seconds"))) * time.Second
	window += time.Duration(parseID(values.Get("minutes"))) * time.Minute
	if window > maxStatusWindow {
		return s.problem(http.StatusBadRequest, "time_frame_too_long", "The time frame is too long.")
	}
	if window <= 0 {
		return s.problem(http.StatusBadRequest, "required_param:seconds", "seconds is a required parameter.")
	}
	type change struct {
		OrderID       any    `json:"order_id"`
		CertificateID any    `json:"certificate_id"`
		Status        string `json:"status"`
	}
	var changes []change
	ids := make([]int64, 0, len(s.orders))
	for id, h := range s.orders {
		if changed := h.asOf(at).StatusChanged; !changed.IsZero() && now.Sub(changed) <= window {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	limit, offset := paging(values)
	ids = ids[min(offset, len(ids)):]
	for _, id := range ids[:min(limit, len(ids))] {
		o := &s.orders[id].asOf(at).Order
		changes = append(changes, change{s.id(id), s.id(o.Certificate.ID), o.Status})
	}
	if len(changes) == 0 {
		return answer{status: http.StatusOK, body: []byte("{}")}
	}
	return answer{status: http.StatusOK, body: encode(map[string]any{"orders": changes})}
}

// paging reads which part of a list is asked for.
func paging(values url.Values) (limit, offset int) {
	limit = min(orDefault(int(parseID(values.Get("limit"))), maxPage), maxPage)
	return limit, int(parseID(values.Get("offset")))
}

func queryOf(c *arrival) url.Values {
	if c.query == "" {
		return nil
	}
	v, _ := url.ParseQuery(c.query) // what cannot be read is not there
	return v
}

// id is how an id is written.
func (s *Simulator) id(n int64) any {
	if s.behaviour.StringIDs {
		return strconv.FormatInt(n, 10)
	}
	return n
}
