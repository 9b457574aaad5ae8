package submission

import (
	"fmt"
	"time"

	"certrecall/messages"
)

// withoutZone are times as people write them who forget the zone.
var withoutZone = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// timeHint says what was probably meant by a time that cannot be read.
func timeHint(value string) string {
	if d, err := time.ParseDuration(value); err == nil && d > 0 {
		at := time.Now().UTC().Add(d).Truncate(time.Second).Format(time.RFC3339)
		return fmt.Sprintf("; a length of time is none: %s from now is %s", value, at)
	}
	for _, layout := range withoutZone {
		if t, err := time.Parse(layout, value); err == nil {
			utc := t.Format("2006-01-02T15:04:05")
			return fmt.Sprintf("; add the zone: %sZ is UTC, %s+01:00 is Berlin in winter", utc, utc)
		}
	}
	return ""
}

// past returns what is wrong with the times of a command that lie in the past:
// it could never be in time, or nothing would ever be sent for it.
func past(r Row, c messages.Command, now time.Time) Problems {
	var out Problems
	for _, f := range []struct {
		name string
		at   time.Time
	}{{"deadline", c.Deadline}, {"expires", c.Expires}} {
		if !f.at.IsZero() && !f.at.After(now) {
			out = append(out, Problem{
				Line: r.Line, Field: f.name, Value: f.at.Format(time.RFC3339),
				Detail: "lies in the past: it is now " + now.UTC().Format(time.RFC3339),
			})
		}
	}
	return out
}
