package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
)

const (
	pageSize = 1000 // the most that DigiCert gives at once
	maxPages = 1000
)

// Request reads one request. An answer without a status, or about another request, is ClassUnavailable.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/requests/request-info.html
func (r Reader) Request(ctx context.Context, id int64) (Request, error) {
	x := exchange{op: OpRequest, requestID: id, path: idPath("/request/", id, ""), limit: answerLimit}
	return get(ctx, r, x, func(body []byte) (Request, error) {
		q := decodeRequest(body)
		switch {
		case q.Status == "":
			return q, errors.New("the answer is not a request with a status")
		case q.ID == 0:
			q.ID = id
		case q.ID != id:
			return q, fmt.Errorf("the answer is about request %d", q.ID)
		}
		return q, nil
	})
}

// Requests lists requests, one call for each page of 1000, made when its first item is asked for. The first error
// is the last element. DigiCert has been seen to ignore the filter: check the status of each item. Requests that
// are decided while the list is read can move others across the border of a page: an item that is not seen is not
// proof that it no longer waits.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/requests/list-requests.html
func (r Reader) Requests(ctx context.Context, filter RequestFilter) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		offset, before := 0, int64(0)
		for range maxPages {
			page, err := r.requestsPage(ctx, OpRequests, filter, pageSize, offset)
			if err == nil && len(page.items) > 0 && offset > 0 && page.items[0].ID == before {
				err = &Error{Op: OpRequests, Class: ClassRefused, Err: errors.New("the same page came again: the offset is ignored")}
			}
			if err != nil {
				yield(Request{}, err)
				return
			}
			for _, q := range page.items {
				if !yield(q, nil) {
					return
				}
			}
			offset += len(page.items)
			if page.last(offset) {
				return
			}
			before = page.items[0].ID
		}
		yield(Request{}, &Error{Op: OpRequests, Class: ClassRefused, Err: fmt.Errorf("more than %d pages", maxPages)})
	}
}

// Probe asks for one request, to learn whether DigiCert answers and takes the key. It is never repeated.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/requests/list-requests.html
func (r Reader) Probe(ctx context.Context) error {
	x := exchange{op: OpProbe, method: http.MethodGet, path: "/request", query: "limit=1", limit: answerLimit}
	x.decode = func(_ int, body []byte) error {
		_, err := decodePage(body)
		return err
	}
	p := ticket{r: r, op: x.op}
	if err := p.admit(ctx); err != nil {
		f := x.fail(ClassNeverSent, err)
		f.Canceled = ctx.Err() != nil
		return f
	}
	if f := r.c.bounded(ctx, &x, p.renew); f != nil {
		return f
	}
	return nil
}

type requestList struct {
	items []Request
	total int64 // -1 = not said
}

// last reports whether nothing follows the items before offset.
func (p requestList) last(offset int) bool {
	if p.total >= 0 && len(p.items) > 0 {
		return int64(offset) >= p.total
	}
	return len(p.items) < pageSize
}

func (r Reader) requestsPage(ctx context.Context, op Operation, filter RequestFilter, limit, offset int) (requestList, error) {
	pairs := []string{"limit", strconv.Itoa(limit), "offset", strconv.Itoa(offset)}
	if filter.Type != "" {
		pairs = append(pairs, "filters[type]", filter.Type)
	}
	if filter.Status != "" {
		pairs = append(pairs, "filters[status]", filter.Status)
	}
	x := exchange{op: op, path: "/request", query: query(pairs...), limit: orderLimit}
	return get(ctx, r, x, decodePage)
}

func decodePage(body []byte) (requestList, error) {
	page := requestList{total: -1}
	if len(body) > 0 && !isObject(body) && string(body) != "null" {
		return page, errors.New("the answer is not an object")
	}
	for key, v := range members(body) {
		switch string(key) {
		case "requests":
			for e := range elements(v) {
				page.items = append(page.items, decodeRequest(e))
			}
		case "page":
			if total := member(v, "total"); total != nil {
				page.total = integer(total)
			}
		}
	}
	return page, nil
}
