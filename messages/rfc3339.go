package messages

import (
	"strings"
	"time"
)

// parseTime reads an RFC 3339 time, in UTC. [time.Parse] alone also takes hours
// of one digit, fractions behind a comma and zones of a whole day
// (https://go.dev/issue/54580), and not the t and z of section 5.6.
func parseTime(v string) (t time.Time, ok bool) {
	if strings.ContainsAny(v, "tz") {
		v = strings.ToUpper(v)
	}
	if !writtenAsRFC3339(v) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, v)
	return t.UTC(), err == nil
}

// writtenAsRFC3339 reports whether each character of v is where RFC 3339 wants
// it, and the zone less than a day. Months, days and seconds are not looked at.
func writtenAsRFC3339(v string) bool {
	const seconds = "0000-00-00T00:00:00"
	if len(v) < len(seconds) || !like(v[:len(seconds)], seconds) {
		return false
	}
	rest := v[len(seconds):]
	if fraction, ok := strings.CutPrefix(rest, "."); ok {
		rest = strings.TrimLeft(fraction, "0123456789")
		if len(rest) == len(fraction) {
			return false
		}
	}
	if rest == "Z" {
		return true
	}
	return (like(rest, "+00:00") || like(rest, "-00:00")) && rest[1:3] < "24" && rest[4:] < "60"
}

// like reports whether v is the pattern, with any digit where that has a 0.
func like(v, pattern string) bool {
	if len(v) != len(pattern) {
		return false
	}
	for i := range len(v) {
		digit := pattern[i] == '0' && v[i] >= '0' && v[i] <= '9'
		if v[i] != pattern[i] && !digit {
			return false
		}
	}
	return true
}

// writable reports whether a time can be written as RFC 3339.
func writable(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 1 && y <= 9999
}
