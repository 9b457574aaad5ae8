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
	"certrecall/worker/statements"
)

func TestCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		command := messages.Command{ID: "c-1", Source: "soar", OrderID: 4711, Incident: "INC-1"}
		for _, s := range []Selector{
			{Incident: "INC-1"}, {Source: "soar"}, {Source: "soar", Incident: "INC-1", Command: "c-1"}, {Order: 4711},
		} {
			time.Sleep(time.Minute) // synctest
			before := time.Now().Add(-time.Second)
			if _, cancelled := b.Cancelled(command, before); cancelled {
				t.Errorf("%s: cancelled before anybody said so", s)
			}
			time.Sleep(time.Second) // synctest
			given, err := Cancel(t.Context(), b.kv, s, "mira", "wrong file")
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			want := Cancellation{Selector: s, By: "mira", Reason: "wrong file", At: time.Now()}
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
				"its namesake":   {ID: "c-1", Source: "jira", OrderID: 4712, Incident: "INC-2"},
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
			if _, err := Cancel(t.Context(), b.kv, s, "omar", "again"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got, cancelled := b.Cancelled(command, since); !cancelled || got.By != "omar" {
				t.Errorf("%s: given again, Cancelled = %+v, %v", s, got, cancelled)
			}
			for _, who := range []string{"mira", "omar"} { // by hand, so that the next case begins with nothing
				if err := b.kv.Delete(t.Context(), "op."+who+".cancel."+s.what()); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			if _, cancelled := b.Cancelled(command, before); cancelled {
				t.Errorf("%s: still cancelled by nobody", s)
			}
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
			if _, err := Cancel(t.Context(), kv, Selector{Order: order + 1}, "mira", "wrong file"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := kv.Put(t.Context(), "op.mira.cancel.nonsense.1", nil); err != nil { // by hand, and meaning nothing
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
		if err := Resume(ctx, kv, Both, operator); err != nil {
			t.Errorf("Resume of nothing: %v", err)
		}
		if err := Resume(ctx, kv, Listings, operator); err != nil {
			t.Errorf("Resume of nothing: %v", err)
		}
		if err := Pause(ctx, kv, Both, operator); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		check(PauseInfo{Revocations, operator.By, operator.Reason, now}, PauseInfo{Listings, operator.By, operator.Reason, now})
		if err := Resume(ctx, kv, Revocations, operator); err != nil {
			t.Fatal(err)
		}
		check(PauseInfo{Listings, operator.By, operator.Reason, now})
		if err := Resume(ctx, kv, Both, operator); err != nil {
			t.Fatal(err)
		}
		check()
	})
}

// Each operator has a key of its own; the latest of them counts, whoever said it.
func TestTheLatestWordCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		mira, omar := Order{"mira", "wrong file"}, Order{"omar", "file mended"}
		say := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			time.Sleep(time.Second) // synctest
		}
		say(Pause(ctx, b.kv, Revocations, mira))
		wantClosed(b, Revocations, Paused)
		say(Resume(ctx, b.kv, Revocations, omar))
		wantClosed(b, Revocations)
		say(Pause(ctx, b.kv, Revocations, mira))
		wantClosed(b, Revocations, Paused)
		say(Resume(ctx, b.kv, Both, mira))
		wantClosed(b, Revocations)
		say(Pause(ctx, b.kv, Revocations, omar))
		r, _ := b.Closed(Revocations)
		if r.By != "omar" {
			t.Errorf("reason = %+v, want omar's", r)
		}
		// A worker that starts now reads the same.
		later := run(t, b.kv)
		if err := later.Wait(ctx, Listings); err != nil {
			t.Fatal(err)
		}
		wantClosed(later, Revocations, Paused)
		// Whose key is gone says nothing any more: what others said stands.
		say(b.kv.Delete(ctx, "op.omar.pause.revocations"))
		wantClosed(b, Revocations)
		wantClosed(later, Revocations)
		keys, err := statements.List(ctx, b.kv, statements.Keys, false)
		if err != nil || len(keys) != 2 {
			t.Errorf("the bucket holds %+v, %v; want one key of each operator", keys, err)
		}
	})
}

func TestOperatorsWordsAreChecked(t *testing.T) {
	t.Parallel()
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		kv, ctx := bucket(t, e.JetStream()), t.Context()
		for want, o := range map[string]Order{
			"name is missing":    {"", "x"},
			"an operator's name": {"mira@example.com", "y"},
			"reason":             {"x", " \t"},
			"control characters": {"x", "a\nb"},
			"UTF-8":              {"x", "\xff"},
			"1000":               {"x", strings.Repeat("ö", 1001)},
			"1 to 64":            {strings.Repeat("x", 65), "y"},
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
		if err := Resume(ctx, kv, "everything", operator); err == nil {
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
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return Selector{Incident: token.Filter(messages.ValidIncident).Draw(t, "incident")}
		case 1:
			return Selector{Source: token.Draw(t, "source")}
		case 2:
			return Selector{Source: token.Draw(t, "source"), Command: token.Draw(t, "command")}
		case 3:
			return Selector{Source: token.Draw(t, "source"), Incident: token.Filter(messages.ValidIncident).Draw(t, "incident"), Command: token.Draw(t, "command")}
		}
		return Selector{Order: rapid.Int64Min(1).Draw(t, "order")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := selector.Draw(t, "a"), selector.Draw(t, "b")
		if err := a.validate(); err != nil {
			t.Fatal(err)
		}
		if got, ok := parseSelector(a.what()); !ok || got != a {
			t.Fatalf("%+v came back as %+v (%v)", a, got, ok)
		}
		if (a == b) != (a.what() == b.what()) {
			t.Fatalf("%+v and %+v have keys %s and %s", a, b, a.what(), b.what())
		}
	})
}

// A key that nobody of ours could have written says nothing, whatever it is;
// one that can be read is written the same way again.
func FuzzParseSelector(f *testing.F) {
	for _, what := range []string{"order.1", "order.01", "order.0", "command.soar.-.a", "command.soar.I.b", "command.soar.I", "incident.", "", "source.>"} {
		f.Add(what)
	}
	f.Fuzz(func(t *testing.T, what string) {
		if s, ok := parseSelector(what); ok && (s.what() != what || s.validate() != nil) {
			t.Errorf("%q was read as %+v", what, s)
		}
	})
}
