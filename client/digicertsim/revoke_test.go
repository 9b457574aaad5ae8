package digicertsim

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestRevoke(t *testing.T) {
	t.Parallel()
	const comment = `{"comments":"c"}`
	for _, tt := range []struct {
		name      string
		options   Options
		before    []string // bodies of PUTs sent before
		key, body string
		order     int64
		status    int
		answer    string // a part of it
		effective bool
	}{
		{name: "request", body: comment, order: EmptyOrder, status: 201, answer: `"status":"pending"`, effective: true},
		{name: "skip approval", body: `{"skip_approval":true}`, order: EmptyOrder, status: 204, effective: true},
		{name: "skip approval without rights", key: "std", body: `{"skip_approval":true}`, order: EmptyOrder, status: 403, answer: "access_denied|missing_permission"},
		{name: "skip approval ignored", options: Options{Behaviour: Behaviour{Skip: SkipIgnored}}, key: "std", body: `{"skip_approval":true}`, order: EmptyOrder, status: 201, answer: `"pending"`, effective: true},
		{name: "view only key", key: "view", body: comment, order: EmptyOrder, status: 403, answer: "access_denied|missing_permission"},
		{name: "unknown key", key: "other", body: comment, order: EmptyOrder, status: 403, answer: `"access_denied|access_denied_invalid_key"`},
		{name: "old name of the comment", body: `{"comment":"old"}`, order: EmptyOrder, status: 201, answer: `"comments":"old"`, effective: true},
		{name: "reason", body: `{"comments":"c","revocation_reason":"keyCompromise"}`, order: EmptyOrder, status: 201, effective: true},
		{name: "unknown reason", body: `{"revocation_reason":"boredom"}`, order: EmptyOrder, status: 400, answer: "revocation_reason"},
		{name: "no JSON", body: `{`, order: EmptyOrder, status: 400, answer: "bad_request_format"},
		{name: "firewall", body: `{"comments":"see <script>"}`, order: EmptyOrder, status: 403, answer: "Incapsula"},
		{name: "unknown order", body: comment, order: 5, status: 404, answer: `"not_found|order"`},
		{name: "beyond the made-up orders", options: Options{AutoOrders: true}, body: comment, order: UnknownOrders, status: 404, answer: `"not_found|order"`},
		{name: "made-up order", options: Options{AutoOrders: true}, body: comment, order: UnknownOrders - 1, status: 201, effective: true},
		{name: "second request", before: []string{comment}, body: comment, order: EmptyOrder, status: 201, answer: "1000002", effective: true},
		{name: "second refused", options: Options{Behaviour: Behaviour{Second: SecondRefused}}, before: []string{comment}, body: comment, order: EmptyOrder, status: 400, answer: "request_pending|revoke"},
		{name: "waiting and skip", before: []string{comment}, body: `{"skip_approval":true}`, order: EmptyOrder, status: 204, effective: true},
		{name: "revoked already", body: comment, order: RevokedOrder, status: 400, answer: "order_already_revoked"},
		{name: "revoked already, 204", options: Options{Behaviour: Behaviour{Again: AgainNoContent}}, body: comment, order: RevokedOrder, status: 204},
		{name: "revoked already, 201", options: Options{Behaviour: Behaviour{Again: AgainCreates}}, body: comment, order: RevokedOrder, status: 201, answer: `"approved"`, effective: true},
		{name: "pending", body: comment, order: PendingOrder, status: 400, answer: "invalid_status|pending"},
		{name: "rejected", body: comment, order: RejectedOrder, status: 400, answer: "invalid_status|rejected"},
		{name: "canceled", body: comment, order: CanceledOrder, status: 400, answer: "invalid_status|canceled"},
		{name: "expired", body: comment, order: ExpiredOrder, status: 400, answer: "invalid_status|expired"},
		{name: "pending reissue", body: comment, order: ReissueOrder, status: 400, answer: "pending_reissue"},
		{name: "errors as an object", options: Options{Behaviour: Behaviour{ErrorsObject: true}}, body: comment, order: RevokedOrder, status: 400, answer: `{"errors":{"code":`},
		{name: "ids as strings", options: Options{Behaviour: Behaviour{StringIDs: true}}, body: comment, order: EmptyOrder, status: 201, answer: `{"id":"1000001"`, effective: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.options.Keys, tt.options.StandardKeys, tt.options.ViewOnlyKeys = []string{"k"}, []string{"std"}, []string{"view"}
			s := New(tt.options)
			for _, b := range tt.before {
				do(t, s, "PUT", orderURL(tt.order, "/revoke"), b)
			}
			status, answer := do(t, s, "PUT", orderURL(tt.order, "/revoke"), tt.body, orDefault(tt.key, "k"))
			if status != tt.status || !strings.Contains(answer, tt.answer) || status == 204 && answer != "" {
				t.Errorf("answered %d %s, want %d …%s…", status, answer, tt.status, tt.answer)
			}
			calls := s.Calls()
			if last := calls[len(calls)-1]; last.Effective != tt.effective || last.Status != tt.status || last.Op != OpRevokeOrder || last.OrderID != tt.order {
				t.Errorf("recorded %+v", last)
			}
			want := len(tt.before)
			if tt.effective {
				want++
			}
			if got := s.Effective(tt.order); got != want {
				t.Errorf("%d effective PUTs, want %d", got, want)
			}
			if tt.status == 204 {
				if o, _ := s.Order(tt.order); o.Status != "revoked" {
					t.Errorf("order is %s after 204", o.Status)
				}
			}
		})
	}
}

func TestApproveRevokesAndRejectDoesNot(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	do(t, s, "PUT", orderURL(ReissuedOrder, "/revoke"), `{"comments":"c"}`)
	do(t, s, "PUT", orderURL(EmptyOrder, "/revoke"), `{"comments":"c"}`)
	ids := s.Requests()[1:] // the first is the console's
	if err := s.Approve(ids[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Reject(ids[1].ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Approve(ids[1].ID); err == nil || !strings.Contains(err.Error(), "rejected") {
		t.Errorf("deciding twice: %v", err)
	}
	if err := s.Approve(77); err == nil {
		t.Error("approved a request that is not there")
	}
	o, _ := s.Order(ReissuedOrder)
	for _, c := range slices.Concat([]Certificate{o.Certificate}, o.Duplicates, o.Reissues) {
		if o.Status != "revoked" || c.Status != "revoked" {
			t.Errorf("order %s, certificate %d %s", o.Status, c.ID, c.Status)
		}
	}
	if o, _ := s.Order(EmptyOrder); o.Status != "issued" || o.Requests[0].Status != "rejected" {
		t.Errorf("rejected: order %s, request %s", o.Status, o.Requests[0].Status)
	}
	_, body := do(t, s, "GET", BasePath+"/request/"+strconv.FormatInt(ids[0].ID, 10), "")
	for _, part := range []string{`"status":"approved"`, `"date_processed":"`, `"processor":{`, `"order":{`} {
		if !strings.Contains(body, part) {
			t.Errorf("request lacks %s: %s", part, body)
		}
	}
}

func TestRevokeOneCertificate(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		s := New(Options{Orders: []Order{{ID: 7, Duplicates: []Certificate{{ID: 70, CommonName: "a.example.com"}}}}, Behaviour: Behaviour{RevokeEmptyOrders: empty}})
		put := func(id int64, want int) {
			t.Helper()
			if code, body := do(t, s, "PUT", BasePath+"/certificate/"+strconv.FormatInt(id, 10)+"/revoke", `{"skip_approval":true}`); code != want {
				t.Errorf("certificate %d: %d %s, want %d", id, code, body, want)
			}
		}
		put(70, 204)
		put(70, 400)
		put(71, 404)
		_, list := do(t, s, "GET", orderURL(7, "/duplicate"), "")
		if !strings.Contains(list, `"status":"revoked"`) {
			t.Errorf("list after the revocation: %s", list)
		}
		if o, _ := s.Order(7); o.Status != "issued" || s.Effective(7) != 1 || o.EffectiveCertificates[70] != 1 {
			t.Errorf("order %s, effective %v", o.Status, o.EffectiveCertificates)
		}
		put(7000, 204) // the primary one, and the last
		if o, _ := s.Order(7); (o.Status == "revoked") != empty {
			t.Errorf("order is %s after its last certificate, empty orders revoked: %t", o.Status, empty)
		}
	}
}

func TestMadeUpCertificateBelongsToItsOrder(t *testing.T) {
	t.Parallel()
	s := New(Options{AutoOrders: true})
	do(t, s, "PUT", BasePath+"/certificate/4711001/revoke", `{"comments":"c"}`)
	if c := s.Calls()[0]; c.Status != 201 || c.OrderID != 4711 || c.CertificateID != 4711001 {
		t.Errorf("recorded %+v", c)
	}
	if code, _ := do(t, s, "PUT", BasePath+"/certificate/4711999/revoke", `{"comments":"c"}`); code != 404 {
		t.Errorf("a certificate the order does not have: %d", code)
	}
}
