package status

import (
	"encoding/json"
	"strings"
	"time"
)

// request is what is taken from DigiCert's request object: who decided. The
// rest of it stands in the events, unchanged.
// https://dev.digicert.com/en/certcentral-apis/services-api/requests/request-info.html
type request struct {
	Processed string `json:"date_processed"`
	Comment   string `json:"processor_comment"`
	Processor *user  `json:"processor"`
	Reviewer  *user  `json:"reviewer"`
}

type user struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`
}

func (u *user) String() string {
	if u == nil {
		return ""
	}
	name := strings.TrimSpace(u.FirstName + " " + u.LastName)
	switch {
	case u.Email == "":
		return name
	case name == "":
		return u.Email
	}
	return name + " <" + u.Email + ">"
}

// decided takes over who decided the request, where DigiCert tells. An object
// that is other than documented tells nothing.
func (r *Row) decided(raw json.RawMessage) {
	if len(raw) == 0 {
		return
	}
	var q request
	if json.Unmarshal(raw, &q) != nil {
		return
	}
	d := Decision{By: q.Processor.String(), Comment: q.Comment}
	if d.By == "" {
		d.By = q.Reviewer.String()
	}
	if at, err := time.Parse(time.RFC3339, q.Processed); err == nil {
		d.At = at.UTC()
	}
	if d != (Decision{}) {
		r.Decision = d
	}
}
