package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"certrecall/client"
)

func TestNotBeforeHoldsBackUntilItsTime(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		began := time.Now()
		b.setNotBefore(began.Add(time.Minute))
		wantClosed(b, Revocations, NotBefore)
		waited := make(chan time.Duration, 1)
		go func() {
			if err := b.Wait(t.Context(), Revocations); err != nil {
				t.Error(err)
			}
			waited <- time.Since(began)
		}()
		time.Sleep(30 * time.Second) // synctest
		b.setNotBefore(began.Add(2 * time.Minute))
		if d := <-waited; d != 2*time.Minute {
			t.Errorf("waited %v, want 2m", d)
		}
		wantEqual(t, "changes", b.changed(), []string{"+not-before", "-not-before"})

		// Taken back by a success of somebody else.
		b.setNotBefore(time.Now().Add(time.Hour))
		wantClosed(b, Listings, NotBefore)
		b.setNotBefore(time.Time{})
		wantClosed(b, Listings)
	})
}

// The gate is closed from the moment of the 429, not from when it was told.
func TestNotBeforeNeedsNoNotice(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.mu.Lock()
		b.notBefore = time.Now().Add(10 * time.Second)
		b.mu.Unlock()
		began := time.Now()
		wantClosed(b, Revocations, NotBefore)
		if err := b.Wait(t.Context(), Revocations); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("waited %v, want 10s", d)
		}
	})
}

// What closes for nobody's fault is added up once, however many gates it closes.
func TestClosedForCountsWhatIsNobodysFault(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		pass := func(d time.Duration) {
			time.Sleep(d) // synctest
			synctest.Wait()
		}
		pass(time.Hour)
		if err := Pause(ctx, b.kv, Revocations, operator); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		b.setNotBefore(time.Now().Add(30 * time.Minute))
		pass(time.Hour)
		if err := Resume(ctx, b.kv, Revocations, operator); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		b.setProbe(failure(client.ClassKeyRefused))
		b.Report(call(1, client.ClassKeyRefused))
		pass(time.Hour)

		for _, c := range []struct {
			kind      Kind
			ago, want time.Duration
		}{
			{Revocations, 5 * time.Hour, 3 * time.Hour},
			{Revocations, 500 * time.Hour, 3 * time.Hour},
			{Revocations, 150 * time.Minute, 90 * time.Minute},
			{Revocations, 30 * time.Minute, 30 * time.Minute},
			{Revocations, 0, 0},
			{Listings, 5 * time.Hour, 90 * time.Minute},
			{Listings, 150 * time.Minute, 60 * time.Minute},
		} {
			if got := b.ClosedFor(c.kind, time.Now().Add(-c.ago)); got != c.want {
				t.Errorf("ClosedFor(%s, %v ago) = %v, want %v", c.kind, c.ago, got, c.want)
			}
		}
	})
}
