package gate

import (
	"testing"
	"time"

	"certrecall/client"
)

const lacks = "access_denied|missing_permission"

func denied(order int64, code string) client.Call {
	return client.Call{Op: client.OpRevokeOrder, OrderID: order, Class: client.ClassForbidden, Status: 403, Code: code}
}

func TestMassRefusal(t *testing.T) {
	t.Parallel()
	ok := func(order int64) client.Call { return call(order, "") }
	read := func(order int64) client.Call {
		return client.Call{Op: client.OpDuplicates, OrderID: order, Class: client.ClassForbidden, Code: lacks}
	}
	for name, c := range map[string]struct {
		calls       []client.Call
		pause       time.Duration // between calls
		revocations []Name
		listings    []Name
	}{
		"five orders for the same code":      {calls: []client.Call{denied(1, lacks), denied(2, lacks), denied(3, lacks), denied(4, lacks), denied(5, lacks)}, revocations: []Name{NotPermitted}},
		"over some minutes":                  {calls: []client.Call{denied(1, lacks), denied(2, lacks), denied(3, lacks), denied(4, lacks), denied(5, lacks)}, pause: time.Minute, revocations: []Name{NotPermitted}},
		"over an hour":                       {calls: []client.Call{denied(1, lacks), denied(2, lacks), denied(3, lacks), denied(4, lacks), denied(5, lacks)}, pause: 10 * time.Minute},
		"four orders":                        {calls: []client.Call{denied(1, lacks), denied(2, lacks), denied(3, lacks), denied(4, lacks), denied(4, lacks)}},
		"for different codes":                {calls: []client.Call{denied(1, lacks), denied(2, "a"), denied(3, lacks), denied(4, "b"), denied(5, lacks)}},
		"others are taken":                   {calls: []client.Call{denied(1, lacks), ok(7), denied(2, lacks), denied(3, lacks), denied(4, lacks), denied(5, lacks)}},
		"lists work while nobody may revoke": {calls: []client.Call{denied(1, lacks), {Op: client.OpDuplicates, OrderID: 9}, denied(2, lacks), denied(3, lacks), denied(4, lacks), denied(5, lacks)}, revocations: []Name{NotPermitted}},
		"lists":                              {calls: []client.Call{read(1), read(2), read(3), read(4), read(5)}, listings: []Name{NotPermitted}},
		"bad requests are the orders' own":   {calls: []client.Call{call(1, client.ClassRefused), call(2, client.ClassRefused), call(3, client.ClassRefused), call(4, client.ClassRefused), call(5, client.ClassRefused)}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				for i, call := range c.calls {
					if i > 0 {
						time.Sleep(c.pause) // synctest
					}
					b.Report(call)
				}
				wantClosed(b, Revocations, c.revocations...)
				wantClosed(b, Listings, c.listings...)
			})
		})
	}
}

// Nothing is held against a command that is refused as all others are.
func TestMassRefusalIsNobodysOwn(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		own := &client.Error{Class: client.ClassForbidden, Code: lacks}
		for order := range int64(massOrders) {
			if excused, err := b.Judge(t.Context(), own); excused || err != nil {
				t.Errorf("after %d orders: %t, %v", order, excused, err)
			}
			b.Report(denied(order+1, lacks))
		}
		for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
			wantClosed(b, Revocations, NotPermitted)
			if excused, err := b.Judge(t.Context(), own); !excused || err != nil {
				t.Errorf("while the gate is closed: %t, %v", excused, err)
			}
			if excused, _ := b.Judge(t.Context(), &client.Error{Class: client.ClassForbidden, Code: "other"}); excused {
				t.Error("another code is excused")
			}
			began := time.Now()
			if err := b.Wait(t.Context(), Revocations); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(began); d != want {
				t.Errorf("on trial after %s, want %s", d, want)
			}
			b.Report(denied(77, lacks)) // the trial
		}
		if err := b.Wait(t.Context(), Revocations); err != nil {
			t.Fatal(err)
		}
		b.Report(call(78, ""))
		b.Report(denied(79, lacks))
		wantClosed(b, Revocations)
		if excused, _ := b.Judge(t.Context(), own); excused {
			t.Error("excused after a success")
		}
		wantEqual(t, "probes", b.probed(), nil)
	})
}

func TestAnotherKeyEndsAMassRefusal(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for order := range int64(massOrders) {
			b.Report(denied(order+1, lacks))
		}
		wantClosed(b, Revocations, NotPermitted)
		b.keyChanged <- struct{}{}
		wantClosed(b, Revocations)
		b.Report(denied(9, lacks))
		wantClosed(b, Revocations)
	})
}

// A key that was never accepted lets nothing start, whatever is answered in its place.
func TestAKeyThatNeverWorkedIsTriedUntilItDoes(t *testing.T) {
	t.Parallel()
	natstestBubble(t, func(b *bench) {
		b.setProbe(&client.Error{Op: client.OpProbe, Class: client.ClassUnavailable, Status: 302, Foreign: true})
		time.Sleep(70 * time.Second) // synctest
		wantClosed(b, Revocations, KeyRefused)
		wantEqual(t, "probes", b.probed(), seconds(0, 1, 3, 7, 15, 30, 45, 60))
		b.setProbe(nil)
		time.Sleep(15 * time.Second) // synctest
		wantClosed(b, Both)
	}, func(cfg *Config) { cfg.ProbeFirst = true })
}
