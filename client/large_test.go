package client

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bigList answers with a list of about size bytes, with or without its length.
func bigList(size int, chunked bool) http.HandlerFunc {
	one := `{"id":1,"csr":"` + strings.Repeat("x", 1000) + `"},`
	body := `{"certificates":[` + strings.Repeat(one, size/len(one)) + `{"id":2}]}`
	return func(w http.ResponseWriter, _ *http.Request) {
		if !chunked {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		_, _ = io.WriteString(w, body)
	}
}

// Large lists are in hand one at a time, for as long as their askers need them; small ones pass them by.
func TestLargeListsAreInHandOneAtATime(t *testing.T) {
	t.Parallel()
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked %t", chunked), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.Contains(r.URL.Path, "/9/") {
						bigList(10<<10, chunked)(w, r)
						return
					}
					bigList(3<<20, chunked)(w, r)
				}))
				var now, most atomic.Int32
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						ctx, done := c.InHand(t.Context())
						defer done()
						for range 2 { // the second is under the same turn
							list, err := c.Reader(nil).ListDuplicates(ctx, 7, true)
							if err != nil || len(list.Items) < 2000 {
								t.Errorf("%d items, %v", len(list.Items), err)
							}
						}
						most.Store(max(most.Load(), now.Add(1)))
						time.Sleep(time.Minute) // synctest: longer than the call time-out
						now.Add(-1)
					})
				}
				time.Sleep(time.Second) // synctest
				began := time.Now()
				if _, err := c.Reader(nil).ListDuplicates(t.Context(), 9, true); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("a small list waited for %s", took)
				}
				all.Wait()
				if most.Load() != 1 {
					t.Errorf("%d large lists were in hand at once", most.Load())
				}
				if _, err := c.Reader(nil).ListDuplicates(t.Context(), 7, true); err != nil { // nobody holds a turn any more
					t.Error(err)
				}
			})
		})
	}
}
