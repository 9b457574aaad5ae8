package client

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// requestPages serves the request list with the ids 1 … n in pages of at most size.
func requestPages(n, size int, total bool, calls *[]string) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		*calls = append(*calls, r.URL.Query().Get("offset"))
		var offset int
		_ = json.Unmarshal([]byte(r.URL.Query().Get("offset")), &offset)
		items := []map[string]any{}
		for id := offset + 1; id <= n && len(items) < size; id++ {
			items = append(items, map[string]any{"id": id, "status": "pending"})
		}
		page := map[string]any{"requests": items}
		if total {
			page["page"] = map[string]int{"total": n, "limit": size, "offset": offset}
		}
		_ = json.NewEncoder(w).Encode(page)
	}
}

func TestRequestsArePaged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		n, size int
		total   bool
		offsets []string
	}{
		{"none", 0, pageSize, true, []string{"0"}},
		{"one page", 10, pageSize, true, []string{"0"}},
		{"exactly one page", pageSize, pageSize, true, []string{"0"}},
		{"exactly one page, no total", pageSize, pageSize, false, []string{"0", "1000"}},
		{"three pages", 2*pageSize + 1, pageSize, true, []string{"0", "1000", "2000"}},
		{"three pages, no total", 2*pageSize + 1, pageSize, false, []string{"0", "1000", "2000"}},
		{"smaller pages than asked for", 250, 100, true, []string{"0", "100", "200"}},
	} {
		var offsets []string
		r := piped(t, requestPages(tt.n, tt.size, tt.total, &offsets)).Reader(nil)
		n := 0
		for q, err := range r.Requests(t.Context(), RequestFilter{}) {
			if n++; err != nil || q.ID != int64(n) || q.Status != "pending" {
				t.Fatalf("%s: element %d is %+v, %v", tt.name, n, q, err)
			}
		}
		if n != tt.n || !slices.Equal(offsets, tt.offsets) {
			t.Errorf("%s: %d requests by offsets %v, want %d by %v", tt.name, n, offsets, tt.n, tt.offsets)
		}
	}
}

func TestRequestsEndWithTheFirstError(t *testing.T) {
	t.Parallel()
	full := func(n int) string {
		return `{"requests":[` + strings.TrimSuffix(strings.Repeat(`{"id":1,"status":"pending"},`, n), ",") + `],"page":{"total":5000}}`
	}
	for name, tt := range map[string]struct {
		second string
		class  Class
	}{
		"the same page again": {full(pageSize), ClassRefused},
		"refused":             {"", ClassRefused},
	} {
		r := piped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Query().Get("offset") == "0":
				_, _ = io.WriteString(w, full(pageSize))
			case tt.second == "":
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, problemBody("bad_request", ""))
			default:
				_, _ = io.WriteString(w, tt.second)
			}
		})).Reader(nil)
		n, last := 0, error(nil)
		for _, err := range r.Requests(t.Context(), RequestFilter{}) {
			if last != nil {
				t.Fatalf("%s: an element after the error", name)
			}
			if n++; err != nil {
				last = err
			}
		}
		if n != pageSize+1 || asError(t, last).Class != tt.class {
			t.Errorf("%s: %d elements, last error %v", name, n, last)
		}
	}
}

func TestStatusChanges(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]StatusChange{
		`{"orders":[{"order_id":1,"certificate_id":"2","status":"revoked"},{"order_id":"3"}]}`: {{1, 2, "revoked"}, {3, 0, ""}},
		`{}`: nil, ``: nil, `{"orders":null}`: nil,
	} {
		got, err := piped(t, answers(200, body)).Reader(nil).StatusChanges(t.Context(), time.Hour)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", body, err, diff)
		}
	}
}

func TestStatusChangesArePaged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		n       int
		paged   bool
		offsets []string
	}{
		{"one page", 999, true, []string{"0"}},
		{"two pages", 1001, true, []string{"0", "1000"}},
		{"full pages", 2000, true, []string{"0", "1000", "2000"}},
		{"the offset is ignored", 1500, false, []string{"0", "1500"}},
	} {
		var offsets []string
		r := piped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
			limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
			offsets = append(offsets, r.URL.Query().Get("offset"))
			if !tt.paged {
				offset, limit = 0, tt.n
			}
			orders := []map[string]any{}
			for id := offset + 1; id <= min(tt.n, offset+limit); id++ {
				orders = append(orders, map[string]any{"order_id": id})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"orders": orders})
		})).Reader(nil)
		got, err := r.StatusChanges(t.Context(), time.Hour)
		if err != nil || len(got) != tt.n || got[tt.n-1].OrderID != int64(tt.n) || !slices.Equal(offsets, tt.offsets) {
			t.Errorf("%s: %d changes by offsets %v: %v", tt.name, len(got), offsets, err)
		}
	}
}
