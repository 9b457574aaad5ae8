package messages

import (
	"bytes"
	"strings"
)

// field is one field of a command.
type field uint8

// The fields of a command, in the order of the contract.
const (
	fieldUnknown field = iota
	fieldID
	fieldOrderID
	fieldCertificateID
	fieldComments
	fieldRevocationReason
	fieldSkipApproval
	fieldExpectedCommonName
	fieldDryRun
	fieldShowArchived
	fieldIncident
	fieldDeadline
	fieldExpires
	fieldRequestedBy
	fieldContext
)

// name returns the field's name in JSON.
func (f field) name() string {
	switch f {
	case fieldID:
		return "id"
	case fieldOrderID:
		return "order_id"
	case fieldCertificateID:
		return "certificate_id"
	case fieldComments:
		return "comments"
	case fieldRevocationReason:
		return "revocation_reason"
	case fieldSkipApproval:
		return "skip_approval"
	case fieldExpectedCommonName:
		return "expected_common_name"
	case fieldDryRun:
		return "dry_run"
	case fieldShowArchived:
		return "show_archived"
	case fieldIncident:
		return "incident"
	case fieldDeadline:
		return "deadline"
	case fieldExpires:
		return "expires"
	case fieldRequestedBy:
		return "requested_by"
	case fieldContext:
		return "context"
	case fieldUnknown:
	}
	return ""
}

// fieldOf returns the field with exactly this name.
func fieldOf(name []byte) field {
	switch string(name) {
	case "id":
		return fieldID
	case "order_id":
		return fieldOrderID
	case "certificate_id":
		return fieldCertificateID
	case "comments":
		return fieldComments
	case "revocation_reason":
		return fieldRevocationReason
	case "skip_approval":
		return fieldSkipApproval
	case "expected_common_name":
		return fieldExpectedCommonName
	case "dry_run":
		return fieldDryRun
	case "show_archived":
		return fieldShowArchived
	case "incident":
		return fieldIncident
	case "deadline":
		return fieldDeadline
	case "expires":
		return fieldExpires
	case "requested_by":
		return fieldRequestedBy
	case "context":
		return fieldContext
	}
	return fieldUnknown
}

// of reports whether commands of an action have the field.
func (f field) of(a Action) bool {
	switch f {
	case fieldCertificateID, fieldComments, fieldRevocationReason, fieldSkipApproval, fieldExpectedCommonName,
		fieldDryRun, fieldDeadline:
		return a != ActionListDuplicates
	case fieldShowArchived:
		return a != ActionRevoke
	case fieldUnknown, fieldID, fieldOrderID, fieldIncident, fieldExpires, fieldRequestedBy, fieldContext:
	}
	return true
}

// fieldSet is a set of fields.
type fieldSet uint16

func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }

func (s *fieldSet) add(f field) { *s |= 1 << f }

// likeField returns the name of the field that an attribute or header seems to
// mean, or "". A CloudEvents attribute can hold neither capitals nor
// underscores: dry_run would come as dryrun, and must not be overlooked. The id
// is an attribute of its own right.
func likeField(attribute string) string {
	for f := fieldOrderID; f <= fieldContext; f++ {
		if equalLoose(attribute, f.name()) {
			return f.name()
		}
	}
	return ""
}

// equalLoose compares without case, underscores and hyphens.
func equalLoose(a, b string) bool {
	for {
		a, b = strings.TrimLeft(a, "_-"), strings.TrimLeft(b, "_-")
		if a == "" || b == "" {
			return a == b
		}
		if a[0]|0x20 != b[0]|0x20 {
			return false
		}
		a, b = a[1:], b[1:]
	}
}

// unknown returns what to say about a name that is no field.
func unknown(name []byte) string {
	switch string(name) {
	case "source", "lane", "action", "type":
		return "is no field of a command; leave it out, the subject says it"
	case "specversion", "data":
		return "is no field of a command; send a whole CloudEvent with the header Content-Type: application/cloudevents+json"
	}
	if f := nearest(bytes.ToLower(name)); f != fieldUnknown {
		return "is no field of a command; did you mean " + f.name() + "?"
	}
	return "is no field of a command; leave it out, or put it inside context"
}

// nearest returns the field that was probably meant: the one that differs only
// in case, underscores and hyphens, that has the name as its first or last
// word, or that differs in at most two letters.
func nearest(name []byte) field {
	word := string(name)
	best, distance := fieldUnknown, 3
	for f := fieldID; f <= fieldContext; f++ {
		if equalLoose(word, f.name()) {
			return f
		}
		d := editDistance(word, f.name())
		if strings.HasPrefix(f.name(), word+"_") || strings.HasSuffix(f.name(), "_"+word) {
			d = 1
		}
		if d < distance && len(word) > 3 {
			best, distance = f, d
		}
	}
	return best
}

// editDistance counts the letters to add, drop or change to make b of a. Names
// that are much longer than any field are far from all.
func editDistance(a, b string) int {
	const most = 32
	if len(a) > most {
		return most
	}
	var row [most + 1]int
	for i := range row {
		row[i] = i
	}
	for j := 1; j <= len(b); j++ {
		diagonal := row[0]
		row[0] = j
		for i := 1; i <= len(a); i++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[i]
			row[i] = min(cost, row[i]+1, row[i-1]+1)
		}
	}
	return row[len(a)]
}
