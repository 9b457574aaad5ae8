package digicertsim

import (
	"encoding/json"
	"time"
)

// Decision is what AutoDecide does with an order's requests.
type Decision string

// The decisions.
const (
	Approve Decision = ""       // the default
	Reject  Decision = "reject" // the certificates stay
	Wait    Decision = "wait"   // somebody has to decide
)

// Order is one order and all that belongs to it.
type Order struct {
	ID            int64  `json:"id"`
	Status        string `json:"status,omitempty"` // "" = issued
	CommonName    string `json:"common_name,omitempty"`
	ProductNameID string `json:"product_name_id,omitempty"`
	// Certificate is the primary one; its ID 0 = made up from the order's id.
	Certificate Certificate   `json:"certificate"`
	Duplicates  []Certificate `json:"duplicates,omitempty"`
	Reissues    []Certificate `json:"reissues,omitempty"`
	// DuplicatesBody is answered byte for byte to a call for the duplicates until something is revoked.
	DuplicatesBody string    `json:"duplicates_body,omitempty"`
	Requests       []Request `json:"requests,omitempty"`
	// PendingReissue: revoking is refused.
	PendingReissue bool     `json:"pending_reissue,omitempty"`
	Decision       Decision `json:"decision,omitempty"`
	// NextRequest is the id and date of the next request, for an answer that must be exactly known; its other
	// fields are not looked at.
	NextRequest *Request `json:"next_request,omitempty"`
	// StatusChanged is when Status changed last; zero = not since the start.
	StatusChanged time.Time `json:"status_changed,omitzero"`
	// Effective counts the PUTs that had an effect on the order as a whole; EffectiveCertificates those on one certificate.
	Effective             int           `json:"effective,omitempty"`
	EffectiveCertificates map[int64]int `json:"effective_certificates,omitempty"`
}

// Certificate is one certificate with every field that DigiCert documents for a list of duplicates.
type Certificate struct {
	ID             int64
	Thumbprint     string
	SerialNumber   string
	CommonName     string
	DNSNames       []string
	Status         string // "" = issued
	DateCreated    time.Time
	ValidFrom      string // yyyy-mm-dd
	ValidTill      string
	DaysRemaining  int
	CSR            string
	ServerPlatform *ServerPlatform
	SignatureHash  string
	KeySize        int
	CACertID       string
	SubID          string
	PublicID       string
	Archived       bool
	UserID         int64
	FirstName      string
	LastName       string
	// Raw is answered in place of the fields; ID, Status and Archived must agree with it.
	Raw json.RawMessage
}

// ServerPlatform is the server software a certificate was ordered for.
type ServerPlatform struct {
	ID         int    `json:"id"`
	Name       string `json:"name,omitempty"`
	InstallURL string `json:"install_url,omitempty"`
	CSRURL     string `json:"csr_url,omitempty"`
}

// Request is a request to revoke (or, in an order's past, for something else).
type Request struct {
	ID     int64     `json:"id"`
	Date   time.Time `json:"date"`
	Type   string    `json:"type"`
	Status string    `json:"status"`
	// CertificateID is 0 for the whole order.
	OrderID          int64     `json:"order_id"`
	CertificateID    int64     `json:"certificate_id,omitempty"`
	Comments         string    `json:"comments,omitempty"`
	RevocationReason string    `json:"revocation_reason,omitempty"`
	DateProcessed    time.Time `json:"date_processed,omitzero"`
	ProcessorComment string    `json:"processor_comment,omitempty"`
	// Due is when AutoDecide decides; zero = never.
	Due time.Time `json:"due,omitzero"`
}
