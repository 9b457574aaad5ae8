package budget

import "fmt"

// IncidentKind says what kind of thing went wrong with the shared records.
type IncidentKind string

// The incidents that a budget reports.
const (
	// RecordBegun: there was no record and this process had never seen one, as on a fresh installation.
	RecordBegun IncidentKind = "record-begun"
	// RecordMissing: the record that this process had used is gone. Every process adds its own calls to the new one
	// before it reserves again.
	RecordMissing IncidentKind = "record-missing"
	// RecordUnreadable: the record held something else. It is replaced as if it were missing.
	RecordUnreadable IncidentKind = "record-unreadable"
	// RecordAhead: the record was more than two seconds ahead of the server's clock, and was moved back.
	RecordAhead IncidentKind = "record-ahead"
	// ClockWrong: Config.Now of this process is more than two seconds away from the clock that stamps the record. The
	// budget goes on with the stamps.
	ClockWrong IncidentKind = "clock-wrong"
	// OutOfReach: the record can be neither read nor written. No permits are given until it can. Reported once an outage.
	OutOfReach IncidentKind = "out-of-reach"
	// NotBeforeUnreadable: the not-before record held something else and is taken for none.
	NotBeforeUnreadable IncidentKind = "not-before-unreadable"
)

// An Incident tells what went wrong with the shared records and what was done about it. None of them needs an answer.
type Incident struct {
	Kind   IncidentKind
	Detail string
	Err    error // the cause, where there is one
}

// String returns the incident in one line.
func (i Incident) String() string {
	if i.Err == nil {
		return fmt.Sprintf("%s: %s", i.Kind, i.Detail)
	}
	return fmt.Sprintf("%s: %s: %v", i.Kind, i.Detail, i.Err)
}
