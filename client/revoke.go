package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// RevokeOrder revokes all certificates of an order, duplicates and reissues included, or asks for it: the receipt
// has the request that an administrator decides, or none if it was done at once. Revoking cannot be undone, and
// DigiCert knows no idempotency key: after ClassOutcomeUnknown read the order before anything else.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/orders/revoke-order-certificates.html
func (c *Client) RevokeOrder(ctx context.Context, orderID int64, r Revocation) (Receipt, error) {
	x := exchange{op: OpRevokeOrder, orderID: orderID, path: idPath("/order/certificate/", orderID, "/revoke")}
	return c.revoke(ctx, x, r)
}

// RevokeCertificate revokes one certificate, named by the id that the lists give. DigiCert refuses it while a
// reissue of it is pending. Otherwise it is as RevokeOrder.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/certificates/revoke-certificate.html
func (c *Client) RevokeCertificate(ctx context.Context, certificateID int64, r Revocation) (Receipt, error) {
	x := exchange{op: OpRevokeCertificate, certificateID: certificateID, path: idPath("/certificate/", certificateID, "/revoke")}
	return c.revoke(ctx, x, r)
}

// revocationBody is the request of both pages. The documentation names the text "comment" in its table and
// "comments" in its samples and in every answer; clients in production send "comments".
type revocationBody struct {
	Comments     string `json:"comments,omitempty"`
	Reason       string `json:"revocation_reason,omitempty"`
	SkipApproval bool   `json:"skip_approval,omitempty"`
}

func (c *Client) revoke(ctx context.Context, x exchange, r Revocation) (Receipt, error) {
	if x.path == "" {
		return Receipt{}, x.fail(ClassNeverSent, errNoID)
	}
	body, err := json.Marshal(revocationBody(r))
	if err != nil {
		return Receipt{}, x.fail(ClassNeverSent, fmt.Errorf("encoding the revocation: %w", err))
	}
	var receipt Receipt
	x.method, x.body, x.limit = http.MethodPut, body, answerLimit
	x.decode = func(status int, body []byte) error {
		receipt.Status = status
		if len(body) == 0 {
			return nil // done at once
		}
		q := decodeRequest(body)
		if q.ID <= 0 {
			return errors.New("the answer is not a request with an id")
		}
		if q.OrderID == 0 {
			q.OrderID = x.orderID
		}
		if q.CertificateID == 0 {
			q.CertificateID = x.certificateID
		}
		receipt.Request = &q
		return nil
	}
	if err := c.put(ctx, &x); err != nil {
		return Receipt{}, err
	}
	return receipt, nil
}
