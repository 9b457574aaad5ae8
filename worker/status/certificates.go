package status

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"certrecall/messages"
)

// Certificate is one certificate of a plan or a list of duplicates, as DigiCert
// describes it.
type Certificate struct {
	ID           number   `json:"id"`
	CommonName   string   `json:"common_name"`
	DNSNames     []string `json:"dns_names"`
	SerialNumber string   `json:"serial_number"`
	Status       string   `json:"status"`
	ValidTill    string   `json:"valid_till"`
}

// number is an integer that DigiCert also sends as a text.
type number int64

// UnmarshalJSON takes numbers and texts of digits.
func (n *number) UnmarshalJSON(b []byte) error {
	if len(b) > 1 && b[0] == '"' {
		b = b[1 : len(b)-1]
	}
	i, err := strconv.ParseInt(string(b), 10, 64)
	if err == nil {
		*n = number(i)
	}
	return nil
}

// Listing is what a plan or a list of duplicates says.
type Listing struct {
	Source         string          `json:"source"`
	Incident       string          `json:"incident,omitempty"`
	ID             string          `json:"command_id"`
	OrderID        int64           `json:"order_id"`
	CertificateID  int64           `json:"certificate_id,omitempty"`
	Planned        bool            `json:"planned"` // else listed
	At             time.Time       `json:"at"`
	OrderStatus    string          `json:"order_status,omitempty"`
	ApprovalNeeded *bool           `json:"approval_needed,omitempty"`
	Product        string          `json:"product,omitempty"`
	Certificates   []Certificate   `json:"-"`
	Raw            json.RawMessage `json:"certificates"` // DigiCert's objects, unchanged
}

// maxListing bounds a list that is read from the object bucket.
const maxListing = 64 << 20

// Listings gives the plans and the lists of duplicates of the filter to take,
// in the order in which they were answered, until it returns an error.
func (r *Reader) Listings(ctx context.Context, f Filter, take func(Listing) error) error {
	subjects := []string{f.eventsNamed(r.names, messages.EventRevokePlanned), f.eventsNamed(r.names, messages.EventDuplicatesListed)}
	return r.eachEvent(ctx, subjects, func(e messages.Event) error {
		if f.OrderID != 0 && e.OrderID != f.OrderID {
			return nil
		}
		l := Listing{
			Source: e.Source, Incident: e.Incident, ID: e.ID, OrderID: e.OrderID, CertificateID: e.CertificateID,
			Planned: e.Name == messages.EventRevokePlanned, At: e.Time, OrderStatus: e.OrderStatus,
			ApprovalNeeded: e.ApprovalNeeded, Product: e.Product, Raw: e.Certificates,
		}
		if o := e.CertificatesObject; o != nil {
			var err error
			if l.Raw, err = r.object(ctx, o); err != nil {
				return err
			}
		}
		if len(l.Raw) > 0 {
			if err := json.Unmarshal(l.Raw, &l.Certificates); err != nil {
				return fmt.Errorf("reading the certificates of command %s: %w", e.Command(), err)
			}
		}
		return take(l)
	})
}

// object reads a list that was too large for its event.
func (r *Reader) object(ctx context.Context, o *messages.ObjectRef) (json.RawMessage, error) {
	in, err := r.stores.Results.Get(ctx, o.Name)
	if err != nil {
		return nil, fmt.Errorf("opening object %s: %w", o.Name, err)
	}
	defer in.Close()
	body, err := io.ReadAll(io.LimitReader(in, maxListing))
	if err != nil {
		return nil, fmt.Errorf("reading object %s: %w", o.Name, err)
	}
	return body, nil
}
