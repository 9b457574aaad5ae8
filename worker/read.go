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
}

// look reads the order from DigiCert: its status and its revoke requests and,
// if one certificate is the target, that certificate, wherever among the
// order's own, its duplicates and its reissues it is found.
func (w *Worker) look(ctx context.Context, r client.Reader, orderID, target int64) (sight, error) {
	s := sight{Reading: ledger.Reading{ID: rand.Text(), Began: w.clock.Now()}}
	order, err := r.Order(ctx, orderID)
	if orderMissing(err) {
		s.Missing = true
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.order, s.OrderStatus = order, order.Status
	requests, err := w.revokeRequests(ctx, r, order)
	if err != nil {
		return s, err
	}
	for _, q := range requests {
		s.Requests = append(s.Requests, ledger.SeenRequest{Request: seen(q), Comments: q.Comments})
	}
	s.Revoked, s.member = order.Status == "revoked", true
	if target == ledger.WholeOrder || s.Revoked {
		return s, nil
	}
	c, found, err := findCertificate(ctx, r, order, target)
	if err != nil {
		return s, err
	}
	s.member, s.Revoked = found, found && c.Status == "revoked"
	return s, nil
}

func seen(q client.Request) ledger.Request {
	return ledger.Request{ID: q.ID, Status: q.Status, Decided: q.DateProcessed, Raw: q.Raw}
}

// revokeRequests are the order's revoke requests. An order that shows no
// requests at all is asked for by the list of waiting ones; one without
// comments, by which its cause is known, is read alone.
func (w *Worker) revokeRequests(ctx context.Context, r client.Reader, order client.Order) ([]client.Request, error) {
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
		if q.Comments == "" && (q.Status == "pending" || q.Status == "submitted") {
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
