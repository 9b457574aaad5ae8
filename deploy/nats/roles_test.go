package nats_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

func TestWorkerCanDoItsWork(t *testing.T) {
	s := newSite(t)
	ctx, js := t.Context(), s.jetstream(t, "worker")
	if err := streams.Verify(ctx, js, s.names); err != nil {
		t.Fatal(err)
	}
	stores, err := streams.Open(ctx, js, s.names)
	if err != nil {
		t.Fatal(err)
	}

	subject := s.names.CommandSubject(messages.LaneRevoke, "servicenow")
	if _, err := s.jetstream(t, "servicenow").Publish(ctx, subject, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	consumer, err := streams.EnsureConsumer(ctx, js, s.names, messages.LaneRevoke, "servicenow", 0)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(nextWait))
	if err != nil {
		t.Fatal(err)
	}
	m := <-batch.Messages()
	if m == nil {
		t.Fatalf("no command: %v", batch.Error())
	}
	if err := m.InProgress(); err != nil {
		t.Fatal(err)
	}

	// the memory of orders, and a watcher of the controls
	revision, err := stores.Orders.Create(ctx, "order.1", []byte(`1`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stores.Orders.Update(ctx, "order.1", []byte(`2`), revision); err != nil {
		t.Fatal(err)
	}
	if e, err := stores.Orders.Get(ctx, "order.1"); err != nil || string(e.Value()) != "2" {
		t.Fatalf("reading an order: %v", err)
	}
	watcher, err := stores.Control.WatchAll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if e := <-watcher.Updates(); e != nil {
		t.Errorf("first update of an empty bucket: %v, want the end of what is there", e)
	}
	if err := watcher.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := stores.Orders.Create(ctx, "waiting.1", []byte("w")); err != nil {
		t.Fatal(err)
	}
	if watcher, err = stores.Orders.Watch(ctx, "waiting.>"); err != nil {
		t.Fatal(err)
	}
	if e := <-watcher.Updates(); e == nil || e.Key() != "waiting.1" {
		t.Errorf("first waiting key: %v", e)
	}
	if err := watcher.Stop(); err != nil {
		t.Error(err)
	}
	if err := stores.Orders.Delete(ctx, "order.1"); err != nil {
		t.Fatal(err)
	}

	// the answer: a large list, an event, a dead letter, the acknowledgement
	if _, err := stores.Results.PutBytes(ctx, "servicenow.INC-1.x", make([]byte, 300<<10)); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, s.names.EventSubject(messages.EventRevoked, messages.CommandName{Source: "servicenow", ID: "INC-1"}), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := stores.Events.GetLastMsgForSubject(ctx, s.names.ChainSubject(messages.CommandName{Source: "servicenow", ID: "INC-1"})); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, s.names.DeadLetterSubject(messages.LaneRevoke, "servicenow", ""), nil); err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(ctx); err != nil {
		t.Fatal(err)
	}
	info, err := stores.Commands.Info(ctx)
	if err != nil || info.State.Msgs != 0 {
		t.Errorf("%d commands left, %v", info.State.Msgs, err)
	}
	if err := js.Conn().LastError(); err != nil {
		t.Errorf("something was refused on the way: %v", err)
	}
}

func TestOperatorCanDoItsWork(t *testing.T) {
	s := newSite(t)
	ctx, js := t.Context(), s.jetstream(t, "ada")
	stores, err := streams.Open(ctx, js, s.names)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.jetstream(t, "worker").Publish(ctx, s.names.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: "INC-1"}), nil); err != nil {
		t.Fatal(err)
	}
	letter, err := s.jetstream(t, "worker").Publish(ctx, s.names.DeadLetterSubject(messages.LaneRevoke, "soar", ""), []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}

	seen := 0
	err = streams.Read(ctx, js, streams.Query{Stream: s.names.EventsStream()}, func(*jetstream.RawStreamMsg) bool { seen++; return true })
	if err != nil || seen != 1 {
		t.Fatalf("reading events: %d, %v; want 1", seen, err)
	}
	for _, key := range []string{"op.ada.pause.revocations", "op.ada.cancel.incident.I-1"} {
		if _, err := stores.Control.PutString(ctx, key, "{}"); err != nil {
			t.Fatalf("writing %s: %v", key, err)
		}
		if _, err := stores.Control.Get(ctx, key); err != nil {
			t.Fatalf("reading %s: %v", key, err)
		}
	}
	if _, err := streams.Lanes(ctx, stores.Commands, s.names); err != nil {
		t.Fatalf("looking at a lane: %v", err)
	}

	// a replay: read the dead letter, send its command under its source, drop it
	if _, err := stores.DeadLetters.GetMsg(ctx, letter.Sequence); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, s.names.CommandSubject(messages.LaneRevoke, "soar"), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := stores.DeadLetters.DeleteMsg(ctx, letter.Sequence); err != nil {
		t.Fatal(err)
	}
	if err := js.Conn().LastError(); err != nil {
		t.Errorf("something was refused on the way: %v", err)
	}
}
