package client

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// maxStatusWindow is DigiCert's; more is refused as time_frame_too_long.
const maxStatusWindow = 7 * 24 * time.Hour

// StatusChanges lists the orders whose status changed within the window that ends now, each with its latest status.
// The window is rounded up to a second and clamped to 1 s … 7 days.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/orders/list-order-status-changes.html
func (r Reader) StatusChanges(ctx context.Context, window time.Duration) ([]StatusChange, error) {
	window = min(max(window, time.Second), maxStatusWindow)
	seconds := (window + time.Second - 1) / time.Second
	x := exchange{op: OpStatusChanges, path: "/order/certificate/status-changes", query: query("seconds", strconv.FormatInt(int64(seconds), 10)), limit: orderLimit}
	return get(ctx, r, x, func(body []byte) ([]StatusChange, error) {
		if len(body) > 0 && !isObject(body) && string(body) != "null" {
			return nil, errors.New("the answer is not an object")
		}
		var changes []StatusChange
		for v := range elements(member(body, "orders")) {
			changes = append(changes, decodeStatusChange(v))
		}
		return changes, nil
	})
}
