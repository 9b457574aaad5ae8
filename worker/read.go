package worker

import (
	"context"
	"crypto/rand"
	"fmt"

	"certrecall/client"
	"certrecall/worker/ledger"
)

// sight is one read of an order: what it shows of the target.
type sight struct {
	ledger.Reading
	// member is false if the target is a certificate that the order, its
	// duplicates and its reissues do not have.
	member bool
	order  client.Order
	// certificate is the target, or the primary one where that is the whole order.
	certificate client.Certificate
	// notFound is DigiCert's answer where the order is missing.
	notFound error
}

// look reads the order from DigiCert: its status and its revoke requests and,
// if one certificate is the target, that certificate, wherever among the
// order's own, its duplicates and its reissues it is found. known tells of a
// request whose it is.
func (w *Worker) look(ctx context.Context, r client.Reader, orderID, target int64, known func(id int64, comments string) bool) (sight, error) {
	s := sight{Reading: ledger.Reading{ID: rand.Text(), Began: w.clock.Now()}}
	order, err := r.Order(ctx, orderID)
	if orderMissing(err) {
		s.Missing, s.notFound = true, err
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.order, s.OrderStatus = order, order.Status
	requests, err := w.revokeRequests(ctx, r, order, known)
	if err != nil {
		return s, err
	}
	for _, q := range requests {
		s.Requests = append(s.Requests, named(q, order))
	}
	s.Revoked, s.member, s.certificate = order.Status == "revoked", true, order.Certificate
	if target == ledger.WholeOrder {
		return s, nil
	}
	if s.certificate, s.member, err = findCertificate(ctx, r, order, target); err != nil {
		return s, err
	}
	s.Revoked = s.member && (s.Revoked || s.certificate.Status == "revoked")
	return s, nil
}

// named is a request with the target that DigiCert names. One for the whole
// order names the order's primary certificate.
func named(q client.Request, order client.Order) ledger.SeenRequest {
	s := ledger.SeenRequest{Request: seen(q), Comments: q.Comments, Target: q.CertificateID, Named: q.CertificateID != 0}
	if q.CertificateID == order.Certificate.ID {
		s.Target = ledger.WholeOrder
	}
	return s
}

// nobodys knows of no request whose it is.
func nobodys(int64, string) bool { return false }

func seen(q client.Request) ledger.Request {
	return ledger.Request{ID: q.ID, Status: q.Status, Decided: q.DateProcessed, Raw: q.Raw}
}

// revokeRequests are the order's revoke requests. An order that says nothing of
// requests is asked for by the list of waiting ones. One that waits, and of
// which nobody knows whose it is, is read alone: only there DigiCert names the
// certificate that it is about.
func (w *Worker) revokeRequests(ctx context.Context, r client.Reader, order client.Order, known func(int64, string) bool) ([]client.Request, error) {
	all := order.Requests
	if all == nil && order.Status != "revoked" {
		for _, status := range []string{"pending", "submitted"} {
			for q, err := range r.Requests(ctx, client.RequestFilter{Type: "revoke", Status: status}) {
				if err != nil {
					return nil, err
				}
				if q.OrderID == order.ID && (q.Status == "pending" || q.Status == "submitted") {
					all = append(all, q)
				}
			}
		}
	}
	var revokes []client.Request
	for _, q := range all {
		if q.Type != "revoke" || q.ID == 0 {
			continue
		}
		if seen(q).Waits() && q.CertificateID == 0 && !known(q.ID, q.Comments) {
			whole, err := r.Request(ctx, q.ID)
			if err != nil && !orderMissing(err) {
				return nil, err
			}
			if err == nil {
				q = whole
			}
		}
		revokes = append(revokes, q)
	}
	return revokes, nil
}

// findCertificate looks among all certificates of the order, archived ones too.
func findCertificate(ctx context.Context, r client.Reader, order client.Order, id int64) (client.Certificate, bool, error) {
	if order.Certificate.ID == id {
		return order.Certificate, true, nil
	}
	lists := []func(context.Context, int64, bool) (client.Certificates, error){r.ListDuplicates, r.ListReissues}
	for _, list := range lists {
		found, err := list(ctx, order.ID, true)
		if err != nil && !orderMissing(err) {
			return client.Certificate{}, false, fmt.Errorf("looking for certificate %d: %w", id, err)
		}
		for _, c := range found.Items {
			if c.ID == id {
				return c, true, nil
			}
		}
	}
	return client.Certificate{}, false, nil
}
