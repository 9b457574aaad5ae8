package worker

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/ledger"
)

// Commands for made-up certificates that nothing is done for leave no trace in
// the record of their order.
func TestCommandsThatDoNothingLeaveNoTrace(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		const n = 60
		for i := range n {
			w.publish(messages.LaneRevoke, "soar", revocation(fmt.Sprint("x", i), 4711, fields{
				"certificate_id": 1_000_000_000 + i, "expires": time.Now().Add(-time.Hour)}))
		}
		w.wait("all to be answered", 10*time.Minute, func() bool {
			return len(w.read(w.names.EventSubject(messages.EventRevokeFailed, messages.CommandName{Source: "soar", ID: "*"}))) == n
		})
		w.pass(time.Minute)
		kv, err := w.js.KeyValue(t.Context(), w.names.OrdersBucket())
		if err != nil {
			t.Fatal(err)
		}
		e, err := kv.Get(t.Context(), "order.4711")
		if err != nil {
			t.Fatal(err)
		}
		var r ledger.Record
		if err := json.Unmarshal(e.Value(), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Targets) > 0 || len(r.Commands) > 0 || len(r.Recent) > 32 {
			t.Errorf("the record holds more than the names of its last 32 commands: %s", e.Value())
		}
	})
}
