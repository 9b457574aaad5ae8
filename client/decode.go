package client

import "encoding/json"

func decodeCertificate(v []byte) Certificate {
	c := Certificate{Raw: json.RawMessage(v)}
	for key, v := range members(v) {
		switch string(key) {
		case "id":
			c.ID = integer(v)
		case "thumbprint":
			c.Thumbprint = text(v)
		case "serial_number":
			c.SerialNumber = text(v)
		case "common_name":
			c.CommonName = text(v)
		case "dns_names":
			c.DNSNames = texts(v)
		case "status":
			c.Status = text(v)
		case "date_created":
			c.DateCreated = moment(v)
		case "date_issued":
			c.DateIssued = moment(v)
		case "valid_from":
			c.ValidFrom = moment(v)
		case "valid_till":
			c.ValidTill = moment(v)
		case "days_remaining":
			c.DaysRemaining = integer(v)
		case "csr":
			c.CSR = text(v)
		case "server_platform":
			c.ServerPlatform = decodeServerPlatform(v)
		case "signature_hash":
			c.SignatureHash = text(v)
		case "key_size":
			c.KeySize = integer(v)
		case "ca_cert_id":
			c.CACertID = text(v)
		case "sub_id":
			c.SubID = text(v)
		case "public_id":
			c.PublicID = text(v)
		case "archived":
			c.Archived = boolean(v)
		case "user_id":
			c.UserID = integer(v)
		case "firstname":
			c.FirstName = text(v)
		case "lastname":
			c.LastName = text(v)
		}
	}
	return c
}

func decodeServerPlatform(v []byte) ServerPlatform {
	var p ServerPlatform
	for key, v := range members(v) {
		switch string(key) {
		case "id":
			p.ID = integer(v)
		case "name":
			p.Name = text(v)
		case "install_url":
			p.InstallURL = text(v)
		case "csr_url":
			p.CSRURL = text(v)
		}
	}
	return p
}

func decodeOrder(v []byte) Order {
	o := Order{Raw: json.RawMessage(v)}
	for key, v := range members(v) {
		switch string(key) {
		case "id":
			o.ID = integer(v)
		case "status":
			o.Status = text(v)
		case "date_created":
			o.DateCreated = moment(v)
		case "order_valid_till":
			o.ValidTill = moment(v)
		case "product":
			for key, v := range members(v) {
				switch string(key) {
				case "name_id":
					o.ProductNameID = text(v)
				case "name":
					o.ProductName = text(v)
				}
			}
		case "certificate":
			if isObject(v) {
				o.Certificate = decodeCertificate(v)
			}
		case "requests":
			if isArray(v) {
				o.Requests = []Request{} // that there are none is said, too
			}
			for e := range elements(v) {
				o.Requests = append(o.Requests, decodeRequest(e))
			}
		}
	}
	return o
}

func decodeRequest(v []byte) Request {
	r := Request{Raw: json.RawMessage(v)}
	for key, v := range members(v) {
		switch string(key) {
		case "id":
			r.ID = integer(v)
		case "date":
			r.Date = moment(v)
		case "type":
			r.Type = text(v)
		case "status":
			r.Status = text(v)
		case "comments":
			r.Comments = text(v)
		case "processor_comment":
			r.ProcessorComment = text(v)
		case "date_processed":
			r.DateProcessed = moment(v)
		case "order":
			r.OrderID, r.CertificateID = decodeRequestOrder(v)
		case "requester":
			r.Requester = decodeUser(v)
		case "reviewer":
			r.Reviewer = decodeUser(v)
		case "processor":
			r.Processor = decodeUser(v)
		}
	}
	return r
}

func decodeRequestOrder(v []byte) (order, certificate int64) {
	for key, v := range members(v) {
		switch string(key) {
		case "id":
			order = integer(v)
		case "certificate":
			for key, v := range members(v) {
				if string(key) == "id" {
					certificate = integer(v)
				}
			}
		}
	}
	return order, certificate
}

func decodeUser(v []byte) *User {
	if !isObject(v) {
		return nil
	}
	u := new(User)
	for key, v := range members(v) {
		switch string(key) {
		case "id":
			u.ID = integer(v)
		case "first_name":
			u.FirstName = text(v)
		case "last_name":
			u.LastName = text(v)
		case "email":
			u.Email = text(v)
		}
	}
	return u
}

func decodeStatusChange(v []byte) StatusChange {
	var s StatusChange
	for key, v := range members(v) {
		switch string(key) {
		case "order_id":
			s.OrderID = integer(v)
		case "certificate_id":
			s.CertificateID = integer(v)
		case "status":
			s.Status = text(v)
		}
	}
	return s
}

// member returns the value of an object's member, the last one of that name; nil if there is none.
func member(v []byte, name string) []byte {
	var found []byte
	for key, v := range members(v) {
		if string(key) == name {
			found = v
		}
	}
	return found
}
