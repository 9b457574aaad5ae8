package client

import (
	"context"
	"encoding/json"
	"errors"
)

// ListDuplicates lists the duplicate certificates of an order, the archived ones too if showArchived. DigiCert
// does not page this list; up to 64 MiB are taken.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/orders/list-duplicates.html
func (r Reader) ListDuplicates(ctx context.Context, orderID int64, showArchived bool) (Certificates, error) {
	return r.listCertificates(ctx, OpDuplicates, orderID, "/duplicate", showArchived)
}

// ListReissues lists the reissues of an order's certificate, the archived ones too if showArchived.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/orders/list-reissues.html
func (r Reader) ListReissues(ctx context.Context, orderID int64, showArchived bool) (Certificates, error) {
	return r.listCertificates(ctx, OpReissues, orderID, "/reissue", showArchived)
}

func (r Reader) listCertificates(ctx context.Context, op Operation, orderID int64, rest string, showArchived bool) (Certificates, error) {
	x := exchange{op: op, orderID: orderID, path: idPath("/order/certificate/", orderID, rest), limit: listLimit}
	if showArchived {
		x.query = "show_archived=true"
	}
	return get(ctx, r, x, decodeCertificates)
}

// decodeCertificates reads {"certificates":[…]}. A body, a list or a member that is missing, null or {} is an
// empty list: DigiCert answers {} where there is nothing to list.
func decodeCertificates(body []byte) (Certificates, error) {
	if len(body) > 0 && !isObject(body) && string(body) != "null" {
		return Certificates{}, errors.New("the answer is not an object")
	}
	raw := member(body, "certificates")
	switch {
	case raw == nil, string(raw) == "null":
		return Certificates{Raw: json.RawMessage("[]")}, nil
	case !isArray(raw):
		return Certificates{}, errors.New("the certificates of the answer are not a list")
	}
	list := Certificates{Raw: json.RawMessage(raw)}
	for v := range elements(raw) {
		list.Items = append(list.Items, decodeCertificate(v))
	}
	return list, nil
}
