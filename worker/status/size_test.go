package status_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
	"certrecall/worker/status"
)

// fill stores n commands, of which two thirds are answered: each of those has
// two events, one in a hundred a failure.
func (s *site) fill(n int) {
	s.t.Helper()
	publish := func(subject string, header map[string][]string, body []byte) {
		if _, err := s.js.PublishMsgAsync(&nats.Msg{Subject: subject, Header: header, Data: body}); err != nil {
			s.t.Fatal(err)
		}
		if s.js.PublishAsyncPending() > 2000 {
			<-s.js.PublishAsyncComplete()
		}
	}
	for i := range n {
		c := revocation(fmt.Sprintf("INC-1-revoke-%d", i+1), int64(i+1))
		if i%3 == 0 {
			body, err := messages.EncodeCommand(c)
			if err != nil {
				s.t.Fatal(err)
			}
			publish(s.names.CommandSubject(c.Lane, c.Source), nil, body)
			continue
		}
		events := []messages.Event{
			messages.NewEvent(c, messages.EventRevokeAccepted, s.received, s.received),
			messages.NewEvent(c, messages.EventRevoked, s.received, s.received),
		}
		events[1].Status = "revoked"
		if i%100 == 1 {
			events[1].Name, events[1].Error = messages.EventRevokeFailed, messages.NewError(messages.ErrorRefused, "no")
		}
		for _, e := range events {
			subject, header, body, err := s.names.EncodeEvent(e)
			if err != nil {
				s.t.Fatal(err)
			}
			publish(subject, header, body)
		}
	}
	<-s.js.PublishAsyncComplete()
}

func TestEveryCommandOfManyIsCountedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const n = 3000
	s.fill(n)
	counts := s.load(status.Filter{Incident: "INC-1"}).Counts()
	if counts[status.Queued] != n/3 || counts[status.Queued]+counts[status.Revoked]+counts[status.Failed] != n {
		t.Errorf("counts %v of %d commands", counts, n)
	}
	if v := s.load(status.Filter{Incident: "INC-2"}); v.Len() != 0 {
		t.Errorf("%d commands of another incident", v.Len())
	}
}

// BenchmarkLoad reads 100,000 commands: of one incident, and of another, whose
// events are passed over.
func BenchmarkLoad(b *testing.B) {
	s := newSite(b)
	const n = 100_000
	s.fill(n)
	r := s.reader()
	for _, name := range []string{"INC-1", "INC-2"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				v, err := r.Load(b.Context(), status.Filter{Incident: name})
				if err != nil {
					b.Fatal(err)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB-held")
				if want := map[string]int{"INC-1": n}[name]; v.Len() != want {
					b.Fatalf("%d commands, want %d", v.Len(), want)
				}
			}
		})
	}
}
