package streams

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestAfterForming(t *testing.T) {
	refused := func(code jetstream.ErrorCode, text string) error {
		return fmt.Errorf("creating stream S: %w", &jetstream.APIError{ErrorCode: code, Description: text})
	}
	offline := refused(codeNoPeers, "no suitable peers for placement, peer offline")
	full := refused(codeNoPeers, "no suitable peers for placement, insufficient storage")
	noLeader := refused(codeNoLeader, "JetStream system temporarily unavailable")
	for _, c := range []struct {
		name    string
		answers []error // the last one for ever
		want    error
		calls   int
		atMost  time.Duration
	}{
		{"at once", []error{nil}, nil, 1, 0},
		{"it forms", []error{noLeader, offline, offline, nil}, nil, 4, 3 * formingPoll},
		{"full is not forming", []error{full}, full, 1, 0},
		{"another error", []error{offline, context.DeadlineExceeded}, context.DeadlineExceeded, 2, formingPoll},
		{"it never forms", []error{offline}, offline, int(formingTimeout / formingPoll), formingTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, began := 0, time.Now()
				err := afterForming(t.Context(), func() error {
					calls++
					return c.answers[min(calls, len(c.answers))-1]
				})
				if !errors.Is(err, c.want) || calls < c.calls || calls > c.calls+1 {
					t.Errorf("%v after %d calls, want %v after %d", err, calls, c.want, c.calls)
				}
				if d := time.Since(began); d > c.atMost {
					t.Errorf("took %v, want at most %v", d, c.atMost)
				}
			})
		})
	}
}
