package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const host = "http://digicert.example.com"

// piped makes a client of a server that runs h.
func piped(t testing.TB, h http.Handler, edit ...func(*Config)) *Client {
	t.Helper()
	p := serve(t, h)
	return newClient(t, host+"/services/v2", append([]func(*Config){func(cfg *Config) { cfg.DialContext = p.dial }}, edit...)...)
}

func TestRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	var got []string
	var header http.Header
	c := piped(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
		header = r.Header
		_, _ = io.WriteString(w, `{"id":7,"status":"pending"}`)
	}), func(cfg *Config) { cfg.BaseURL += "//"; cfg.UserAgent = "certrecall/1.2.0" })
	ctx, r := t.Context(), c.Reader(nil)
	for _, call := range []func() error{
		func() error {
			_, err := c.RevokeOrder(ctx, 7, Revocation{Comments: `a "b" <é> [certrecall soar/1]`})
			return err
		},
		func() error {
			_, err := c.RevokeOrder(ctx, 7, Revocation{Comments: "c", Reason: "keyCompromise", SkipApproval: true})
			return err
		},
		func() error { _, err := c.RevokeCertificate(ctx, 7, Revocation{SkipApproval: true}); return err },
		func() error { _, err := r.Order(ctx, 7); return err },
		func() error { _, err := r.ListDuplicates(ctx, 7, false); return err },
		func() error { _, err := r.ListDuplicates(ctx, 7, true); return err },
		func() error { _, err := r.ListReissues(ctx, 7, false); return err },
		func() error { _, err := r.ListReissues(ctx, 7, true); return err },
		func() error { _, err := r.Request(ctx, 7); return err },
		func() error { return oneRequest(r.Requests(ctx, RequestFilter{Type: "revoke", Status: "pending"})) },
		func() error { return oneRequest(r.Requests(ctx, RequestFilter{Status: "a&b=c"})) },
		func() error { _, err := r.StatusChanges(ctx, 90*time.Minute); return err },
		func() error { _, err := r.StatusChanges(ctx, 0); return err },
		func() error { _, err := r.StatusChanges(ctx, 1500*time.Millisecond); return err },
		func() error { _, err := r.StatusChanges(ctx, 1000*time.Hour); return err },
		func() error { return r.Probe(ctx) },
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		`PUT /services/v2/order/certificate/7/revoke {"comments":"a \"b\" \u003cé\u003e [certrecall soar/1]"}`,
		`PUT /services/v2/order/certificate/7/revoke {"comments":"c","revocation_reason":"keyCompromise","skip_approval":true}`,
		`PUT /services/v2/certificate/7/revoke {"skip_approval":true}`,
		`GET /services/v2/order/certificate/7`,
		`GET /services/v2/order/certificate/7/duplicate`,
		`GET /services/v2/order/certificate/7/duplicate?show_archived=true`,
		`GET /services/v2/order/certificate/7/reissue`,
		`GET /services/v2/order/certificate/7/reissue?show_archived=true`,
		`GET /services/v2/request/7`,
		`GET /services/v2/request?filters%5Bstatus%5D=pending&filters%5Btype%5D=revoke&limit=1000&offset=0`,
		`GET /services/v2/request?filters%5Bstatus%5D=a%26b%3Dc&limit=1000&offset=0`,
		`GET /services/v2/order/certificate/status-changes?limit=1000&offset=0&seconds=5400`,
		`GET /services/v2/order/certificate/status-changes?limit=1000&offset=0&seconds=1`,
		`GET /services/v2/order/certificate/status-changes?limit=1000&offset=0&seconds=2`,
		`GET /services/v2/order/certificate/status-changes?limit=1000&offset=0&seconds=604800`,
		`GET /services/v2/request?limit=1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	wantHeader := http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"certrecall/1.2.0"},
		"X-Dc-Devkey": {testKey}, "Accept-Encoding": {"gzip"},
	}
	if diff := cmp.Diff(wantHeader, header); diff != "" {
		t.Errorf("header (-want +got)\n%s", diff)
	}
}

// oneRequest takes the first element and stops.
func oneRequest(seq func(func(Request, error) bool)) error {
	for _, err := range seq {
		return err
	}
	return nil
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	const body = `{"id":1,"date":"2016-02-10T17:06:15+00:00","type":"revoke","status":"pending","requester":{"id":242140,"first_name":"Jack","last_name":"White","email":"jack@example.com"},"comments":"Revoked via API!","new":1.0}`
	request := &Request{
		ID: 1, Date: time.Date(2016, 2, 10, 17, 6, 15, 0, time.UTC), Type: "revoke", Status: "pending", Comments: "Revoked via API!", OrderID: 7,
		Requester: &User{242140, "Jack", "White", "jack@example.com"}, Raw: json.RawMessage(body),
	}
	lenient := `{"id":"9007199254740993","date":1455124775,"status":"approved","requester":null,"comments":null,"order":{"id":"8","certificate":{"id":80}}}`
	for _, tt := range []struct {
		status int
		body   string
		want   Receipt
	}{
		{201, body, Receipt{201, request}},
		{200, body, Receipt{200, request}},
		{202, "\uFEFF " + body + "\n", Receipt{202, request}},
		{204, "", Receipt{204, nil}},
		{200, "", Receipt{200, nil}},
		{201, " \n", Receipt{201, nil}},
		{201, lenient, Receipt{201, &Request{ID: 9007199254740993, Date: time.Date(2016, 2, 10, 17, 19, 35, 0, time.UTC), Status: "approved", OrderID: 8, CertificateID: 80, Raw: json.RawMessage(lenient)}}},
	} {
		c := piped(t, answers(tt.status, tt.body))
		got, err := c.RevokeOrder(t.Context(), 7, Revocation{Comments: "c"})
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%d %s: %v (-want +got)\n%s", tt.status, tt.body, err, diff)
		}
	}
	c := piped(t, answers(201, `{"id":5}`))
	if got, err := c.RevokeCertificate(t.Context(), 70, Revocation{}); err != nil || got.Request.CertificateID != 70 || got.Request.OrderID != 0 {
		t.Errorf("one certificate: %+v, %v", got.Request, err)
	}
}

func TestListsOfCertificates(t *testing.T) {
	t.Parallel()
	const odd = "[ {\"id\": 12345678901234567890, \"key_size\":2048.00,\"x\":{\"y\":[1e5, \"\\u003c\"]}} ,\n\t{\"id\":\"7\",\"status\":\"issued\",\"archived\":1} ]"
	for _, tt := range []struct {
		name   string
		status int
		body   string
		raw    string
		ids    []int64
	}{
		{"bytes kept", 200, ` {"other":{"certificates":[1]}, "certificates": ` + odd + ` , "z":1}`, odd, []int64{0, 7}},
		{"no list", 200, `{}`, "[]", nil},
		{"null list", 200, `{"certificates":null}`, "[]", nil},
		{"empty list", 200, `{"certificates":[]}`, "[]", nil},
		{"null", 200, `null`, "[]", nil},
		{"no body", 200, ``, "[]", nil},
		{"no content", 204, ``, "[]", nil},
		{"elements of other types", 200, `{"certificates":[null,"x",{"id":3}]}`, `[null,"x",{"id":3}]`, []int64{0, 0, 3}},
	} {
		c := piped(t, answers(tt.status, tt.body))
		for _, list := range []func() (Certificates, error){
			func() (Certificates, error) { return c.Reader(nil).ListDuplicates(t.Context(), 7, false) },
			func() (Certificates, error) { return c.Reader(nil).ListReissues(t.Context(), 7, true) },
		} {
			got, err := list()
			if err != nil || string(got.Raw) != tt.raw {
				t.Errorf("%s: %s, %v; want %s", tt.name, got.Raw, err, tt.raw)
			}
			var ids []int64
			for _, item := range got.Items {
				ids = append(ids, item.ID)
			}
			if diff := cmp.Diff(tt.ids, ids); diff != "" {
				t.Errorf("%s (-want +got)\n%s", tt.name, diff)
			}
		}
	}
}

func TestCompressedAnswers(t *testing.T) {
	t.Parallel()
	zipped := func(body string) http.HandlerFunc {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, body); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return answers(200, b.String(), "Content-Encoding", "gzip")
	}
	const list = `[ {"id":1.0} ]`
	if got, err := piped(t, zipped(`{"certificates":`+list+`}`)).Reader(nil).ListDuplicates(t.Context(), 7, false); err != nil || string(got.Raw) != list {
		t.Errorf("%s, %v", got.Raw, err)
	}
	bomb := zipped(strings.Repeat(" ", orderLimit+1))
	if err := readOrder(t.Context(), piped(t, bomb).Reader(nil)); !errors.Is(err, ErrRefused) || !errors.Is(err, errTooLarge) {
		t.Errorf("a small answer that grows: %v", err)
	}
}

func TestAnswersThatSayNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body string
		read func(context.Context, Reader) error
		want string
	}{
		{`{}`, readOrder, "order 7: DigiCert answered 200: the answer is not an order with a status"},
		{`[]`, readOrder, "order 7: DigiCert answered 200: the answer is not an order with a status"},
		{``, readOrder, "order 7: DigiCert answered 200: the answer is not an order with a status"},
		{`{"id":7,"status":null}`, readOrder, "order 7: DigiCert answered 200: the answer is not an order with a status"},
		{`{"id":8,"status":"issued"}`, readOrder, "order 7: DigiCert answered 200: the answer is about order 8"},
		{`{"id":7}`, readRequest, "request 7: DigiCert answered 200: the answer is not a request with a status"},
		{`{"id":"8","status":"pending"}`, readRequest, "request 7: DigiCert answered 200: the answer is about request 8"},
		{`[]`, readDuplicates, "list-duplicates 7: DigiCert answered 200: the answer is not an object"},
		{`{"certificates":{"id":1}}`, readDuplicates, "list-duplicates 7: DigiCert answered 200: the certificates of the answer are not a list"},
		{`[]`, func(ctx context.Context, r Reader) error { return r.Probe(ctx) }, "probe: DigiCert answered 200: the answer is not an object"},
		{`7`, readChanges, "status-changes: DigiCert answered 200: the answer is not an object"},
		{htmlPage, readChanges, "status-changes: DigiCert answered 200 with a body that is not JSON: the answer is not JSON"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := piped(t, answers(200, tt.body), func(cfg *Config) {
				cfg.Observe = func(call Call) {
					if call.Class != ClassUnavailable || call.Status != 200 {
						t.Errorf("%s: observed %+v", tt.body, call)
					}
				}
			})
			if err := tt.read(t.Context(), c.Reader(nil)); !errors.Is(err, ErrUnavailable) || err.Error() != tt.want {
				t.Errorf("%s: %v, want %s", tt.body, err, tt.want)
			}
		})
	}
}

func readOrder(ctx context.Context, r Reader) error { _, err := r.Order(ctx, 7); return err }

func readRequest(ctx context.Context, r Reader) error { _, err := r.Request(ctx, 7); return err }

func readDuplicates(ctx context.Context, r Reader) error {
	_, err := r.ListDuplicates(ctx, 7, false)
	return err
}

func readChanges(ctx context.Context, r Reader) error {
	_, err := r.StatusChanges(ctx, time.Hour)
	return err
}

func TestOrder(t *testing.T) {
	t.Parallel()
	const body = `{"id":"7","certificate":{"id":700,"status":"issued","common_name":"example.com","dns_names":["example.com"],"valid_till":"2044-03-01","ca_cert":{"id":"x"}},
		"status":"issued","date_created":1455124775,"order_valid_till":"2045-01-02","product":{"name_id":"ssl_plus","name":"Standard SSL"},
		"requests":[{"id":"41","date":"2016-02-10","type":"revoke","status":"pending","comments":"c [certrecall soar/1]"},{"id":40,"type":"new_request","status":"approved"}]}`
	got, err := piped(t, answers(200, body)).Reader(nil).Order(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	want := Order{
		ID: 7, Status: "issued", DateCreated: time.Date(2016, 2, 10, 17, 19, 35, 0, time.UTC), ValidTill: time.Date(2045, 1, 2, 0, 0, 0, 0, time.UTC),
		ProductNameID: "ssl_plus", ProductName: "Standard SSL",
		Certificate: Certificate{ID: 700, Status: "issued", CommonName: "example.com", DNSNames: []string{"example.com"}, ValidTill: time.Date(2044, 3, 1, 0, 0, 0, 0, time.UTC)},
		Requests: []Request{
			{ID: 41, Date: time.Date(2016, 2, 10, 0, 0, 0, 0, time.UTC), Type: "revoke", Status: "pending", Comments: "c [certrecall soar/1]", OrderID: 7},
			{ID: 40, Type: "new_request", Status: "approved", OrderID: 7},
		},
	}
	if string(got.Raw) != body || !json.Valid(got.Certificate.Raw) || !json.Valid(got.Requests[1].Raw) {
		t.Error("what was sent is not kept raw")
	}
	got.Raw, got.Certificate.Raw, got.Requests[0].Raw, got.Requests[1].Raw = nil, nil, nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestIDsThatCannotBe(t *testing.T) {
	t.Parallel()
	c := piped(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) }))
	ctx, r := t.Context(), c.Reader(nil)
	for _, id := range []int64{0, -1} {
		_, e1 := c.RevokeOrder(ctx, id, Revocation{})
		_, e2 := c.RevokeCertificate(ctx, id, Revocation{})
		_, e3 := r.Order(ctx, id)
		_, e4 := r.ListDuplicates(ctx, id, false)
		_, e5 := r.ListReissues(ctx, id, false)
		_, e6 := r.Request(ctx, id)
		for i, err := range []error{e1, e2, e3, e4, e5, e6} {
			if !errors.Is(err, ErrNeverSent) {
				t.Errorf("call %d with id %d: %v", i, id, err)
			}
		}
	}
}
