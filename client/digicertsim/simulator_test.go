package digicertsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// do sends one call to the simulator, with the key "k" unless another is given.
func do(t *testing.T, s *Simulator, method, path, body string, key ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("X-Dc-Devkey", append(key, "k")[0])
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func orderURL(id int64, rest string) string {
	return BasePath + "/order/certificate/" + strconv.FormatInt(id, 10) + rest
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("samples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compact(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSampleOrderAnswersAsTheDocumentation(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	code, body := do(t, s, "GET", orderURL(SampleOrder, "/duplicate"), "")
	if diff := cmp.Diff(string(sample(t, "duplicates.json")), body); code != 200 || diff != "" {
		t.Errorf("duplicates: %d (-want +got)\n%s", code, diff)
	}
	code, body = do(t, s, "PUT", orderURL(SampleOrder, "/revoke"), `{"comments":"Revoked via API!"}`)
	if diff := cmp.Diff(compact(t, sample(t, "revoke.json")), body); code != 201 || diff != "" {
		t.Errorf("revoke: %d (-want +got)\n%s", code, diff)
	}
	if _, body = do(t, s, "GET", orderURL(SampleOrder, "/duplicate"), ""); body != string(sample(t, "duplicates.json")) {
		t.Errorf("duplicates while a request waits:\n%s", body)
	}
	// The fields of Certificate are those of the page, all of them, in its order.
	o, _ := s.Order(SampleOrder)
	o.DuplicatesBody = ""
	if err := s.AddOrder(o); err != nil {
		t.Fatal(err)
	}
	want := compact(t, sample(t, "duplicates.json"))
	if _, body = do(t, s, "GET", orderURL(SampleOrder, "/duplicate"), ""); body != want {
		t.Errorf("duplicates from the fields:\n%s\nwant:\n%s", body, want)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	for _, tt := range []struct {
		path   string
		status int
		parts  []string
		not    string
	}{
		{BasePath + "/request?limit=1", 200, []string{`"certificate":{"common_name":"order-112241.example.com"}`, `"page":{"limit":1,"offset":0,"total":1}`}, `"id":112241000`},
		{orderURL(EmptyOrder, ""), 200, []string{`"status":"issued"`, `"requests":[]`, `"product":{`}, `"csr":"<csr>","server_platform":{"id":-1,"name":"OTHER"},"signature_hash":"sha256","key_size":2048,"ca_cert_id":"1005","sub_id":"000","public_id":"<public_id>","archived"`},
		{orderURL(AskedOrder, ""), 200, []string{`"requests":[{"id":900001,`, `"type":"revoke","status":"pending"`}, ""},
		{orderURL(EmptyOrder, "/duplicate"), 200, []string{`{}`}, "certificates"},
		{orderURL(EmptyOrder, "/reissue"), 200, []string{`{}`}, "certificates"},
		{orderURL(ReissuedOrder, "/reissue"), 200, []string{`"archived":0`, `"receipt_id":"1234"`, `"date_issued":`}, `"archived":1`},
		{orderURL(ReissuedOrder, "/reissue?show_archived=true"), 200, []string{`"archived":0`, `"archived":1`}, ""},
		{orderURL(ReissuedOrder, "/duplicate"), 200, []string{`"archived":"0"`}, `"archived":"1"`},
		{orderURL(ReissuedOrder, "/duplicate?show_archived=true"), 200, []string{`"archived":"0"`, `"archived":"1"`}, ""},
		{orderURL(5, ""), 404, []string{`not_found|order`}, ""},
		{BasePath + "/order/certificate/abc", 404, []string{`not_found|order`}, ""},
		{orderURL(EmptyOrder, "/certificate"), 404, []string{`not_found|route`}, ""},
		{"/elsewhere", 404, []string{`not_found|route`}, ""},
		{BasePath + "/request/5", 404, []string{`not_found|request`}, ""},
		{BasePath + "/request/900001", 200, []string{`"status":"pending"`, `"requester":{`}, "date_processed"},
		{BasePath + "/order/certificate/status-changes?seconds=60", 200, []string{`{}`}, "orders"},
		{BasePath + "/order/certificate/status-changes?minutes=10081", 400, []string{`time_frame_too_long`}, ""},
		{BasePath + "/order/certificate/status-changes", 400, []string{`required_param:seconds`}, ""},
	} {
		code, body := do(t, s, "GET", tt.path, "")
		if code != tt.status {
			t.Errorf("%s: %d, want %d", tt.path, code, tt.status)
		}
		for _, p := range tt.parts {
			if !strings.Contains(body, p) {
				t.Errorf("%s lacks %s: %s", tt.path, p, body)
			}
		}
		if tt.not != "" && strings.Contains(body, tt.not) {
			t.Errorf("%s holds %s: %s", tt.path, tt.not, body)
		}
	}
	if code, _ := do(t, s, "PUT", BasePath+"/request/900001/status", `{"status":"approved"}`); code != 404 {
		t.Errorf("the API approves requests: %d", code)
	}
}

func TestListRequests(t *testing.T) {
	t.Parallel()
	s := New(Options{AutoOrders: true})
	for id := range int64(5) {
		do(t, s, "PUT", orderURL(id+1, "/revoke"), `{"comments":"c"}`)
	}
	if err := s.Approve(firstRequestID); err != nil {
		t.Fatal(err)
	}
	list := func(query string) (ids []int64, total int) {
		t.Helper()
		_, body := do(t, s, "GET", BasePath+"/request?"+query, "")
		var page struct {
			Requests []struct{ ID int64 }
			Page     struct{ Total int }
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, q := range page.Requests {
			ids = append(ids, q.ID)
		}
		return ids, page.Page.Total
	}
	const first = firstRequestID
	for _, tt := range []struct {
		query string
		ids   []int64
		total int
	}{
		{"", []int64{900_001, first, first + 1, first + 2, first + 3, first + 4}, 6},
		{"filters[type]=revoke&filters[status]=pending&limit=2&offset=1", []int64{first + 1, first + 2}, 5},
		{"filters%5Bstatus%5D=approved", []int64{first}, 1},
		{"status=approved", []int64{first}, 1},
		{"filters[type]=reissue", nil, 0},
		{"offset=9", nil, 0},
	} {
		ids, total := list(tt.query)
		if diff := cmp.Diff(tt.ids, ids); diff != "" || total != tt.total {
			t.Errorf("%s: total %d, want %d (-want +got)\n%s", tt.query, total, tt.total, diff)
		}
	}
	s.SetBehaviour(Behaviour{FilterIgnored: true})
	if ids, _ := list("filters[status]=approved"); len(ids) != 6 {
		t.Errorf("%d requests with the filter ignored, want 6", len(ids))
	}
}

func TestStatusChanges(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	do(t, s, "PUT", orderURL(EmptyOrder, "/revoke"), `{"skip_approval":true}`)
	if err := s.RevokeOutside(SampleOrder); err != nil {
		t.Fatal(err)
	}
	_, body := do(t, s, "GET", BasePath+"/order/certificate/status-changes?seconds=60", "")
	want := `{"orders":[{"order_id":112233,"certificate_id":112233000,"status":"revoked"},{"order_id":112234,"certificate_id":112234000,"status":"revoked"}]}`
	if body != want {
		t.Errorf("status changes %s, want %s", body, want)
	}
	_, body = do(t, s, "GET", BasePath+"/order/certificate/status-changes?minutes=1&seconds=30&limit=5&offset=1", "")
	if want := `{"orders":[{"order_id":112234,"certificate_id":112234000,"status":"revoked"}]}`; body != want {
		t.Errorf("second page %s, want %s", body, want)
	}
	if s.Effective(SampleOrder) != 0 {
		t.Error("a revocation outside counts as a PUT")
	}
}

func TestUnknownFieldsOfCertificatesAreKept(t *testing.T) {
	t.Parallel()
	const object = `{"id":70,"status":"issued","key_size":2048.0,"new_field":{"a":[1, 2]},"dns_names":[""]}`
	var o Order
	if err := json.Unmarshal([]byte(`{"id":7,"duplicates":[`+object+`]}`), &o); err != nil {
		t.Fatal(err)
	}
	s := New(Options{Orders: []Order{o}})
	if _, body := do(t, s, "GET", orderURL(7, "/duplicate"), ""); body != `{"certificates":[`+object+`]}` {
		t.Errorf("list: %s", body)
	}
	do(t, s, "PUT", BasePath+"/certificate/70/revoke", `{"skip_approval":true}`)
	want := `{"certificates":[{"dns_names":[""],"id":70,"key_size":2048.0,"new_field":{"a":[1, 2]},"status":"revoked"}]}`
	if _, body := do(t, s, "GET", orderURL(7, "/duplicate"), ""); compact(t, []byte(body)) != compact(t, []byte(want)) {
		t.Errorf("list after the revocation: %s", body)
	}
}

func TestKeysCanBeReplaced(t *testing.T) {
	t.Parallel()
	s := New(Options{Keys: []string{"old"}})
	s.SetKeys([]string{"new"}, nil, nil)
	for key, want := range map[string]int{"old": 403, "new": 200} {
		if code, _ := do(t, s, "GET", BasePath+"/request?limit=1", "", key); code != want {
			t.Errorf("key %s: %d, want %d", key, code, want)
		}
	}
}

func TestRecordIsCapped(t *testing.T) {
	t.Parallel()
	s := New(Options{AutoOrders: true, MaxCalls: 10})
	for id := range int64(95) {
		do(t, s, "PUT", orderURL(id+1, "/revoke"), `{}`)
	}
	calls := s.Calls()
	if len(calls) != 10 || calls[0].OrderID != 86 || calls[9].OrderID != 95 || calls[9].Status != 201 || s.CallCount() != 95 {
		t.Errorf("%d calls kept of %d, first %+v", len(calls), s.CallCount(), calls[0])
	}
	off := New(Options{MaxCalls: -1})
	do(t, off, http.MethodPut, orderURL(EmptyOrder, "/revoke"), `{}`)
	if len(off.Calls()) != 0 || off.CallCount() != 1 || off.Effective(EmptyOrder) != 1 {
		t.Errorf("record off: %d calls kept, %d counted", len(off.Calls()), off.CallCount())
	}
}

func TestNotAcceptable(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	r := httptest.NewRequestWithContext(t.Context(), "GET", BasePath+"/request", nil)
	r.Header.Set("X-Dc-Devkey", "k")
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 406 {
		t.Errorf("answered %d, want 406", w.Code)
	}
}

func BenchmarkRevoke(b *testing.B) {
	s := New(Options{AutoOrders: true, MaxCalls: -1})
	body := []byte(`{"comments":"c","skip_approval":true}`)
	id := int64(1_000_000) // above the standard orders, some of which are revoked
	b.ReportAllocs()
	for b.Loop() {
		id++
		r := httptest.NewRequest("PUT", orderURL(id, "/revoke"), bytes.NewReader(body))
		r.Header.Set("X-Dc-Devkey", "k")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 204 {
			b.Fatal(id, w.Code, w.Body)
		}
	}
}

func BenchmarkDuplicates(b *testing.B) {
	s := New(Options{AutoOrders: true, MaxCalls: -1})
	r := httptest.NewRequest("GET", orderURL(4711, "/duplicate"), nil)
	r.Header.Set("X-Dc-Devkey", "k")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
