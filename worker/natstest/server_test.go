package natstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestServerKeepsPortAndStore(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*Server){
		"restart":   func(*Server) {},
		"kill":      (*Server).Kill,
		"lame duck": (*Server).LameDuck,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Start(t)
			ldm := make(chan struct{}, 1)
			nc := s.Conn(nats.LameDuckModeHandler(func(*nats.Conn) { ldm <- struct{}{} }))
			js := newJetStream(t, nc)
			kv := createKV(t, js, 1)
			rev, err := kv.Put(t.Context(), "k", []byte("v"))
			if err != nil {
				t.Fatal(err)
			}
			stop(s)
			s.Restart()
			e := getKV(t, kv, "k")
			if e.Revision() != rev || string(e.Value()) != "v" {
				t.Errorf("after the restart k = %q at %d, want v at %d", e.Value(), e.Revision(), rev)
			}
			if name == "lame duck" {
				select {
				case <-ldm:
				case <-t.Context().Done():
				default:
					t.Error("the client did not hear of the lame duck mode")
				}
			}
		})
	}
}

func TestClusterSurvivesItsLeader(t *testing.T) {
	t.Parallel()
	c := Cluster(t, 3)
	js := c.JetStream()
	kv := createKV(t, js, 3)
	c.wait("the first write", func() bool { // a stream that was just made may have no leader for a moment
		_, err := kv.Put(t.Context(), "k", []byte("v"))
		return err == nil
	})
	killed := c.KillLeader("KV_TEST")
	if e := getKV(t, kv, "k"); string(e.Value()) != "v" {
		t.Errorf("after the leader's death k = %q, want v", e.Value())
	}
	if now := c.Leader("KV_TEST"); now == killed {
		t.Error("a killed node leads the stream")
	}
	killed.Restart()
	c.WaitReady()
}

func createKV(t *testing.T, js jetstream.JetStream, replicas int) jetstream.KeyValue {
	t.Helper()
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "TEST", Replicas: replicas})
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

// getKV reads a key, again and again while the server or a leader is missing.
func getKV(t *testing.T, kv jetstream.KeyValue, key string) jetstream.KeyValueEntry {
	t.Helper()
	deadline := time.Now().Add(clusterTimeout)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		e, err := kv.Get(ctx, key)
		cancel()
		if err == nil {
			return e
		}
		if errors.Is(err, jetstream.ErrKeyNotFound) || time.Now().After(deadline) {
			t.Fatalf("reading %s: %v", key, err)
		}
	}
}
