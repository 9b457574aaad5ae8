package credentials

import (
	"sync"
	"time"
)

// replayKey is one signed message.
type replayKey struct {
	source, credential, id string
	seconds                int64 // of its webhook-timestamp
}

// maxReplays bounds what is remembered. Beyond it the oldest go: then the time
// alone, and the command's id, stand against a replay.
const maxReplays = 100_000

// replays remembers the signed messages that were accepted, until their time is over.
type replays struct {
	mu       sync.Mutex
	accepted map[replayKey]time.Time // when it was accepted
	order    []replayKey             // oldest first
}

// check refuses a message that is too old or too new, or was accepted before.
func (r *replays) check(m replayKey, now time.Time) error {
	sent := time.Unix(m.seconds, 0)
	if now.Sub(sent) > Tolerance || sent.Sub(now) > Tolerance {
		return ErrWebhookTime
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.accepted[m]; seen {
		return ErrReplayed
	}
	return nil
}

// Accepted remembers that a request was taken: it is not taken again. What was
// not accepted may come once more as it is.
func (s *Store) Accepted(who Identity, now time.Time) {
	if who.message != (replayKey{}) {
		s.replays.add(who.message, now)
	}
}

func (r *replays) add(m replayKey, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.accepted[m]; !seen {
		r.order = append(r.order, m)
	}
	r.accepted[m] = now
	// A time up to the tolerance ahead stays good for twice the tolerance.
	for len(r.order) > 0 && (len(r.order) > maxReplays || now.Sub(r.accepted[r.order[0]]) > 2*Tolerance) {
		delete(r.accepted, r.order[0])
		r.order = r.order[1:]
	}
}
