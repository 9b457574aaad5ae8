package client

import (
	"encoding/json"
	"time"
)

// Order is what DigiCert says of an order. Fields that are missing or of another type than documented are zero;
// Raw has everything.
type Order struct {
	ID          int64
	Status      string // issued, revoked, pending, …: an open set
	DateCreated time.Time
	ValidTill   time.Time
	// ProductNameID is the product's identifier, for example ssl_plus.
	ProductNameID string
	ProductName   string
	// Certificate is the order's primary certificate. DigiCert leaves its status out while it is the first one issued.
	Certificate Certificate
	// Requests are all requests made for the order. A revocation with skip_approval leaves none. nil = DigiCert did
	// not say; empty = there are none.
	Requests []Request
	Raw      json.RawMessage
}

// Certificate is one certificate of an order: the primary one, a duplicate or a reissue. Fields that are missing
// (pending and rejected ones have no serial number, for example) or of another type than documented are zero.
type Certificate struct {
	ID            int64
	Thumbprint    string
	SerialNumber  string
	CommonName    string
	DNSNames      []string
	Status        string // approved, issued, pending, rejected, revoked, …: an open set; may be empty
	DateCreated   time.Time
	DateIssued    time.Time
	ValidFrom     time.Time
	ValidTill     time.Time
	DaysRemaining int64
	CSR           string
	// ServerPlatform.ID can be -1 (other).
	ServerPlatform ServerPlatform
	SignatureHash  string
	KeySize        int64
	CACertID       string
	SubID          string
	PublicID       string
	Archived       bool
	UserID         int64
	FirstName      string
	LastName       string
	// Raw is the object exactly as sent.
	Raw json.RawMessage
}

// ServerPlatform is the server software a certificate was ordered for.
type ServerPlatform struct {
	ID         int64
	Name       string
	InstallURL string
	CSRURL     string
}

// Certificates is a list of certificates.
type Certificates struct {
	// Raw is the JSON array exactly as sent, byte for byte; [] where DigiCert sent {}, null or no list.
	Raw   json.RawMessage
	Items []Certificate
}

// Request is a request for something that an administrator approves or rejects. Its nested order can be stale:
// take the state of an order from the order itself.
type Request struct {
	ID     int64
	Date   time.Time
	Type   string // revoke, new_request, duplicate, reissue
	Status string // submitted, pending, approved, rejected
	// Comments is the text given with the request; ProcessorComment the administrator's.
	Comments         string
	ProcessorComment string
	// DateProcessed is zero while the request waits.
	DateProcessed time.Time
	// OrderID and CertificateID say what the request is about; 0 = not said. A revocation request for a whole
	// order can name the order's primary certificate.
	OrderID, CertificateID int64
	// Requester asked, Reviewer and Processor decided; nil = not said.
	Requester, Reviewer, Processor *User
	// Raw is the object exactly as sent.
	Raw json.RawMessage
}

// User is a user of the CertCentral account. Names and addresses are personal data: not for logs.
type User struct {
	ID        int64
	FirstName string
	LastName  string
	Email     string
}

// RequestFilter selects requests; an empty field selects all.
type RequestFilter struct {
	Type   string
	Status string
}

// StatusChange is the latest change of one order within the window asked for.
type StatusChange struct {
	OrderID, CertificateID int64
	Status                 string
}

// Revocation is the body of a revocation.
type Revocation struct {
	// Comments is kept by DigiCert on the request; with SkipApproval no request is made and nothing is kept.
	Comments string
	// Reason is one of unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation; "" = not
	// given, which DigiCert takes as unspecified.
	Reason string
	// SkipApproval revokes at once; it needs a key with administrator rights.
	SkipApproval bool
}

// Receipt is DigiCert's answer to a revocation that it took.
type Receipt struct {
	Status int
	// Request is the request that was made; nil = none: the revocation was done at once.
	Request *Request
}
