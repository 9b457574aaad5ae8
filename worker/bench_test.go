package worker

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/client"
	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// benchWorker is a worker that pulls nothing: its parts are called one by one,
// on a real server that syncs every write.
func benchWorker(b *testing.B) *Worker {
	b.Helper()
	srv := natstest.Start(b)
	digicert := httptest.NewServer(digicertsim.New(digicertsim.Options{AutoOrders: true, MaxCalls: -1}))
	b.Cleanup(digicert.Close)
	names, err := messages.NewNames("certrecall")
	if err != nil {
		b.Fatal(err)
	}
	w, err := New(Config{
		Names: names, Conn: srv.Conn(nats.ReconnectBufSize(-1)), Provision: true,
		DigiCert: client.Config{BaseURL: digicert.URL + digicertsim.BasePath, Key: client.StaticKey(testKey)},
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := streams.Apply(b.Context(), w.js, names, streams.Options{}); err != nil {
		b.Fatal(err)
	}
	w.calling, w.pulling = b.Context(), b.Context()
	if err := w.open(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var servants sync.WaitGroup
	w.serve(ctx, &servants)
	b.Cleanup(func() { cancel(); servants.Wait(); w.digicert.CloseIdleConnections() })
	for _, kind := range []messages.Lane{messages.LaneRevoke, messages.LaneListDuplicates} {
		if err := w.gates.Wait(b.Context(), kindOf(kind)); err != nil {
			b.Fatal(err)
		}
	}
	return w
}

// benchJob is the n-th command as it comes out of the decoder.
func benchJob(b *testing.B, ctx context.Context, lane messages.Lane, n int) *job {
	body := fmt.Appendf(nil, `{"id":"c-%d","order_id":%d,"comments":"key compromised","skip_approval":true}`, n, n)
	if lane == messages.LaneListDuplicates {
		body = fmt.Appendf(nil, `{"id":"c-%d","order_id":%d}`, n, n)
	}
	cmd, err := messages.DecodeCommand(lane, "bench", nil, body)
	if err != nil {
		b.Fatal(err)
	}
	j := newJob(cmd)
	j.received, j.deliveries, j.wait = time.Now(), 1, ctx
	return j
}

// BenchmarkRevoke is a whole revocation, from the decoded command to its final
// event: four writes one after the other, and the call.
func BenchmarkRevoke(b *testing.B) {
	w := benchWorker(b)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if v := w.revoke(b.Context(), nil, benchJob(b, b.Context(), messages.LaneRevoke, n)); v.outcome != string(messages.EventRevoked) {
			b.Fatal(v)
		}
	}
}

// BenchmarkList is a whole listing: a look at what was said, the call, and the event.
func BenchmarkList(b *testing.B) {
	w := benchWorker(b)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if v := w.list(b.Context(), nil, benchJob(b, b.Context(), messages.LaneListDuplicates, n)); v.outcome != string(messages.EventDuplicatesListed) {
			b.Fatal(v)
		}
	}
}

// BenchmarkSay is the path of one event: encode, publish behind the one before, ack.
func BenchmarkSay(b *testing.B) {
	w := benchWorker(b)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		j := benchJob(b, b.Context(), messages.LaneRevoke, n)
		if err := w.say(b.Context(), j, w.event(j, messages.EventRevokeAccepted)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadChain is the look at what was said of a command of which nothing was.
func BenchmarkReadChain(b *testing.B) {
	w := benchWorker(b)
	b.ReportAllocs()
	for b.Loop() {
		if c, err := w.readChain(b.Context(), messages.CommandName{Source: "bench", ID: "nobody"}); err != nil || c.last != 0 {
			b.Fatal(c, err)
		}
	}
}
