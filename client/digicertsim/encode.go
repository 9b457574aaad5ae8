package digicertsim

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// dateLayout is DigiCert's form of RFC 3339: with an offset, never with Z.
const dateLayout = "2006-01-02T15:04:05-07:00"

// encode writes v without escaping HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // no value that is encoded here can fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(dateLayout)
}

type wireUser struct {
	ID        any    `json:"id"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`
}

// requester is the user of every key, as in DigiCert's sample.
func (s *Simulator) requester() wireUser {
	return wireUser{s.id(242140), "Jack", "White", "j.white@fakeaddy.com"}
}

func (s *Simulator) processor() wireUser {
	return wireUser{s.id(242141), "Jill", "Black", "j.black@example.com"}
}

// encodeMade is the answer to a revocation that made a request, its members in the order of DigiCert's sample.
func (s *Simulator) encodeMade(q Request) []byte {
	return encode(struct {
		ID        any      `json:"id"`
		Date      string   `json:"date"`
		Type      string   `json:"type"`
		Status    string   `json:"status"`
		Requester wireUser `json:"requester"`
		Comments  string   `json:"comments"`
	}{s.id(q.ID), date(q.Date), q.Type, q.Status, s.requester(), q.Comments})
}

// wireRequest is a request as GET request and GET request/{id} give it.
type wireRequest struct {
	ID               any       `json:"id"`
	Date             string    `json:"date"`
	Type             string    `json:"type"`
	Status           string    `json:"status"`
	DateProcessed    string    `json:"date_processed,omitempty"`
	Requester        wireUser  `json:"requester"`
	Processor        *wireUser `json:"processor,omitempty"`
	Order            any       `json:"order"`
	Comments         string    `json:"comments"`
	ProcessorComment string    `json:"processor_comment,omitempty"`
}

// wireRequest writes a request. In a list its certificate has no id, as in DigiCert's sample.
func (s *Simulator) wireRequest(o *Order, q *Request, alone bool) wireRequest {
	w := wireRequest{
		ID: s.id(q.ID), Date: date(q.Date), Type: q.Type, Status: q.Status, DateProcessed: date(q.DateProcessed),
		Requester: s.requester(), Comments: q.Comments, ProcessorComment: q.ProcessorComment,
	}
	if !q.DateProcessed.IsZero() {
		w.Processor = new(s.processor())
	}
	certificate := map[string]any{"common_name": o.CommonName}
	if alone {
		certificate["id"] = s.id(orDefault(q.CertificateID, o.Certificate.ID))
	}
	w.Order = map[string]any{
		"id": s.id(o.ID),
		// DigiCert's copy here is known to be stale: its status says nothing.
		"status":       "needs_approval",
		"certificate":  certificate,
		"organization": organization(s),
		"product":      product(o),
	}
	return w
}

func (s *Simulator) encodeRequest(o *Order, q *Request) []byte {
	return encode(s.wireRequest(o, q, true))
}

// encodeOrder is an order as GET order/certificate/{id} gives it. The certificate has no status while it is the
// first one issued; skip_approval leaves no request.
func (s *Simulator) encodeOrder(o *Order) []byte {
	type request struct {
		ID       any    `json:"id"`
		Date     string `json:"date"`
		Type     string `json:"type"`
		Status   string `json:"status"`
		Comments string `json:"comments"`
	}
	requests := make([]request, 0, len(o.Requests))
	for _, q := range o.Requests {
		requests = append(requests, request{s.id(q.ID), date(q.Date), q.Type, q.Status, q.Comments})
	}
	certificate := o.Certificate
	if certificate.Status == "issued" && len(o.Reissues) == 0 {
		certificate.Status, certificate.Raw = "", nil
	}
	return encode(struct {
		ID           any             `json:"id"`
		Certificate  json.RawMessage `json:"certificate"`
		Status       string          `json:"status"`
		IsRenewal    bool            `json:"is_renewal"`
		DateCreated  string          `json:"date_created"`
		Organization map[string]any  `json:"organization"`
		Product      map[string]any  `json:"product"`
		Requests     []request       `json:"requests"`
	}{
		ID: s.id(o.ID), Certificate: certificate.encode(s, OpOrder), Status: o.Status, DateCreated: date(o.Certificate.DateCreated),
		Organization: organization(s),
		Product:      product(o),
		Requests:     requests,
	})
}

func organization(s *Simulator) map[string]any {
	return map[string]any{"id": s.id(117483), "name": "Example, Inc."}
}

func product(o *Order) map[string]any {
	return map[string]any{"name_id": o.ProductNameID, "name": "Standard SSL", "type": "ssl_certificate"}
}

// encodeList is a list of certificates; DigiCert's empty list is {}.
func (s *Simulator) encodeList(kind bodyKind, all []Certificate) []byte {
	b := []byte(`{"certificates":[`)
	start := len(b)
	for i := range all {
		if all[i].Archived && !kind.archived {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(b, all[i].encode(s, kind.op)...)
	}
	if len(b) == start {
		return []byte("{}")
	}
	return append(b, "]}"...)
}

// wireCertificate has the members of DigiCert's sample in its order. They are absent where DigiCert leaves them out.
type wireCertificate struct {
	ID             any             `json:"id"`
	Thumbprint     string          `json:"thumbprint,omitempty"`
	SerialNumber   string          `json:"serial_number,omitempty"`
	CommonName     string          `json:"common_name"`
	DNSNames       []string        `json:"dns_names"`
	Status         string          `json:"status,omitempty"`
	DateCreated    string          `json:"date_created,omitempty"`
	DateIssued     string          `json:"date_issued,omitempty"`
	ValidFrom      string          `json:"valid_from,omitempty"`
	ValidTill      string          `json:"valid_till,omitempty"`
	DaysRemaining  int             `json:"days_remaining,omitempty"`
	CSR            string          `json:"csr,omitempty"`
	ServerPlatform *ServerPlatform `json:"server_platform,omitempty"`
	SignatureHash  string          `json:"signature_hash,omitempty"`
	KeySize        int             `json:"key_size,omitempty"`
	CACertID       string          `json:"ca_cert_id,omitempty"`
	SubID          string          `json:"sub_id,omitempty"`
	PublicID       string          `json:"public_id,omitempty"`
	Archived       any             `json:"archived,omitempty"`
	UserID         int64           `json:"user_id,omitempty"`
	FirstName      string          `json:"firstname,omitempty"`
	LastName       string          `json:"lastname,omitempty"`
	ReceiptID      string          `json:"receipt_id,omitempty"`
}

// encode writes a certificate as the answer to op has it: the flag archived is a string among duplicates, a number
// among reissues, and absent in an order.
func (c *Certificate) encode(s *Simulator, op Operation) []byte {
	if c.Raw != nil && !s.behaviour.StringIDs {
		return c.Raw
	}
	w := c.wire()
	w.ID = s.id(c.ID)
	archived := 0
	if c.Archived {
		archived = 1
	}
	switch op {
	case OpReissues:
		w.Archived, w.DateIssued, w.ReceiptID = archived, w.DateCreated, "1234"
	case OpOrder:
		w.Archived = nil
	default:
		w.Archived = strconv.Itoa(archived)
	}
	return encode(w)
}
