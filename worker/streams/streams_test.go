package streams_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// A server that goes down while it sets up what a stream sources waits out its time-out there.
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*stream).trySetupSourceConsumer.func3"))
}

func names(t *testing.T) messages.Names {
	t.Helper()
	n, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func apply(t *testing.T, js jetstream.JetStream, o streams.Options) {
	t.Helper()
	if err := streams.Apply(t.Context(), js, names(t), o); err != nil {
		t.Fatal(err)
	}
}

func TestApplyCreatesWhatTheContractSays(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	apply(t, js, streams.Options{})

	type asset struct {
		Subjects                        []string
		Retention                       jetstream.RetentionPolicy
		Discard                         jetstream.DiscardPolicy
		DiscardNewPerSubject            bool
		MaxMsgsPerSubject               int64
		MaxMsgSize                      int32
		MaxAge, Duplicates              time.Duration
		DenyDelete, DenyPurge, Direct   bool
		Storage                         jetstream.StorageType
		MaxMsgs, MaxBytes, MaxConsumers int64
		Owner, Layout                   string
		Atomic                          bool
		Source                          string
	}
	unlimited := asset{MaxMsgs: -1, MaxBytes: -1, MaxConsumers: -1, MaxMsgSize: -1, MaxMsgsPerSubject: -1,
		Discard: jetstream.DiscardNew, Owner: "certrecall", Layout: "2"}
	with := func(change func(*asset)) asset {
		a := unlimited
		change(&a)
		return a
	}
	want := map[string]asset{
		"CERTRECALL_COMMANDS": with(func(a *asset) {
			a.Subjects = []string{"certrecall.cmd.v1.revoke-urgent.*", "certrecall.cmd.v1.revoke.*", "certrecall.cmd.v1.list-duplicates.*"}
			a.Retention = jetstream.WorkQueuePolicy
			a.MaxMsgSize = 80 * 1024
			a.MaxMsgsPerSubject, a.DiscardNewPerSubject = 100_000, true
			a.MaxBytes = 1 << 30
			a.Atomic = true
			a.Duplicates = 100 * time.Millisecond
			a.Direct = true
		}),
		"CERTRECALL_EVENTS": with(func(a *asset) {
			a.Subjects = []string{"certrecall.evt.v1.>"}
			a.MaxMsgsPerSubject = 1
			a.DiscardNewPerSubject = true
			a.DenyDelete, a.DenyPurge = true, true
			a.Duplicates = 2 * time.Minute // the server's default; events carry no message id
		}),
		"CERTRECALL_DLQ": with(func(a *asset) {
			a.Subjects = []string{"certrecall.dlq.v1.>"}
			a.Duplicates = time.Hour
			a.MaxMsgsPerSubject, a.DiscardNewPerSubject = 100_000, true
			a.MaxBytes = 256 << 20
			a.Direct = true
		}),
		"KV_CERTRECALL_ORDERS": with(func(a *asset) {
			a.Subjects = []string{"$KV.CERTRECALL_ORDERS.>"}
			a.MaxMsgsPerSubject = 1
			a.DenyDelete, a.Direct = true, true
			a.Duplicates = 2 * time.Minute
		}),
		"KV_CERTRECALL_BUDGET": with(func(a *asset) {
			a.Subjects = []string{"$KV.CERTRECALL_BUDGET.>"}
			a.MaxMsgsPerSubject = 1
			a.DenyDelete, a.Direct = true, true
			a.Duplicates = 2 * time.Minute
		}),
		"KV_CERTRECALL_CONTROL": with(func(a *asset) {
			a.Subjects = []string{"$KV.CERTRECALL_CONTROL.>"}
			a.MaxMsgsPerSubject = 64
			a.DenyDelete, a.Direct = true, true
			a.Duplicates = 2 * time.Minute
		}),
		"CERTRECALL_AUDIT": with(func(a *asset) { // sources what operators say
			a.DenyDelete, a.DenyPurge, a.Direct = true, true, true
			a.Source = "KV_CERTRECALL_CONTROL $KV.CERTRECALL_CONTROL.op.>"
		}),
		"OBJ_CERTRECALL_RESULTS": with(func(a *asset) {
			a.Subjects = []string{"$O.CERTRECALL_RESULTS.C.>", "$O.CERTRECALL_RESULTS.M.>"}
			a.Direct = true
			a.Duplicates = 2 * time.Minute
		}),
	}
	got := map[string]asset{}
	for info := range js.ListStreams(t.Context()).Info() {
		c := info.Config
		var source strings.Builder
		for _, s := range c.Sources {
			source.WriteString(s.Name + " " + s.FilterSubject)
		}
		got[c.Name] = asset{c.Subjects, c.Retention, c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject, c.MaxMsgSize, c.MaxAge, c.Duplicates,
			c.DenyDelete, c.DenyPurge, c.AllowDirect, c.Storage, c.MaxMsgs, c.MaxBytes, int64(c.MaxConsumers), c.Metadata["owner"], c.Metadata["certrecall.layout"], c.AllowAtomicPublish, source.String()}
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}

	for lane, subject := range map[string]string{
		"revoke-urgent":   "certrecall.cmd.v1.revoke-urgent.soar",
		"revoke":          "certrecall.cmd.v1.revoke.soar",
		"list-duplicates": "certrecall.cmd.v1.list-duplicates.soar",
	} {
		c, err := streams.EnsureConsumer(t.Context(), js, names(t), messages.Lane(lane), "soar", 45*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		name := lane + "=soar"
		want := jetstream.ConsumerConfig{Name: name, Durable: name, FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: 45 * time.Second, MaxDeliver: -1, MaxAckPending: -1, MaxWaiting: 512, InactiveThreshold: time.Hour}
		if diff := cmp.Diff(want, c.CachedInfo().Config, cmpopts.IgnoreFields(jetstream.ConsumerConfig{}, "Description", "Metadata")); diff != "" {
			t.Errorf("consumer %s (-want +got):\n%s", lane, diff)
		}
	}
	if err := streams.Verify(t.Context(), js, names(t)); err != nil {
		t.Errorf("Verify after Apply: %v", err)
	}
}

// The streams behind the buckets are made without the client's help: they
// must be what the client would have made.
func TestBucketsAreThoseOfTheClient(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "CERTRECALL_ORDERS"}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "CERTRECALL_RESULTS"}); err != nil {
		t.Fatal(err)
	}
	want := map[string]jetstream.StreamConfig{}
	for _, name := range []string{"KV_CERTRECALL_ORDERS", "OBJ_CERTRECALL_RESULTS"} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = s.CachedInfo().Config
		if err := js.DeleteStream(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, js, streams.Options{})
	for name, w := range want {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(w, s.CachedInfo().Config, cmpopts.IgnoreFields(jetstream.StreamConfig{}, "Description", "Metadata", "AllowMsgTTL")); diff != "" {
			t.Errorf("%s (-client +ours):\n%s", name, diff)
		}
	}
}

func TestApplyLeavesAnOperatorsLimitsAlone(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	apply(t, js, streams.Options{})
	want := map[string]jetstream.StreamConfig{}
	for info := range js.ListStreams(t.Context()).Info() {
		c := info.Config
		c.MaxBytes = 1 << 30
		if c.Name == "CERTRECALL_EVENTS" || c.Name == "CERTRECALL_DLQ" || c.Name == "CERTRECALL_COMMANDS" {
			c.MaxAge = 400 * 24 * time.Hour
			c.MaxMsgs = 1_000_000
			c.MaxMsgSize = 40 << 10
		}
		s, err := js.UpdateStream(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		want[c.Name] = s.CachedInfo().Config
	}
	c, err := streams.EnsureConsumer(t.Context(), js, names(t), messages.LaneRevoke, "soar", 0)
	if err != nil {
		t.Fatal(err)
	}
	cc := c.CachedInfo().Config
	cc.MaxAckPending = 70_000
	cc.SampleFrequency = "100"
	if _, err := js.UpdateConsumer(t.Context(), "CERTRECALL_COMMANDS", cc); err != nil {
		t.Fatal(err)
	}

	apply(t, js, streams.Options{Replicas: 3})

	for info := range js.ListStreams(t.Context()).Info() {
		if diff := cmp.Diff(want[info.Config.Name], info.Config, withoutServerMarks); diff != "" {
			t.Errorf("%s after the second Apply (-before +after):\n%s", info.Config.Name, diff)
		}
	}
	if c, err = streams.EnsureConsumer(t.Context(), js, names(t), messages.LaneRevoke, "soar", time.Minute); err != nil {
		t.Fatal(err)
	}
	cc.AckWait = time.Minute // the one thing that is ours
	if diff := cmp.Diff(cc, c.CachedInfo().Config, withoutServerMarks); diff != "" {
		t.Errorf("consumer after the second Apply (-want +got):\n%s", diff)
	}
}

func TestVerifyNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	n := names(t)
	if err := streams.Verify(t.Context(), js, n); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("Verify of nothing = %v, want %v", err, jetstream.ErrStreamNotFound)
	}
	if _, err := streams.Open(t.Context(), js, n); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("Open of nothing = %v, want %v", err, jetstream.ErrStreamNotFound)
	}
	apply(t, js, streams.Options{})
	if err := js.DeleteKeyValue(t.Context(), n.ControlBucket()); err != nil {
		t.Fatal(err)
	}
	if _, err := streams.Open(t.Context(), js, n); !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Errorf("Open without a bucket = %v, want %v", err, jetstream.ErrBucketNotFound)
	}
}

func TestOpenGivesWorkingHandles(t *testing.T) {
	t.Parallel()
	js := natstest.Start(t).JetStream()
	n, ctx := names(t), t.Context()
	apply(t, js, streams.Options{})
	s, err := streams.Open(ctx, js, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range []jetstream.KeyValue{s.Orders, s.Budget, s.Control} {
		rev, err := kv.Create(ctx, "k", []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Update(ctx, "k", []byte("2"), rev); err != nil {
			t.Error(err)
		}
		if err := kv.Purge(ctx, "k"); (err == nil) != (kv != s.Control) {
			t.Errorf("purging in %s: %v; nobody takes an operator's words away, and workers their own", kv.Bucket(), err)
		}
	}
	if _, err := s.Results.PutBytes(ctx, "o", []byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := js.Publish(ctx, n.CommandSubject(messages.LaneRevoke, "soar"), nil); err != nil {
		t.Error(err)
	}
	if _, err := js.Publish(ctx, "certrecall.cmd.v1.revok.soar", nil); err == nil {
		t.Error("a misspelt lane was accepted")
	}
	subject := n.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: "a"})
	if _, err := js.Publish(ctx, subject, nil); err != nil {
		t.Error(err)
	}
	if _, err := js.Publish(ctx, subject, nil); !isCode(err, 10077) {
		t.Errorf("the same event again = %v, want error 10077", err)
	}
	if s.CommandsCreated.IsZero() || s.Commands.CachedInfo().Config.Name != n.CommandsStream() ||
		s.Events.CachedInfo().Config.Name != n.EventsStream() || s.DeadLetters.CachedInfo().Config.Name != n.DeadLettersStream() {
		t.Errorf("Open = %+v", s)
	}
}

// Workers of one fleet start at the same moment.
func TestApplyAtOnce(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	errs := make(chan error)
	for range 8 {
		js := s.JetStream()
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			errs <- streams.Apply(ctx, js, names(t), streams.Options{})
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := streams.Verify(t.Context(), s.JetStream(), names(t)); err != nil {
		t.Error(err)
	}
}

func TestApplyOnACluster(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t, 3)
	js := c.JetStream()
	apply(t, js, streams.Options{Replicas: 3})
	for info := range js.ListStreams(t.Context()).Info() {
		if info.Config.Replicas != 3 {
			t.Errorf("%s has %d replicas, want 3", info.Config.Name, info.Config.Replicas)
		}
	}
	if err := streams.Verify(t.Context(), js, names(t)); err != nil {
		t.Error(err)
	}
}

// withoutServerMarks ignores the metadata that the server adds in some answers.
var withoutServerMarks = cmpopts.IgnoreMapEntries(func(k, _ string) bool { return strings.HasPrefix(k, "_nats.") })

func isCode(err error, code jetstream.ErrorCode) bool {
	e, ok := errors.AsType[jetstream.JetStreamError](err)
	return ok && e.APIError() != nil && e.APIError().ErrorCode == code
}
