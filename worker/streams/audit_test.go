package streams_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// Every word of an operator is kept, in its order, when its key is written
// again too, and nobody can take it away.
func TestAuditKeepsEveryWord(t *testing.T) {
	t.Parallel()
	js, n := natstest.Start(t).JetStream(), names(t)
	apply(t, js, streams.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	control, err := js.KeyValue(ctx, n.ControlBucket())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, word := range []struct{ key, value string }{
		{"op.alice.pause.revocations", "on"}, {"op.alice.pause.revocations", "off"}, {"not-an-operators", "x"}, {"op.bob.cancel.order.7", "stop"},
	} {
		if _, err := control.PutString(ctx, word.key, word.value); err != nil {
			t.Fatal(err)
		}
		if word.key != "not-an-operators" {
			want = append(want, "$KV.CERTRECALL_CONTROL."+word.key+"="+word.value)
		}
	}
	s, err := js.Stream(ctx, n.AuditStream())
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.CachedInfo().State.Msgs < uint64(len(want)) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the words do not arrive")
		}
		if _, err := s.Info(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Subject+"="+string(m.Data))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if err := s.DeleteMsg(ctx, 1); err == nil {
		t.Error("an entry was deleted")
	}
	if err := s.Purge(ctx); err == nil {
		t.Error("the audit was purged")
	}
	cfg := s.CachedInfo().Config
	cfg.Sources = []*jetstream.StreamSource{{Name: "KV_CERTRECALL_CONTROL", FilterSubject: "$KV.CERTRECALL_CONTROL.op.alice.>"}}
	if _, err := js.UpdateStream(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, streams.Verify(ctx, js, n), "stream CERTRECALL_AUDIT", "what operators say")
}
