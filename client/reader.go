package client

import (
	"context"
	"net/http"
	"strconv"
)

// Admit is asked before every HTTP attempt of a read, repetitions too; it may wait, for a permit of a budget for
// example. Its error ends the call as ClassNeverSent and is wrapped. A nil Pass is always fresh.
type Admit func(ctx context.Context, op Operation) (Pass, error)

// Pass is the permission for one attempt. If the connection comes when it is no longer fresh, it is given back and Admit is
// asked for another before a byte is written.
type Pass interface {
	Fresh() bool
	GiveBack()
}

// Reader makes the calls that change nothing. It has no other method, so that code which holds a Reader alone
// cannot revoke.
type Reader struct {
	c     *Client
	admit Admit
}

// Reader returns a Reader that asks admit before every attempt; nil = always admitted.
func (c *Client) Reader(admit Admit) Reader { return Reader{c, admit} }

// get makes the exchange x as a GET and decodes its answer.
func get[T any](ctx context.Context, r Reader, x exchange, decode func(body []byte) (T, error)) (T, error) {
	var result T
	if x.path == "" {
		return result, x.fail(ClassNeverSent, errNoID)
	}
	x.method = http.MethodGet
	x.decode = func(_ int, body []byte) (err error) {
		result, err = decode(body)
		return err
	}
	if err := r.read(ctx, &x); err != nil {
		return *new(T), err
	}
	return result, nil
}

// idPath puts an id between two parts of a path; "" if it cannot be an id.
func idPath(before string, id int64, after string) string {
	if id <= 0 {
		return ""
	}
	return before + strconv.FormatInt(id, 10) + after
}
