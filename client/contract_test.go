package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"certrecall/client"
	"certrecall/client/digicertsim"
)

// subject is a DigiCert to hold to the contract, real or simulated.
type subject struct {
	url    string
	key    client.KeySource
	order  int64
	revoke bool // the order may be revoked
}

// TestSimulatorKeepsTheContract and TestDigiCertKeepsTheContract are the same test: what the client relies on.
func TestSimulatorKeepsTheContract(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]digicertsim.Behaviour{
		"as documented": {},
		"odd":           {StringIDs: true, ErrorsObject: true, FilterIgnored: true},
	} {
		for _, order := range []int64{digicertsim.SampleOrder, digicertsim.EmptyOrder, digicertsim.ReissuedOrder, digicertsim.AskedOrder} {
			t.Run(name+" "+strconv.FormatInt(order, 10), func(t *testing.T) {
				t.Parallel()
				srv := httptest.NewServer(digicertsim.New(digicertsim.Options{Keys: []string{"k"}, Behaviour: b}))
				defer srv.Close()
				subject{srv.URL + digicertsim.BasePath, client.StaticKey("k"), order, true}.keepsTheContract(t)
			})
		}
	}
}

// The real DigiCert is called only when asked for by name: CERTRECALL_LIVE_KEY_FILE and CERTRECALL_LIVE_ORDER are
// the key and an issued order to read; CERTRECALL_LIVE_REVOKE=1 revokes that order, which cannot be undone.
// CERTRECALL_LIVE_URL is for accounts outside the United States.
func TestDigiCertKeepsTheContract(t *testing.T) {
	file, order := os.Getenv("CERTRECALL_LIVE_KEY_FILE"), os.Getenv("CERTRECALL_LIVE_ORDER")
	if file == "" || order == "" {
		t.Skip("CERTRECALL_LIVE_KEY_FILE and CERTRECALL_LIVE_ORDER name no key and order of a real account")
	}
	key, err := client.NewKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseInt(order, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	subject{os.Getenv("CERTRECALL_LIVE_URL"), key, id, os.Getenv("CERTRECALL_LIVE_REVOKE") == "1"}.keepsTheContract(t)
}

func (s subject) client(t *testing.T, key client.KeySource) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{BaseURL: s.url, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func (s subject) keepsTheContract(t *testing.T) {
	ctx := t.Context()
	c := s.client(t, s.key)
	r := c.Reader(nil)
	if err := r.Probe(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.client(t, client.StaticKey("0123456789ABCDEF-no-such-key")).Reader(nil).Probe(ctx); !errors.Is(err, client.ErrKeyRefused) {
		t.Errorf("an unknown key: %v, want %s", err, client.ClassKeyRefused)
	}
	_, err := r.Order(ctx, 9_999_999_999)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Class != client.ClassNotFound || !e.HasCode("not_found") {
		t.Errorf("an unknown order: %v, want %s", err, client.ClassNotFound)
	}

	order, err := r.Order(ctx, s.order)
	if err != nil {
		t.Fatal(err)
	}
	if order.ID != s.order || order.Status != "issued" || order.Certificate.ID == 0 || order.Certificate.CommonName == "" || order.ProductNameID == "" || !json.Valid(order.Raw) {
		t.Errorf("order: %+v", order)
	}
	s.listsHold(t, r.ListDuplicates)
	s.listsHold(t, r.ListReissues)
	if _, err := r.StatusChanges(ctx, 7*24*time.Hour); err != nil {
		t.Error(err)
	}
	for q, err := range r.Requests(ctx, client.RequestFilter{Type: "revoke", Status: "pending"}) {
		if err != nil {
			t.Fatal(err)
		}
		if q.ID == 0 || q.Type == "" || q.Status == "" {
			t.Errorf("listed request: %+v", q)
		}
		if q.Type != "revoke" || q.Status != "pending" {
			t.Logf("the filter is ignored: request %d is %s, %s", q.ID, q.Type, q.Status)
		}
	}
	if s.revoke {
		s.revocationIsFound(t, c)
	}
}

// listsHold checks a list of certificates of the order.
func (s subject) listsHold(t *testing.T, list func(ctx context.Context, id int64, archived bool) (client.Certificates, error)) {
	t.Helper()
	usual, err := list(t.Context(), s.order, false)
	if err != nil {
		t.Fatal(err)
	}
	all, err := list(t.Context(), s.order, true)
	if err != nil {
		t.Fatal(err)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(all.Raw, &raw); err != nil || len(raw) != len(all.Items) || len(usual.Items) > len(all.Items) {
		t.Errorf("%d of %d certificates, %d without the archived: %v", len(all.Items), len(raw), len(usual.Items), err)
	}
	for i, item := range all.Items {
		if item.ID == 0 || item.CommonName == "" || item.DateCreated.IsZero() || string(item.Raw) != string(raw[i]) {
			t.Errorf("certificate: %+v", item)
		}
	}
}

// revocationIsFound revokes the order and finds the request wherever one looks for it.
func (s subject) revocationIsFound(t *testing.T, c *client.Client) {
	t.Helper()
	ctx, r := t.Context(), c.Reader(nil)
	comments := "contract test [certrecall test/" + time.Now().UTC().Format("20060102T150405.000") + "]"
	receipt, err := c.RevokeOrder(ctx, s.order, client.Revocation{Comments: comments, Reason: "superseded"})
	if err != nil {
		t.Fatal(err)
	}
	q := receipt.Request
	if q == nil || receipt.Status != 201 || q.ID == 0 || q.Type != "revoke" || q.Comments != comments || q.OrderID != s.order || q.Date.IsZero() {
		t.Fatalf("receipt: %d %+v", receipt.Status, q)
	}
	same := func(other client.Request) bool { return other.ID == q.ID && other.Comments == comments }
	again, err := r.Request(ctx, q.ID)
	if err != nil || !same(again) || again.OrderID != s.order {
		t.Errorf("request: %+v, %v", again, err)
	}
	order, err := r.Order(ctx, s.order)
	if err != nil || !slices.ContainsFunc(order.Requests, same) {
		t.Errorf("the order does not list the request: %+v, %v", order.Requests, err)
	}
	listed := false
	for other, err := range r.Requests(ctx, client.RequestFilter{Type: "revoke", Status: q.Status}) {
		if err != nil {
			t.Fatal(err)
		}
		listed = listed || same(other)
	}
	if !listed {
		t.Error("the list of requests does not have it")
	}
}

func TestSimulatorEndToEnd(t *testing.T) {
	t.Parallel()
	sim := digicertsim.New(digicertsim.Options{Keys: []string{"k"}, StandardKeys: []string{"std"}, AutoOrders: true})
	srv := httptest.NewServer(sim)
	defer srv.Close()
	s := subject{url: srv.URL + digicertsim.BasePath}
	ctx, c := t.Context(), s.client(t, client.StaticKey("k"))
	r := c.Reader(nil)

	receipt, err := c.RevokeOrder(ctx, 4711, client.Revocation{Comments: "c"})
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Approve(receipt.Request.ID); err != nil {
		t.Fatal(err)
	}
	if o, err := r.Order(ctx, 4711); err != nil || o.Status != "revoked" || o.Requests[0].Status != "approved" {
		t.Errorf("approved: %+v, %v", o, err)
	}
	_, err = c.RevokeOrder(ctx, 4711, client.Revocation{Comments: "c"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Class != client.ClassRefused || e.Code != "order_already_revoked" {
		t.Errorf("again: %v", err)
	}
	if receipt, err = c.RevokeOrder(ctx, 4712, client.Revocation{SkipApproval: true}); err != nil || receipt.Status != 204 || receipt.Request != nil {
		t.Errorf("at once: %+v, %v", receipt, err)
	}
	if changes, err := r.StatusChanges(ctx, time.Hour); err != nil || len(changes) != 2 || changes[1].OrderID != 4712 || changes[1].Status != "revoked" {
		t.Errorf("changes: %+v, %v", changes, err)
	}
	list, err := r.ListDuplicates(ctx, 4713, false)
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("duplicates: %+v, %v", list, err)
	}
	if receipt, err = c.RevokeCertificate(ctx, list.Items[1].ID, client.Revocation{Comments: "one"}); err != nil || receipt.Request.CertificateID != list.Items[1].ID {
		t.Errorf("one certificate: %+v, %v", receipt, err)
	}
	if q, err := r.Request(ctx, receipt.Request.ID); err != nil || q.CertificateID != list.Items[1].ID || q.OrderID != 4713 {
		t.Errorf("its request: %+v, %v", q, err)
	}
	if _, err := s.client(t, client.StaticKey("std")).RevokeOrder(ctx, 4714, client.Revocation{SkipApproval: true}); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("skip approval without rights: %v", err)
	}
	_, err = c.RevokeOrder(ctx, 4714, client.Revocation{Comments: "see <script>"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Class != client.ClassOutcomeUnknown || !e.Foreign || !e.NotJSON || strings.Contains(err.Error(), "Incapsula") {
		t.Errorf("firewall: %v", err)
	}
	n := 0
	for id := range int64(1100) {
		if _, err := c.RevokeOrder(ctx, id+1, client.Revocation{Comments: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	for q, err := range r.Requests(ctx, client.RequestFilter{Type: "revoke", Status: "pending"}) {
		if err != nil || q.Status != "pending" {
			t.Fatal(q, err)
		}
		n++
	}
	if n != 1102 { // and the one for a certificate, and the standard order's
		t.Errorf("%d waiting requests, want 1102", n)
	}
}
