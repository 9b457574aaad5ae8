package digicertsim

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestControl(t *testing.T) {
	t.Parallel()
	s := New(Options{Keys: []string{"k"}})
	srv := httptest.NewServer(s)
	defer srv.Close()
	for _, tt := range []struct {
		method, path, body string
		status             int
		part               string
	}{
		{"POST", "orders", `{"id":5,"decision":"reject"}`, 204, ""},
		{"POST", "orders", `[{"id":6},{"id":7}]`, 204, ""},
		{"POST", "orders", `{"id":5,"colour":"blue"}`, 400, "colour"},
		{"POST", "orders", `{"id":-1}`, 400, "id -1"},
		{"POST", "orders", `[{"id":"x"}]`, 400, "error"},
		{"PUT", "behaviour", `{"second":"refused"}`, 204, ""},
		{"PUT", "behaviour", `{"second_":"refused"}`, 400, "second_"},
		{"POST", "faults", `{"kind":"html","op":"order","order_id":5}`, 204, ""},
		{"GET", BasePath + "/order/certificate/5", "", 403, "Incapsula"},
		{"POST", "faults", `[{"kind":"html","times":-1}]`, 204, ""},
		{"DELETE", "faults", "", 204, ""},
		{"PUT", BasePath + "/order/certificate/5/revoke", putComment, 201, "1000001"},
		{"PUT", BasePath + "/order/certificate/5/revoke", putComment, 400, "request_pending"},
		{"GET", "requests", "", 200, `"id":1000001`},
		{"POST", "requests/1000001/postpone", "", 404, "no such thing"},
		{"POST", "requests/1000001/approve", `{"comment":"done"}`, 204, ""},
		{"POST", "requests/1000001/reject", "", 409, "decided already"},
		{"POST", "requests/99/reject", "", 404, "no such request"},
		{"GET", "orders/5", "", 200, `"status":"revoked"`},
		{"GET", "orders/55", "", 404, "order 55"},
		{"POST", "orders/6/revoke", "", 204, ""},
		{"GET", "orders/6", "", 200, `"status":"revoked"`},
		{"GET", "calls?op=revoke-order&order_id=5", "", 200, `"made_request":1000001`},
		{"GET", "stats", "", 200, `{"calls":3,"over_limit":0,"effective":1,"requests":2,"waiting":1,"orders":14}`},
		{"DELETE", "calls", "", 204, ""},
		{"GET", "calls", "", 200, `{"calls":[]}`},
		{"PUT", "keys", `{"keys":["new"]}`, 204, ""},
		{"GET", BasePath + "/request", "", 403, "invalid_key"},
		{"POST", "reset", "", 204, ""},
		{"GET", "orders/7", "", 404, ""},
		{"GET", "nothing", "", 404, "no such thing"},
	} {
		path := tt.path
		if !strings.HasPrefix(path, "/") {
			path = controlPath + path
		}
		if r := send(t, srv, tt.method, path, tt.body); r.status != tt.status || !strings.Contains(r.body, tt.part) || r.err != nil {
			t.Errorf("%s %s %s: %d %s %v, want %d …%s…", tt.method, tt.path, tt.body, r.status, r.body, r.err, tt.status, tt.part)
		}
	}
}

func TestStandardOrdersCanBePostedBack(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(StandardOrders())
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Orders: []Order{}})
	srv := httptest.NewServer(s)
	defer srv.Close()
	if r := send(t, srv, "POST", "/_sim/orders", string(b)); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if _, body := do(t, s, "GET", orderURL(SampleOrder, "/duplicate"), ""); body != sampleDuplicates {
		t.Errorf("sample order answers\n%s", body)
	}
}
