package submission

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// storing is a server with streams, and a connection of the command line.
func storing(t *testing.T) (*natstest.Server, site) {
	t.Helper()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	server := natstest.Start(t)
	conn := server.Conn(nats.ReconnectBufSize(-1)) // as the command line connects
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), js, names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	return server, site{conn, js, names}
}

func numbered(n int) []messages.Command {
	all := make([]messages.Command, n)
	for i := range all {
		all[i] = messages.Command{
			ID: fmt.Sprint(i), Source: "cli", Lane: messages.LaneRevoke, OrderID: int64(i + 1), Comments: "x", Incident: "INC-1",
		}
	}
	return all
}

// site is a server as a submission sees it.
type site struct {
	conn  *nats.Conn
	js    jetstream.JetStream
	names messages.Names
}

func (s site) publisher(t *testing.T, stored func(int)) *Publisher {
	t.Helper()
	p, err := NewPublisher(s.conn, s.names)
	if err != nil {
		t.Fatal(err)
	}
	p.Stored = stored
	return p
}

// stored gives how often each id stands in the commands stream.
func stored(t *testing.T, s site) map[string]int {
	t.Helper()
	stream, err := s.js.Stream(t.Context(), s.names.CommandsStream())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		c, err := messages.DecodeCommand(messages.LaneRevoke, "cli", m.Header, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		found[c.ID]++
	}
	return found
}

func TestPublishingLosesNothingWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	server, s := storing(t)
	const n = 3000
	var acknowledged atomic.Int64
	third := make(chan struct{})
	pub := s.publisher(t, func(int) {
		if acknowledged.Add(1) == n/3 {
			close(third)
		}
	})
	done := make(chan error, 1)
	go func() { done <- pub.Publish(t.Context(), numbered(n)) }()
	<-third
	server.Kill()
	server.Restart()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := acknowledged.Load(); got != n {
		t.Errorf("%d acknowledged, want %d: each once", got, n)
	}
	found := stored(t, s)
	for i := range n {
		if found[fmt.Sprint(i)] == 0 {
			t.Errorf("command %d is lost", i)
		}
	}
	if len(found) != n {
		t.Errorf("%d different commands, want %d", len(found), n)
	}
}

func TestPublishingEndsWhereTheServerRefuses(t *testing.T) {
	t.Parallel()
	_, s := storing(t)
	s.names, _ = messages.NewNames("other") // its subjects are in no stream
	pub := s.publisher(t, func(int) { t.Error("acknowledged") })
	pub.Patience = time.Nanosecond
	if err := pub.Publish(t.Context(), numbered(3)); err == nil || !strings.Contains(err.Error(), "OTHER_COMMANDS") {
		t.Errorf("error %v, want one that names the stream", err)
	}
}

func TestPublishingCanBeInterrupted(t *testing.T) {
	t.Parallel()
	server, s := storing(t)
	server.Stop()
	pub := s.publisher(t, func(int) { t.Error("acknowledged") })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- pub.Publish(ctx, numbered(3)) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
}

// oneByOne is a stream as an older setup made it: it takes no batches.
func (s site) oneByOne(t *testing.T) {
	t.Helper()
	stream, err := s.js.Stream(t.Context(), s.names.CommandsStream())
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.AllowAtomicPublish = false
	if _, err := s.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

func TestStreamWithoutBatchesIsFilledOneByOne(t *testing.T) {
	t.Parallel()
	_, s := storing(t)
	s.oneByOne(t)
	const n = 2500
	acknowledged, told := 0, 0
	pub := s.publisher(t, func(int) { acknowledged++ })
	pub.OneByOne = func(reason error) {
		if told++; !strings.Contains(reason.Error(), "allow_atomic") {
			t.Errorf("it says %v", reason)
		}
	}
	if err := pub.Publish(t.Context(), numbered(n)); err != nil {
		t.Fatal(err)
	}
	if got := len(stored(t, s)); got != n || acknowledged != n || told != 1 {
		t.Errorf("%d stored, %d acknowledged, told %d times; want %d, %d, once", got, acknowledged, told, n, n)
	}
}

func TestPartOfASubmissionIsStoredWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	_, s := storing(t)
	stream, err := s.js.Stream(t.Context(), s.names.CommandsStream())
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgs = MaxAtomic + MaxAtomic/2 // room for one part and a half
	if _, err := s.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	pub := s.publisher(t, func(int) { acknowledged++ })
	pub.Patience = time.Nanosecond
	if err := pub.Publish(t.Context(), numbered(2*MaxAtomic)); err == nil {
		t.Fatal("a full queue took everything")
	}
	if got := len(stored(t, s)); got != MaxAtomic || acknowledged != MaxAtomic {
		t.Errorf("%d stored, %d acknowledged, want one part of %d", got, acknowledged, MaxAtomic)
	}
}

func TestPublishingThroughACluster(t *testing.T) {
	t.Parallel()
	cluster := natstest.Cluster(t, 3)
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	conn := cluster.Conn(nats.ReconnectBufSize(-1))
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), js, names, streams.Options{Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	s := site{conn, js, names}
	const n = 2100
	acknowledged := 0
	if err := s.publisher(t, func(int) { acknowledged++ }).Publish(t.Context(), numbered(n)); err != nil {
		t.Fatal(err)
	}
	found := stored(t, s)
	if len(found) != n || acknowledged != n {
		t.Errorf("%d stored, %d acknowledged, want %d", len(found), acknowledged, n)
	}
}
