package client

import (
	"context"
	"errors"
	"fmt"
)

// Order reads an order: its status, its primary certificate and its requests. An answer that says nothing of the
// status, or speaks of another order, is ClassUnavailable: nothing may be decided from it.
//
// https://dev.digicert.com/en/certcentral-apis/services-api/orders/order-info.html
func (r Reader) Order(ctx context.Context, orderID int64) (Order, error) {
	x := exchange{op: OpOrder, orderID: orderID, path: idPath("/order/certificate/", orderID, ""), limit: orderLimit}
	return get(ctx, r, x, func(body []byte) (Order, error) {
		o := decodeOrder(body)
		switch {
		case o.Status == "":
			return o, errors.New("the answer is not an order with a status")
		case o.ID == 0:
			o.ID = orderID
		case o.ID != orderID:
			return o, fmt.Errorf("the answer is about order %d", o.ID)
		}
		for i := range o.Requests {
			if o.Requests[i].OrderID == 0 {
				o.Requests[i].OrderID = orderID
			}
		}
		return o, nil
	})
}
