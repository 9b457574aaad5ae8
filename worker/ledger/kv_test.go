package ledger

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
)

// lossy loses the answers to the first swaps: they are stored all the same.
type lossy struct {
	jetstream.KeyValue
	lose atomic.Int32
}

func (l *lossy) Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (uint64, error) {
	return l.answer(l.KeyValue.Create(ctx, key, value, opts...))
}

func (l *lossy) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return l.answer(l.KeyValue.Update(ctx, key, value, revision))
}

func (l *lossy) answer(revision uint64, err error) (uint64, error) {
	if err == nil && l.lose.Add(-1) >= 0 {
		return 0, errors.New("no answer")
	}
	return revision, err
}

func bucket(t *testing.T) (*lossy, *Ledger) {
	t.Helper()
	kv, err := natstest.Start(t).JetStream().CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "ORDERS"})
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{KeyValue: kv}
	return l, New(l)
}

func TestSwap(t *testing.T) {
	t.Parallel()
	kv, l := bucket(t)
	e, err := l.Load(t.Context(), 4711)
	if err != nil || e.Revision != 0 || e.Order != 4711 {
		t.Fatalf("a record of which nothing is known: %+v, %v", e, err)
	}
	first := e
	first.Begin(plain, "one", zero, time.Second)
	if first, err = l.Swap(t.Context(), first); err != nil || first.Revision == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	second := e
	second.Begin(other, "two", zero, time.Second)
	if _, err := l.Swap(t.Context(), second); !errors.Is(err, ErrLost) {
		t.Errorf("a swap over another's: %v", err)
	}
	kv.lose.Store(1)
	if _, err := l.Swap(t.Context(), first); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("a lost answer is neither success nor a lost swap: %v", err)
	}
	now, err := l.Load(t.Context(), 4711)
	if err != nil || now.Lease == nil || now.Lease.Owner != "one" || now.Targets[0].Puts != 1 {
		t.Errorf("stored: %+v, %v", now, err)
	}
}

func TestUpdateMeetsItsOwnResult(t *testing.T) {
	t.Parallel()
	kv, l := bucket(t)
	kv.lose.Store(2)
	calls := 0
	e, err := l.Update(t.Context(), Fresh(1), func(r *Record) bool {
		calls++
		return r.Begin(plain, "one", zero, time.Second)
	})
	if err != nil || calls != 3 || e.Targets[0].Puts != 1 || e.Note(plain.Command).Attempts != 1 {
		t.Errorf("%d calls: %+v, %v", calls, e, err)
	}
	if stored, err := l.Load(t.Context(), 1); err != nil || stored.Revision != e.Revision {
		t.Errorf("revision %d, stored %d, %v", e.Revision, stored.Revision, err)
	}
}

func TestUpdateBeginsFromAStaleHint(t *testing.T) {
	t.Parallel()
	_, l := bucket(t)
	if _, err := l.Update(t.Context(), Fresh(1), func(r *Record) bool { r.SetMember(7); return true }); err != nil {
		t.Fatal(err)
	}
	e, err := l.Update(t.Context(), Fresh(1), func(r *Record) bool { r.SetMember(8); return true })
	if err != nil || !e.Member(7) || !e.Member(8) {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err = l.Update(t.Context(), e, func(*Record) bool { return false }); err != nil || e.Order != 1 {
		t.Errorf("nothing to change: %+v, %v", e, err)
	}
}

func TestUnreadableRecordIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	kv, l := bucket(t)
	if _, err := kv.PutString(t.Context(), "order.1", "{"); err != nil {
		t.Fatal(err)
	}
	e, err := l.Load(t.Context(), 1)
	if err == nil || e.Order != 1 || e.Revision != 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := l.Swap(t.Context(), e); !errors.Is(err, ErrLost) {
		t.Errorf("it was taken for an empty one: %v", err)
	}
	e, err = l.Update(t.Context(), Fresh(1), func(r *Record) bool { r.SetMember(7); return true })
	if err == nil || e.Order != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := kv.Get(t.Context(), "order.0"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("a record of no order: %v", err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	kv, l := bucket(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e, err := New(kv).Load(ctx, 5); err == nil || e.Order != 5 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := l.Update(ctx, Fresh(5), func(r *Record) bool { r.SetMember(7); return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWaitingKeys(t *testing.T) {
	t.Parallel()
	kv, l := bucket(t)
	k := Waiting{Order: 1, Source: "soar", ID: "a", Phase: Queued, Body: []byte("{}"), ReceivedAt: zero, Deadline: after(60)}
	if err := l.Wait(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	parked := k
	parked.Phase = Parked
	if err := l.Wait(t.Context(), parked); err != nil {
		t.Fatal(err)
	}
	// Who listed it before does not undo that.
	kv.lose.Store(1)
	now, there, err := l.Amend(t.Context(), k, func(w *Waiting) { w.OverdueSaid = true })
	if err != nil || !there || now.Phase != Parked || !now.OverdueSaid {
		t.Errorf("%+v %t %v", now, there, err)
	}
	if _, err := kv.PutString(t.Context(), "waiting.2.soar.b", "{"); err != nil {
		t.Fatal(err)
	}
	found, broken := 0, 0
	for w, err := range l.AllWaiting(t.Context()) {
		if err != nil {
			broken++
			continue
		}
		found++
		if w.Claimant().Command != "soar/a" || !w.OverdueSaid {
			t.Errorf("listed %+v", w)
		}
	}
	if found != 1 || broken != 1 {
		t.Errorf("%d found, %d broken", found, broken)
	}
	if err := l.Unwait(t.Context(), 1, messages.CommandName{Source: "soar", ID: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, there, err := l.Amend(t.Context(), k, func(*Waiting) {}); there || err != nil {
		t.Errorf("a key that is gone came back: %t %v", there, err)
	}
	if _, there, err := l.IsWaiting(t.Context(), 1, messages.CommandName{Source: "soar", ID: "a"}); there || err != nil {
		t.Errorf("%t %v", there, err)
	}
}
