package budget

import (
	"encoding/json"
	"fmt"
	"time"
)

// What a 429 does to the fleet.
const (
	firstPause    = 5 * time.Second
	longestPause  = 2 * time.Minute
	minRetryAfter = time.Second
	maxRetryAfter = 15 * time.Minute
	// maxLevel is where doubling ends: the longest pause is reached before.
	maxLevel = 10
)

// NotBefore is what a 429 has set for the whole fleet, as kept under the key "not-before".
type NotBefore struct {
	Until   time.Time `json:"until,omitzero"`   // no call begins before; server time
	Level   int       `json:"level"`            // how many 429 in a row raised it since the last success
	Changed time.Time `json:"changed,omitzero"` // when it was last raised or reset; server time
}

// throttled returns what a 429 at now makes of n, and whether that is a change. The call began at began; retryAfter is 0
// if the answer named none. Only a call that began after the last change raises the level: the other calls that were in
// flight at a 429 say nothing new, unless they name a later time.
func (n NotBefore) throttled(now, began time.Time, retryAfter time.Duration) (NotBefore, bool) {
	named := time.Duration(0)
	if retryAfter > 0 {
		named = min(max(retryAfter, minRetryAfter), maxRetryAfter)
	}
	changed := n.Changed
	if changed.After(now.Add(tolerance)) { // written by a clock that was wrong
		changed = time.Time{}
	}
	if !began.After(changed) {
		if named == 0 || now.Add(named).Before(n.Until.Add(time.Second)) {
			return n, false
		}
		n.Until = now.Add(named)
		return n, true
	}
	n.Level = min(n.Level+1, maxLevel)
	pause := named
	if pause == 0 {
		pause = min(firstPause<<(n.Level-1), longestPause)
	}
	if until := now.Add(pause); until.After(n.Until) {
		n.Until = until
	}
	n.Changed = now
	return n, true
}

// succeeded returns what a success at now makes of n, and whether that is a change. It takes the level away, so that the
// next pause is short again; a pause that was set is kept.
func (n NotBefore) succeeded(now time.Time) (NotBefore, bool) {
	if n.Level == 0 {
		return n, false
	}
	n.Level = 0
	n.Changed = now
	return n, true
}

// encode returns n as JSON.
func (n NotBefore) encode() ([]byte, error) {
	n.Until, n.Changed = n.Until.UTC(), n.Changed.UTC()
	return json.Marshal(n)
}

// decodeNotBefore reads what encode wrote.
func decodeNotBefore(b []byte) (NotBefore, error) {
	var n NotBefore
	if err := json.Unmarshal(b, &n); err != nil {
		return NotBefore{}, fmt.Errorf("not a not-before record: %w", err)
	}
	n.Level = min(max(n.Level, 0), maxLevel)
	return n, nil
}
