package messages

import (
	"strconv"
	"strings"
)

// Lengths, in bytes, of the tokens of the contract.
const (
	maxPrefix   = 32
	maxSource   = 64
	maxIncident = 64
	maxID       = 128 // a producer's id
	maxReplayID = 160 // a producer's id with a replay suffix
)

// InvalidSource is the source under which a message is answered whose own
// source breaks the rule of [ValidSource].
const InvalidSource = "invalid"

const (
	sequencePrefix = "seq-"
	replayInfix    = "-replay-"
)

// ValidSource reports whether s can name a producing system: one token of
// [A-Za-z0-9_-], 1 to 64 long.
func ValidSource(s string) bool { return validToken(s, maxSource) }

// ValidIncident reports whether s can name an incident: [A-Za-z0-9_-], 1 to 64
// long, and not "-", which stands for none.
func ValidIncident(s string) bool { return s != noIncident && validToken(s, maxIncident) }

// ValidID reports whether s has the form of a command id: [A-Za-z0-9_-], 1 to
// 128 long, or up to 160 where it ends in the suffix of a replay. It says
// nothing about who may use it: see [ReservedID].
func ValidID(s string) bool {
	if len(s) <= maxID {
		return validToken(s, maxID)
	}
	base, replay := cutReplay(s)
	return replay && len(base) <= maxID && validToken(s, maxReplayID)
}

// ReservedID reports whether an id is ours to give: it begins with "seq-" or
// ends in "-replay-<digits>". A producer's command with such an id counts as
// one whose id cannot be read.
func ReservedID(s string) bool {
	_, replay := cutReplay(s)
	return replay || strings.HasPrefix(s, sequencePrefix)
}

// ReplayID returns the id under which the dead letter with the given
// certrecall-sequence is sent again: the id with "-replay-<sequence>" behind
// it. A replay of a replay replaces the suffix, so that replaying twice is one
// command.
func ReplayID(id string, sequence uint64) string {
	base, _ := cutReplay(id)
	return base + replayInfix + strconv.FormatUint(sequence, 10)
}

// cutReplay splits the suffix of a replay from an id.
func cutReplay(id string) (base string, replay bool) {
	digits := len(id)
	for digits > 0 && id[digits-1] >= '0' && id[digits-1] <= '9' {
		digits--
	}
	base, replay = strings.CutSuffix(id[:digits], replayInfix)
	if !replay || digits == len(id) {
		return id, false
	}
	return base, true
}

// validToken reports whether s is 1 to limit characters of [A-Za-z0-9_-].
func validToken(s string, limit int) bool {
	if len(s) == 0 || len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
