package worker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// Slots are handed out in turn, to those at the end of the line only while
// nobody else waits, or after many turns of others; whoever leaves the line
// takes no slot along.
func TestLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLine(1)
		if err := l.enter(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if n := l.more(5); n != 0 {
			t.Fatalf("%d slots more than there are", n)
		}
		var got []string
		queue := func(ctx context.Context, name string, atTheEnd bool) {
			go func() {
				if l.enter(ctx, atTheEnd) == nil {
					got = append(got, name)
				}
			}()
			synctest.Wait()
		}
		gone, cancel := context.WithCancel(t.Context())
		queue(t.Context(), "end", true)
		queue(gone, "gone", false)
		queue(t.Context(), "a", false)
		queue(t.Context(), "b", false)
		cancel()
		synctest.Wait()
		for range 3 {
			l.leave(1)
			synctest.Wait()
		}
		if diff := cmp.Diff([]string{"a", "b", "end"}, got); diff != "" {
			t.Errorf("turns (-want +got):\n%s", diff)
		}
		got = nil
		queue(t.Context(), "end", true)
		for i := range 2 * patience {
			queue(t.Context(), fmt.Sprint(i), false)
		}
		turn := 0
		for i := range 2 * patience {
			l.leave(1)
			synctest.Wait()
			if got[i] == "end" {
				turn = i + 1
			}
		}
		if turn == 0 || turn > patience+1 {
			t.Errorf("one at the end of the line had turn %d, want it within %d", turn, patience+1)
		}
		l.leave(2)
		if n := l.more(5); n != 1 {
			t.Errorf("%d slots are free in the end, want 1", n)
		}
	})
}
