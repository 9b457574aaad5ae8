package status

import (
	"cmp"
	"encoding/json"

	"certrecall/messages"
)

// named is what a plan or a list of duplicates says of an order: the names and
// serial numbers of its certificates.
type named struct {
	first certificateName
	all   []certificateName // of more than one
}

type certificateName struct {
	id             int64
	common, serial string
}

// of returns common name and serial number of a certificate, or of the order's.
func (n named) of(certificate int64) (common, serial string) {
	if certificate == 0 || certificate == n.first.id {
		return n.first.common, n.first.serial
	}
	for _, c := range n.all {
		if c.id == certificate {
			return c.common, c.serial
		}
	}
	return "", ""
}

// maxNamed bounds how many certificates of one order are remembered.
const maxNamed = 200

// learn takes over what an event says of certificates and of the account.
func (v *View) learn(r *Row, e messages.Event) {
	if len(e.Certificates) > 0 {
		var found []Certificate
		if json.Unmarshal(e.Certificates, &found) == nil && len(found) > 0 {
			n := named{first: certificateName{int64(found[0].ID), found[0].CommonName, found[0].SerialNumber}}
			for _, c := range found[1:min(len(found), maxNamed)] {
				n.all = append(n.all, certificateName{int64(c.ID), c.CommonName, c.SerialNumber})
			}
			if _, known := v.known[e.OrderID]; !known || e.Name == messages.EventRevokePlanned {
				v.known[e.OrderID] = n
			}
		}
	}
	if len(e.Request) == 0 {
		return
	}
	var q struct {
		Order struct {
			Certificate Certificate `json:"certificate"`
			Container   struct {
				Name string `json:"name"`
			} `json:"container"`
			Account loose `json:"account_id"`
		} `json:"order"`
		Account loose `json:"account_id"`
	}
	if json.Unmarshal(e.Request, &q) != nil {
		return
	}
	r.Account = cmp.Or(string(q.Account), string(q.Order.Account), q.Order.Container.Name, r.Account)
	if c := q.Order.Certificate; r.CertificateID == 0 || r.CertificateID == int64(c.ID) {
		r.CommonName, r.Serial = cmp.Or(c.CommonName, r.CommonName), cmp.Or(c.SerialNumber, r.Serial)
	}
}

// loose is a text that DigiCert also sends as a number.
type loose string

// UnmarshalJSON takes texts and numbers, and ignores what is neither.
func (l *loose) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*l = loose(text)
	} else if len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') {
		*l = loose(b)
	}
	return nil
}
