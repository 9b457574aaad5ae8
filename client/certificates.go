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

// CountDuplicates lists as ListDuplicates does, and only counts the certificates: the list is not read into another form.
func (r Reader) CountDuplicates(ctx context.Context, orderID int64, showArchived bool) (raw json.RawMessage, count int, err error) {
	list, err := r.list(ctx, OpDuplicates, orderID, "/duplicate", showArchived, func([]byte) { count++ })
	return list.Raw, count, err
}

// ListReissues lists the reissues of an order's certificate, the archived ones too if showArchived.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/orders/list-reissues.html
func (r Reader) ListReissues(ctx context.Context, orderID int64, showArchived bool) (Certificates, error) {
	return r.listCertificates(ctx, OpReissues, orderID, "/reissue", showArchived)
}

func (r Reader) listCertificates(ctx context.Context, op Operation, orderID int64, rest string, showArchived bool) (Certificates, error) {
	var items []Certificate
	list, err := r.list(ctx, op, orderID, rest, showArchived, func(v []byte) { items = append(items, decodeCertificate(v)) })
	list.Items = items
	return list, err
}

// list gives each certificate of the answer to each.
func (r Reader) list(ctx context.Context, op Operation, orderID int64, rest string, showArchived bool, each func([]byte)) (Certificates, error) {
	x := exchange{op: op, orderID: orderID, path: idPath("/order/certificate/", orderID, rest), limit: listLimit}
	if showArchived {
		x.query = "show_archived=true"
	}
	return get(ctx, r, x, func(body []byte) (Certificates, error) { return decodeCertificates(body, each) })
}

// decodeCertificates reads {"certificates":[…]}. A body, a list or a member that is missing, null or {} is an
// empty list: DigiCert answers {} where there is nothing to list.
func decodeCertificates(body []byte, each func([]byte)) (Certificates, error) {
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
		each(v)
	}
	return list, nil
}
