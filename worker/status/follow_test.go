package status_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"certrecall/messages"
	"certrecall/worker/status"
)

func TestFollowKeepsAViewUpToDateThroughARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b, c := revocation("a", 1), revocation("b", 2), revocation("c", 3)
	s.send(a)
	s.say(a, messages.EventRevokeAccepted)
	r := s.reader()
	v, err := r.Load(t.Context(), status.Filter{Incident: "INC-1"})
	if err != nil {
		t.Fatal(err)
	}

	type change struct {
		before status.State
		id     string
		after  status.State
	}
	var mu sync.Mutex
	var changes []change
	ctx, cancel := context.WithCancel(t.Context())
	var followed sync.WaitGroup
	followed.Go(func() {
		err := r.Follow(ctx, v, func(before status.State, after status.Row) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, change{before, after.ID, after.State})
		})
		if err != nil {
			t.Errorf("following ended: %v", err)
		}
	})
	seen := func(want change) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(changes) > 0 && changes[len(changes)-1] == want
		}
	}

	s.say(a, messages.EventRevoked, func(e *messages.Event) { e.Status = "revoked" })
	within(t, "the end of a", seen(change{status.Accepted, "a", status.Revoked}))

	s.send(b)
	if err := r.Refresh(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if row, ok := v.Get(messages.CommandName{Source: "cli", Incident: "INC-1", ID: "b"}, time.Now()); !ok || row.State != status.Queued {
		t.Errorf("after a refresh b is %+v", row)
	}

	s.server.Restart()
	within(t, "an answer of the server", func() bool { _, err := s.stores.Events.Info(t.Context()); return err == nil })
	s.say(c, messages.EventRevokeFailed, failedWith(messages.ErrorRefused, "no"))
	within(t, "c after a restart", seen(change{"", "c", status.Failed}))

	cancel()
	followed.Wait()
	if counts := v.Counts(); len(counts) != 3 || counts[status.Revoked] != 1 || counts[status.Queued] != 1 || counts[status.Failed] != 1 {
		t.Errorf("counts %v", counts)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(changes) != 2 {
		t.Errorf("changes %v, want two: no event is told twice", changes)
	}
}
