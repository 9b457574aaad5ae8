package streams

import (
	"context"
	"strings"
	"time"
)

const (
	// formingTimeout is how long a cluster may take to form before its refusal is told.
	formingTimeout = 15 * time.Second
	formingPoll    = 250 * time.Millisecond
)

// afterForming repeats apply while a cluster refuses only because it is still
// forming, and returns the last error.
func afterForming(ctx context.Context, apply func() error) error {
	ctx, cancel := context.WithTimeout(ctx, formingTimeout)
	defer cancel()
	tick := time.NewTicker(formingPoll)
	defer tick.Stop()
	for {
		err := apply()
		if !forming(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// forming tells whether the refusal passes by itself in a healthy cluster: it
// has no leader yet, or the leader has no statistics of a node yet. The server
// calls the latter "peer offline", also of a node whose route has just been
// made anew, though the node is up.
func forming(err error) bool {
	return isCode(err, codeNoLeader) || isCode(err, codeNoPeers) && strings.Contains(err.Error(), "peer offline")
}
