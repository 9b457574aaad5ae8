package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// maxStatusWindow is DigiCert's; more is refused as time_frame_too_long.
const maxStatusWindow = 7 * 24 * time.Hour

// StatusChanges lists the orders whose status changed within the window that ends now, each with its latest status.
// The window is rounded up to a second and clamped to 1 s … 7 days. More than 1000 changes take a call for each 1000.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/orders/status-change-list.html
func (r Reader) StatusChanges(ctx context.Context, window time.Duration) ([]StatusChange, error) {
	window = min(max(window, time.Second), maxStatusWindow)
	seconds := strconv.FormatInt(int64((window+time.Second-1)/time.Second), 10)
	var all []StatusChange
	for range maxPages {
		x := exchange{op: OpStatusChanges, path: "/order/certificate/status-changes", limit: orderLimit}
		x.query = query("seconds", seconds, "limit", strconv.Itoa(pageSize), "offset", strconv.Itoa(len(all)))
		page, err := get(ctx, r, x, decodeStatusChanges)
		if err != nil {
			return nil, err
		}
		if len(all) > 0 && len(page) > 0 && page[0] == all[0] {
			return all, nil // the list is not paged after all, and was whole
		}
		all = append(all, page...)
		if len(page) < pageSize {
			return all, nil
		}
	}
	return nil, &Error{Op: OpStatusChanges, Class: ClassRefused, Err: fmt.Errorf("more than %d pages", maxPages)}
}

func decodeStatusChanges(body []byte) ([]StatusChange, error) {
	if len(body) > 0 && !isObject(body) && string(body) != "null" {
		return nil, errors.New("the answer is not an object")
	}
	var changes []StatusChange
	for v := range elements(member(body, "orders")) {
		changes = append(changes, decodeStatusChange(v))
	}
	return changes, nil
}
