package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// storing is a server with streams, and a session of the command line.
func storing(t *testing.T) (*natstest.Server, session) {
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
	return server, session{conn, js, names}
}

// testProcess is a process without a terminal whose words nobody reads.
func testProcess() *process {
	return &process{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
}

func numbered(n int) []message {
	all := make([]message, n)
	for i := range all {
		all[i] = message{messages.LaneRevoke, "cli", nil, fmt.Appendf(nil, "%d", i)}
	}
	return all
}

// stored gives how often each body stands in the commands stream.
func stored(t *testing.T, s session) map[string]int {
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
		found[string(m.Data)]++
	}
	return found
}

func TestPublishingLosesNothingWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	server, s := storing(t)
	const n = 3000
	var acknowledged atomic.Int64
	third := make(chan struct{})
	pub, err := testProcess().newPublisher(s, func(int) {
		if acknowledged.Add(1) == n/3 {
			close(third)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- pub.publish(t.Context(), numbered(n)) }()
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
	pub, err := testProcess().newPublisher(s, func(int) { t.Error("acknowledged") })
	if err != nil {
		t.Fatal(err)
	}
	pub.patience = 0
	if err := pub.publish(t.Context(), numbered(3)); err == nil || !strings.Contains(err.Error(), "OTHER_COMMANDS") {
		t.Errorf("error %v, want one that names the stream", err)
	}
}

func TestPublishingCanBeInterrupted(t *testing.T) {
	t.Parallel()
	server, s := storing(t)
	server.Stop()
	pub, err := testProcess().newPublisher(s, func(int) { t.Error("acknowledged") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- pub.publish(ctx, numbered(3)) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
}
