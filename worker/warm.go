package worker

import (
	"context"
	"time"

	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/streams"
)

// Connections are closed when they were idle for half a minute. Calls that begin
// together after that, because an operator resumed, a not-before is over or the
// budget has room again, would each wait for a connection with a permit in hand,
// and reach DigiCert later and closer together than the budget counted them. So
// while commands wait, there is a connection for each that may begin.

const (
	warmEvery = time.Second
	// warmAtOnce bounds what one look begins to make: an address that refuses
	// connections sees no more of them.
	warmAtOnce = 8
)

// warm makes connections for the commands that are queued. It waits for none,
// and no request goes out. It belongs to the one goroutine of runLanes.
func (w *Worker) warm(ctx context.Context, queued []streams.Queued) {
	if time.Since(w.warmed) < warmEvery {
		return
	}
	for _, r := range w.gates.Reasons() {
		if r.Gate == gate.Circuit || r.Gate == gate.KeyRefused {
			return // nobody knows whether there is anything to connect to
		}
	}
	waiting := map[messages.Lane]uint64{}
	for _, q := range queued {
		waiting[q.Lane] += q.Messages
	}
	want := 0
	for _, n := range waiting {
		want += int(min(n, uint64(w.cfg.Concurrency))) // Validate bounds it
	}
	missing := min(want-w.digicert.Connections(), warmAtOnce)
	if missing <= 0 {
		return
	}
	w.warmed = time.Now()
	for range missing {
		w.digicert.Warm(ctx, want)
	}
}
