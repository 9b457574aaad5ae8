package gate

import (
	"testing"
	"time"

	"certrecall/client"
)

func seconds(s ...int) []time.Duration {
	var d []time.Duration
	for _, n := range s {
		d = append(d, time.Duration(n)*time.Second)
	}
	return d
}

func TestCircuitOpensForThreeOrders(t *testing.T) {
	t.Parallel()
	ok := client.Class("")
	for name, c := range map[string]struct {
		calls []client.Call
		want  bool // held back
	}{
		"three orders":           {[]client.Call{call(1, client.ClassUnavailable), call(2, client.ClassOutcomeUnknown), call(3, client.ClassNeverSent)}, true},
		"two orders":             {[]client.Call{call(1, client.ClassUnavailable), call(2, client.ClassUnavailable), call(1, client.ClassUnavailable)}, false},
		"a success between":      {[]client.Call{call(1, client.ClassUnavailable), call(2, client.ClassUnavailable), call(9, ok), call(3, client.ClassUnavailable)}, false},
		"an answer between":      {[]client.Call{call(1, client.ClassUnavailable), call(2, client.ClassUnavailable), call(9, client.ClassNotFound), call(3, client.ClassUnavailable)}, false},
		"a CDN's page between":   {[]client.Call{call(1, client.ClassUnavailable), call(2, client.ClassUnavailable), call(9, client.ClassForbidden), call(3, client.ClassUnavailable)}, true},
		"a 429 between":          {[]client.Call{call(1, client.ClassUnavailable), call(2, client.ClassUnavailable), call(9, client.ClassThrottled), call(3, client.ClassUnavailable)}, true},
		"ended by ourselves":     {[]client.Call{{OrderID: 1, Class: client.ClassUnavailable, Canceled: true}, call(2, client.ClassUnavailable), call(3, client.ClassUnavailable)}, false},
		"calls without an order": {[]client.Call{call(0, client.ClassUnavailable), call(0, client.ClassUnavailable), call(1, client.ClassUnavailable), call(2, client.ClassUnavailable)}, false},
		"certificates":           {[]client.Call{{CertificateID: 1, Class: client.ClassOutcomeUnknown}, {CertificateID: 2, Class: client.ClassOutcomeUnknown}, {CertificateID: 3, Class: client.ClassOutcomeUnknown}}, true},
		"refused by DigiCert":    {[]client.Call{call(1, client.ClassRefused), call(2, client.ClassRefused), call(3, client.ClassRefused)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.setProbe(failure(client.ClassUnavailable))
				for _, call := range c.calls {
					b.Report(call)
				}
				if c.want {
					wantClosed(b, Revocations, Circuit)
					wantClosed(b, Listings, Circuit)
				} else {
					wantClosed(b, Both)
				}
			})
		})
	}
}

func TestOneBadOrderNeverOpensTheCircuit(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		for range 1000 {
			b.Report(call(13, client.ClassUnavailable))
			time.Sleep(time.Second) // synctest
		}
		wantEqual(t, "changes", b.changed(), nil)
		wantEqual(t, "probes", b.probed(), nil)
	})
}

func openCircuit(b *bench) {
	b.t.Helper()
	for order := range int64(failingOrders) {
		b.Report(call(order+1, client.ClassUnavailable))
	}
}

func TestCircuitProbesUntilDigiCertAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.setProbe(failure(client.ClassUnavailable))
		openCircuit(b)
		time.Sleep(70 * time.Second) // synctest
		wantEqual(t, "probes", b.probed(), seconds(1, 3, 7, 15, 30, 45, 60))

		// What ends meanwhile decides nothing, neither way.
		b.Report(call(1, ""))
		openCircuit(b)
		wantClosed(b, Revocations, Circuit)

		b.setProbe(nil)
		began := time.Now()
		if err := b.Wait(t.Context(), Revocations); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("open %v after DigiCert was back, want at the next probe, 5s", d)
		}
		wantEqual(t, "changes", b.changed(), []string{"+circuit", "-circuit"})
		if d := b.ClosedFor(Revocations, b.start); d != 0 {
			t.Errorf("ClosedFor = %v: an outage counts against the retry budget", d)
		}
	})
}

// A DigiCert that answers the probe and nothing else is asked less and less.
func TestCircuitDelayGrowsUntilACommandSucceeds(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		reopen := func() time.Duration {
			t.Helper()
			began := time.Now()
			openCircuit(b)
			if err := b.Wait(t.Context(), Both); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		for _, want := range seconds(1, 2, 4, 8, 15, 15) {
			if got := reopen(); got != want {
				t.Errorf("held back for %v, want %v", got, want)
			}
		}
		b.Report(call(4, ""))
		if got := reopen(); got != time.Second {
			t.Errorf("after a success held back for %v, want 1s", got)
		}
	})
}

// An answer is an answer: 401, 404 and 429 to the probe show that DigiCert is there.
func TestAnyAnswerToTheProbeClosesTheCircuit(t *testing.T) {
	t.Parallel()
	for class, want := range map[client.Class][]Name{
		client.ClassThrottled:      nil,
		client.ClassNotFound:       nil,
		client.ClassRefused:        nil,
		client.ClassKeyRefused:     {KeyRefused},
		client.ClassUnavailable:    {Circuit},
		client.ClassOutcomeUnknown: {Circuit},
		client.ClassNeverSent:      {Circuit},
	} {
		t.Run(string(class), func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.setProbe(failure(class))
				openCircuit(b)
				time.Sleep(time.Second) // synctest
				wantClosed(b, Revocations, want...)
			})
		})
	}
}
