package digicertsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

func (c *Certificate) wire() wireCertificate {
	return wireCertificate{
		ID: c.ID, Thumbprint: c.Thumbprint, SerialNumber: c.SerialNumber, CommonName: c.CommonName, DNSNames: c.DNSNames,
		Status: c.Status, DateCreated: date(c.DateCreated), ValidFrom: c.ValidFrom, ValidTill: c.ValidTill,
		DaysRemaining: c.DaysRemaining, CSR: c.CSR, ServerPlatform: c.ServerPlatform, SignatureHash: c.SignatureHash,
		KeySize: c.KeySize, CACertID: c.CACertID, SubID: c.SubID, PublicID: c.PublicID, UserID: c.UserID,
		FirstName: c.FirstName, LastName: c.LastName,
	}
}

// MarshalJSON writes Raw, or else the fields as DigiCert does.
func (c Certificate) MarshalJSON() ([]byte, error) {
	if c.Raw != nil {
		return c.Raw, nil
	}
	w := c.wire()
	if c.Archived {
		w.Archived = "1"
	}
	return encode(w), nil
}

// UnmarshalJSON reads the fields. An object that has others, or fields of other types, is kept in Raw too.
func (c *Certificate) UnmarshalJSON(b []byte) error {
	var w wireCertificate
	strict := decodeStrict(bytes.NewReader(b), &w)
	if strict != nil {
		w = wireCertificate{}
		if err := json.Unmarshal(b, &w); err != nil {
			if _, odd := errors.AsType[*json.UnmarshalTypeError](err); !odd {
				return fmt.Errorf("reading a certificate: %w", err)
			}
		}
	}
	created, _ := time.Parse(time.RFC3339, w.DateCreated) // absent in some
	*c = Certificate{
		ID: parseID(idText(w.ID)), Thumbprint: w.Thumbprint, SerialNumber: w.SerialNumber, CommonName: w.CommonName, DNSNames: w.DNSNames,
		Status: w.Status, DateCreated: created, ValidFrom: w.ValidFrom, ValidTill: w.ValidTill,
		DaysRemaining: w.DaysRemaining, CSR: w.CSR, ServerPlatform: w.ServerPlatform, SignatureHash: w.SignatureHash,
		KeySize: w.KeySize, CACertID: w.CACertID, SubID: w.SubID, PublicID: w.PublicID,
		Archived: idText(w.Archived) == "1", UserID: w.UserID, FirstName: w.FirstName, LastName: w.LastName,
	}
	if strict != nil {
		c.Raw = bytes.Clone(b)
	}
	return nil
}

// idText is a number or string of JSON as text.
func idText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return ""
	}
}

// setStatus changes the status, in Raw too, which then has its members sorted.
func (c *Certificate) setStatus(status string) {
	c.Status = status
	if c.Raw == nil {
		return
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(c.Raw, &members) != nil || members == nil {
		c.Raw = nil
		return
	}
	members["status"] = encode(status)
	c.Raw = encode(members)
}
