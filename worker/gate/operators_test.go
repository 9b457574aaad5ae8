package gate

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"certrecall/messages"
	"certrecall/worker/natstest"
)

func TestCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		command := messages.Command{ID: "c-1", Source: "soar", OrderID: 4711, Incident: "INC-1"}
		for _, s := range []Selector{
			{Incident: "INC-1"}, {Source: "soar"}, {Source: "soar", Command: "c-1"}, {Order: 4711},
		} {
			time.Sleep(time.Minute) // synctest
			before := time.Now().Add(-time.Second)
			if _, cancelled := b.Cancelled(command, before); cancelled {
				t.Errorf("%s: cancelled before anybody said so", s)
			}
			time.Sleep(time.Second) // synctest
			given, err := Cancel(t.Context(), b.kv, s, "mira@example.com", "wrong file")
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			want := Cancellation{Selector: s, By: "mira@example.com", Reason: "wrong file", At: time.Now()}
			if diff := cmp.Diff(want, given, cmpopts.EquateApproxTime(time.Millisecond)); diff != "" {
				t.Errorf("Cancel (-want +got):\n%s", diff)
			}
			got, cancelled := b.Cancelled(command, before)
			if !cancelled {
				t.Errorf("%s: not cancelled", s)
			}
			if diff := cmp.Diff(given, got); diff != "" {
				t.Errorf("Cancelled (-want +got):\n%s", diff)
			}
			if _, cancelled := b.Cancelled(command, given.At); !cancelled {
				t.Errorf("%s: not cancelled at the very moment", s)
			}
			if _, cancelled := b.Cancelled(command, given.At.Add(time.Nanosecond)); cancelled {
				t.Errorf("%s: cancelled what came later", s)
			}
			for name, other := range map[string]messages.Command{
				"another":        {ID: "c-2", Source: "servicenow", OrderID: 4712, Incident: "INC-2"},
				"the same id":    {ID: "c-1", Source: "servicenow", OrderID: 4712},
				"nothing's name": {},
			} {
				if _, cancelled := b.Cancelled(other, before); cancelled {
					t.Errorf("%s: cancelled %s too", s, name)
				}
			}

			// Given again, it takes in what came since.
			time.Sleep(time.Minute) // synctest
			since := time.Now()
			if _, err := Cancel(t.Context(), b.kv, s, "omar@example.com", "again"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got, cancelled := b.Cancelled(command, since); !cancelled || got.By != "omar@example.com" {
				t.Errorf("%s: given again, Cancelled = %+v, %v", s, got, cancelled)
			}
			if err := b.kv.Delete(t.Context(), s.key()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
	})
}

// What was said is in force for a worker that starts later.
func TestCancellationsAreReadAtTheStart(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		kv := bucket(t, e.JetStream())
		received := time.Now()
		for order := range int64(1000) {
			if _, err := Cancel(t.Context(), kv, Selector{Order: order + 1}, "mira@example.com", "wrong file"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := kv.Put(t.Context(), "cancel.nonsense.1", nil); err != nil { // by hand, and meaning nothing
			t.Fatal(err)
		}
		b := run(t, kv)
		if err := b.Wait(t.Context(), Both); err != nil {
			t.Fatal(err)
		}
		for order := range int64(1000) {
			if _, ok := b.Cancelled(messages.Command{OrderID: order + 1}, received); !ok {
				t.Errorf("order %d is not cancelled", order+1)
			}
		}
		all, err := Cancellations(t.Context(), kv)
		if err != nil || len(all) != 1000 || all[0].Order != 1 || all[999].Order != 1000 {
			t.Errorf("Cancellations = %d, %v; want 1000, oldest first", len(all), err)
		}
	})
}

func TestPauses(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		kv, ctx := bucket(t, e.JetStream()), t.Context()
		check := func(want ...PauseInfo) {
			t.Helper()
			got, err := Pauses(ctx, kv)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(time.Millisecond)); diff != "" {
				t.Errorf("Pauses (-want +got):\n%s", diff)
			}
		}
		check()
		if err := Resume(ctx, kv, Both); err != nil {
			t.Errorf("Resume of nothing: %v", err)
		}
		if err := Resume(ctx, kv, Listings); err != nil {
			t.Errorf("Resume of nothing: %v", err)
		}
		if err := Pause(ctx, kv, Both, operator); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		check(PauseInfo{Revocations, operator.By, operator.Reason, now}, PauseInfo{Listings, operator.By, operator.Reason, now})
		if err := Resume(ctx, kv, Revocations); err != nil {
			t.Fatal(err)
		}
		check(PauseInfo{Listings, operator.By, operator.Reason, now})
		if err := Resume(ctx, kv, Both); err != nil {
			t.Fatal(err)
		}
		check()
	})
}

func TestOperatorsWordsAreChecked(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		kv, ctx := bucket(t, e.JetStream()), t.Context()
		for want, o := range map[string]Order{
			"by":                 {"", "x"},
			"reason":             {"x", " \t"},
			"control characters": {"x", "a\nb"},
			"UTF-8":              {"\xff", "b"},
			"1000":               {"x", strings.Repeat("ö", 1001)},
			"256":                {strings.Repeat("x", 257), "y"},
		} {
			if err := Pause(ctx, kv, Both, o); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Pause by %.10q for %.10q = %v, want an error with %q", o.By, o.Reason, err, want)
			}
			if _, err := Cancel(ctx, kv, Selector{Order: 1}, o.By, o.Reason); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Cancel by %.10q for %.10q = %v, want an error with %q", o.By, o.Reason, err, want)
			}
		}
		if err := Pause(ctx, kv, "everything", operator); err == nil {
			t.Error("Pause of an unknown kind was taken")
		}
		if err := Resume(ctx, kv, "everything"); err == nil {
			t.Error("Resume of an unknown kind was taken")
		}
		for want, s := range map[string]Selector{
			"exactly one":                {},
			"incident, source, order":    {Incident: "a", Order: 1},
			"or source and command":      {Incident: "a", Source: "b"},
			"needs its source":           {Command: "c"},
			"cannot be an incident":      {Incident: "a.b"},
			"cannot be a source":         {Source: "*"},
			"cannot be a command id":     {Source: "soar", Command: "a b"},
			"cannot be an order id":      {Order: -1},
			`">" cannot be a command id`: {Source: "soar", Command: ">"},
		} {
			if _, err := Cancel(ctx, kv, s, operator.By, operator.Reason); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Cancel(%+v) = %v, want an error with %q", s, err, want)
			}
		}
		if keys, err := kv.ListKeys(ctx); err != nil {
			t.Error(err)
		} else {
			for k := range keys.Keys() {
				t.Errorf("key %q was written by a word that was refused", k)
			}
		}
	})
}

// Every selector that can be given is found again under its own key, and no
// other: a cancellation never reaches further than what was said.
func TestSelectorKeys(t *testing.T) {
	t.Parallel()
	token := rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`)
	selector := rapid.Custom(func(t *rapid.T) Selector {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return Selector{Incident: token.Draw(t, "incident")}
		case 1:
			return Selector{Source: token.Draw(t, "source")}
		case 2:
			return Selector{Source: token.Draw(t, "source"), Command: token.Draw(t, "command")}
		}
		return Selector{Order: rapid.Int64Min(1).Draw(t, "order")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := selector.Draw(t, "a"), selector.Draw(t, "b")
		if err := a.validate(); err != nil {
			t.Fatal(err)
		}
		if got, ok := parseSelector(a.key()); !ok || got != a {
			t.Fatalf("%+v came back as %+v (%v)", a, got, ok)
		}
		if (a == b) != (a.key() == b.key()) {
			t.Fatalf("%+v and %+v have keys %s and %s", a, b, a.key(), b.key())
		}
	})
}

// A key that nobody of ours could have written says nothing, whatever it is;
// one that can be read is written the same way again.
func FuzzParseSelector(f *testing.F) {
	for _, key := range []string{"cancel.order.1", "cancel.order.01", "cancel.order.0", "cancel.command.soar.a.b", "cancel.incident.", "cancel.", "cancel.source.>"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if s, ok := parseSelector(key); ok && (s.key() != key || s.validate() != nil) {
			t.Errorf("%q was read as %+v", key, s)
		}
	})
}
