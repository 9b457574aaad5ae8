package digicertsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The reasons that DigiCert documents.
var reasons = []string{"", "unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"}

// revocation is the body of a revoke call. Old pages name the text comment in their table, comments in their samples.
type revocation struct {
	Comments string `json:"comments"`
	Comment  string `json:"comment"`
	Reason   string `json:"revocation_reason"`
	Skip     bool   `json:"skip_approval"`
}

// effect is what a PUT did.
type effect struct {
	answer
	effective bool
	request   int64 // id of the request that was made; 0 = none
}

// revoke does what a revoke call asks for.
func (s *Simulator) revoke(at time.Time, c *arrival) effect {
	var body revocation
	if err := json.Unmarshal(c.body, &body); err != nil {
		return effect{answer: s.problem(http.StatusBadRequest, "bad_request_format", "The request body is not valid JSON.")}
	}
	if body.Comments == "" {
		body.Comments = body.Comment
	}
	if trigger := s.behaviour.HTMLTrigger; strings.Contains(body.Comments, orDefault(trigger, defaultHTMLTrigger)) {
		return effect{answer: page(http.StatusForbidden)}
	}
	if !slices.Contains(reasons, body.Reason) {
		return effect{answer: s.problem(http.StatusBadRequest, "invalid_value|revocation_reason", "The revocation reason is not valid.")}
	}
	if c.role < standard {
		return effect{answer: s.problem(http.StatusForbidden, "access_denied|missing_permission", "Access denied due to missing_permission.")}
	}
	h := s.order(c.orderID)
	if h == nil {
		return effect{answer: s.notFound(c.op)}
	}
	status := h.current().statusOf(c.certificateID)
	if status == "revoked" && s.behaviour.Again == AgainCreates {
		return s.makeRequest(at, h, c, body, "approved")
	}
	if refusal, ok := s.refusal(&h.current().Order, c.op, status); !ok {
		return effect{answer: refusal}
	}
	if body.Skip && c.role == administrator {
		err := s.change(h, at, func(o *Order) {
			o.count(c.certificateID)
			o.revoke(at, c.certificateID, s.behaviour.RevokeEmptyOrders)
		})
		return effect{answer: s.orFailure(answer{status: http.StatusNoContent}, err), effective: err == nil}
	}
	if body.Skip && s.behaviour.Skip == SkipForbidden {
		return effect{answer: s.problem(http.StatusForbidden, "access_denied|missing_permission", "Access denied due to missing_permission.")}
	}
	if s.behaviour.Second == SecondRefused && h.current().waiting(c.certificateID) {
		return effect{answer: s.problem(http.StatusBadRequest, "request_pending|revoke", "A revocation request is already pending.")}
	}
	return s.makeRequest(at, h, c, body, "pending")
}

// refusal judges whether a target of that status can be revoked at all.
func (s *Simulator) refusal(o *Order, op Operation, status string) (answer, bool) {
	switch {
	case status == "revoked" && s.behaviour.Again == AgainNoContent:
		return answer{status: http.StatusNoContent}, false
	case status == "revoked" && op == OpRevokeOrder:
		return s.problem(http.StatusBadRequest, "order_already_revoked", "The order has already been revoked."), false
	case status == "revoked":
		return s.problem(http.StatusBadRequest, "certificate_already_revoked", "The certificate has already been revoked."), false
	case o.PendingReissue || o.Status == "reissue_pending":
		return s.problem(http.StatusBadRequest, "pending_reissue", "Certificates with a pending reissue order cannot be revoked."), false
	case status != "issued" && status != "approved":
		return s.problem(http.StatusBadRequest, "invalid_status|"+status, "It cannot be revoked in its status."), false
	}
	return answer{}, true
}

// statusOf is the status of the order (0) or of one of its certificates.
func (o *Order) statusOf(certificateID int64) string {
	if c := o.certificate(certificateID); certificateID != 0 && c != nil && o.Status != "revoked" {
		return c.Status
	}
	return o.Status
}

func (s *Simulator) makeRequest(at time.Time, h *history, c *arrival, body revocation, status string) effect {
	o := &h.current().Order
	q := Request{
		ID: s.nextRequest, Date: at.UTC().Truncate(time.Second), Type: "revoke", Status: status,
		OrderID: o.ID, CertificateID: c.certificateID, Comments: body.Comments, RevocationReason: body.Reason,
	}
	if o.NextRequest != nil {
		if _, taken := s.requests[o.NextRequest.ID]; !taken {
			q.ID, q.Date = o.NextRequest.ID, o.NextRequest.Date
		}
	}
	if s.opts.AutoDecide > 0 && o.Decision != Wait {
		q.Due = at.Add(s.opts.AutoDecide)
	}
	err := s.change(h, at, func(o *Order) {
		o.count(c.certificateID)
		o.NextRequest = nil
		o.Requests = append(o.Requests, q)
	})
	s.know(q)
	return effect{answer: s.orFailure(answer{status: http.StatusCreated, body: s.encodeMade(q)}, err), effective: err == nil, request: q.ID}
}

// Approve approves a waiting request, as an administrator does: what it asks to revoke is revoked.
func (s *Simulator) Approve(requestID int64) error { return s.Decide(requestID, true, "") }

// Reject rejects a waiting request: nothing is revoked.
func (s *Simulator) Reject(requestID int64) error { return s.Decide(requestID, false, "") }

// Decide approves or rejects a waiting request with an administrator's comment.
func (s *Simulator) Decide(requestID int64, approve bool, comment string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.settle(now)
	status := "rejected"
	if approve {
		status = "approved"
	}
	return s.decide(requestID, status, now, comment)
}

// Errors of Approve, Reject and Decide.
var (
	ErrNoRequest = errors.New("there is no such request")
	ErrDecided   = errors.New("the request is decided already")
)

func (s *Simulator) decide(id int64, status string, at time.Time, comment string) error {
	h := s.orders[s.requests[id]]
	if h == nil || h.current().request(id) == nil {
		return fmt.Errorf("deciding request %d: %w", id, ErrNoRequest)
	}
	if q := h.current().request(id); !q.waits() {
		return fmt.Errorf("deciding request %d, which is %s: %w", id, q.Status, ErrDecided)
	}
	return s.change(h, at, func(o *Order) {
		q := o.request(id)
		q.Status, q.DateProcessed, q.ProcessorComment = status, at.UTC().Truncate(time.Second), comment
		if status == "approved" && q.Type == "revoke" {
			o.revoke(at, q.CertificateID, s.behaviour.RevokeEmptyOrders)
		}
	})
}

// RevokeOutside revokes an order as somebody at DigiCert's console does, without a call and without a request.
func (s *Simulator) RevokeOutside(orderID int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.order(orderID)
	if h == nil {
		return fmt.Errorf("revoking order %d: there is no such order", orderID)
	}
	now := time.Now()
	s.settle(now)
	return s.change(h, now, func(o *Order) { o.revoke(now, 0, false) })
}

// count notes a PUT that had an effect.
func (o *Order) count(certificateID int64) {
	if certificateID == 0 {
		o.Effective++
		return
	}
	if o.EffectiveCertificates == nil {
		o.EffectiveCertificates = make(map[int64]int)
	}
	o.EffectiveCertificates[certificateID]++
}

// waiting reports whether a revocation request for the target (0 = the order) waits.
func (o *Order) waiting(certificateID int64) bool {
	return slices.ContainsFunc(o.Requests, func(q Request) bool {
		return q.Type == "revoke" && q.waits() && q.CertificateID == certificateID
	})
}

// revoke revokes one certificate, or with 0 the order and all of them.
func (o *Order) revoke(at time.Time, certificateID int64, emptyToo bool) {
	all := certificateID == 0
	left := o.Certificate.revoke(all || o.Certificate.ID == certificateID)
	for _, list := range []*[]Certificate{&o.Duplicates, &o.Reissues} {
		*list = slices.Clone(*list) // other versions of the order share it
		for i := range *list {
			c := &(*list)[i]
			left += c.revoke(all || c.ID == certificateID)
		}
	}
	o.DuplicatesBody = ""
	if o.Status != "revoked" && (all || emptyToo && left == 0) {
		o.Status, o.StatusChanged = "revoked", at.UTC()
	}
}

// revoke revokes the certificate if it should be and can be; 1 = it is still good.
func (c *Certificate) revoke(should bool) int {
	switch {
	case c.Status != "issued" && c.Status != "approved":
		return 0
	case !should:
		return 1
	}
	c.setStatus("revoked")
	return 0
}

// certificate finds one of the order's certificates.
func (o *Order) certificate(id int64) *Certificate {
	if o.Certificate.ID == id {
		return &o.Certificate
	}
	for _, list := range [][]Certificate{o.Duplicates, o.Reissues} {
		for i := range list {
			if list[i].ID == id {
				return &list[i]
			}
		}
	}
	return nil
}
