package digicertsim

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"
)

// The answers of DigiCert's own documentation, byte for byte.
var (
	//go:embed samples/duplicates.json
	sampleDuplicates string
)

// The standard orders.
const (
	// SampleOrder answers a call for its duplicates, and its first revocation with the comment "Revoked via API!",
	// exactly as the samples of DigiCert's documentation.
	SampleOrder int64 = 112233 + iota
	// EmptyOrder has no duplicates and no reissues: {}.
	EmptyOrder
	// RevokedOrder is revoked, without a request.
	RevokedOrder
	// PendingOrder, RejectedOrder, CanceledOrder and ExpiredOrder are not issued.
	PendingOrder
	RejectedOrder
	CanceledOrder
	ExpiredOrder
	// ReissueOrder has a reissue pending: revoking it is refused.
	ReissueOrder
	// AskedOrder has a revocation request that somebody made at the console and nobody decided.
	AskedOrder
	// DeniedOrder is one whose revocation AutoDecide rejects.
	DeniedOrder
	// ReissuedOrder has reissues and an archived duplicate.
	ReissuedOrder
)

// certificatesPerOrder spaces the certificate ids that are made up: those of order n begin at n times this.
const certificatesPerOrder = 1000

// made is the date on everything that is made up.
var made = time.Date(2024, time.March, 1, 9, 0, 0, 0, time.UTC)

// StandardOrders returns the orders that are there if no others are asked for.
func StandardOrders() []Order {
	sample := autoOrder(SampleOrder, 0)
	sample.DuplicatesBody = sampleDuplicates
	var list struct {
		Certificates []Certificate `json:"certificates"`
	}
	if err := json.Unmarshal([]byte(sampleDuplicates), &list); err != nil {
		panic(err) // embedded: it cannot differ from what the tests saw
	}
	sample.Duplicates = list.Certificates
	sample.NextRequest = &Request{ID: 1, Date: time.Date(2016, time.February, 10, 17, 6, 15, 0, time.UTC)}

	orders := []Order{sample, autoOrder(EmptyOrder, 0)}
	for id, status := range map[int64]string{
		RevokedOrder: "revoked", PendingOrder: "pending", RejectedOrder: "rejected", CanceledOrder: "canceled", ExpiredOrder: "expired",
	} {
		o := autoOrder(id, 0)
		o.Status, o.Certificate.Status = status, status
		orders = append(orders, o)
	}
	reissue := autoOrder(ReissueOrder, 1)
	reissue.PendingReissue = true
	asked := autoOrder(AskedOrder, 1)
	asked.Requests = []Request{{ID: 900_001, Date: made, Type: "revoke", Status: "pending", OrderID: AskedOrder, Comments: "No longer needed."}}
	denied := autoOrder(DeniedOrder, 1)
	denied.Decision = Reject
	reissued := autoOrder(ReissuedOrder, 2)
	reissued.Duplicates[1].Archived = true
	reissued.Reissues = []Certificate{autoCertificate(ReissuedOrder, 800), autoCertificate(ReissuedOrder, 801)}
	reissued.Reissues[1].Archived = true
	return append(orders, reissue, asked, denied, reissued)
}

// autoOrder makes up an issued order from its id alone, the same one every time.
func autoOrder(id int64, duplicates int) Order {
	o := Order{ID: id, Certificate: autoCertificate(id, 0)}
	for i := range duplicates {
		o.Duplicates = append(o.Duplicates, autoCertificate(id, i+1))
	}
	if id%10 == 9 {
		o.Decision = Reject
	}
	o.complete()
	return o
}

func autoCertificate(order int64, n int) Certificate {
	id := order*certificatesPerOrder + int64(n)
	name := fmt.Sprintf("order-%d.example.com", order)
	return Certificate{
		ID: id, Thumbprint: fmt.Sprintf("%040X", id), SerialNumber: fmt.Sprintf("%032X", id), CommonName: name, DNSNames: []string{name},
		Status: "issued", DateCreated: made, ValidFrom: "2024-03-01", ValidTill: "2044-03-01", DaysRemaining: 365, CSR: "<csr>",
		ServerPlatform: &ServerPlatform{ID: -1, Name: "OTHER"}, SignatureHash: "sha256", KeySize: 2048, CACertID: "1005",
		SubID: fmt.Sprintf("%03d", n), PublicID: "<public_id>", UserID: 2, FirstName: "Jan", LastName: "Sport",
	}
}

// complete fills in what an order was given without.
func (o *Order) complete() {
	o.Status = orDefault(o.Status, "issued")
	o.CommonName = orDefault(o.CommonName, fmt.Sprintf("order-%d.example.com", o.ID))
	o.ProductNameID = orDefault(o.ProductNameID, "ssl_plus")
	if o.Certificate.ID == 0 {
		o.Certificate = autoCertificate(o.ID, 0)
		o.Certificate.CommonName = o.CommonName
		o.Certificate.Status = o.Status
	}
	for _, list := range [][]Certificate{o.Duplicates, o.Reissues, {}} {
		for i := range list {
			list[i].Status = orDefault(list[i].Status, "issued")
		}
	}
	o.Certificate.Status = orDefault(o.Certificate.Status, "issued")
	for i := range o.Requests {
		o.Requests[i].OrderID = o.ID
		o.Requests[i].Type = orDefault(o.Requests[i].Type, "revoke")
	}
}
