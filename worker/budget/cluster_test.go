package budget

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/natstest"
)

// Three nodes lose the leader of the record while a fleet waits for its limits: no window is overrun, nobody is forgotten.
func TestClusterLosesLeader(t *testing.T) {
	t.Parallel()
	cluster := natstest.Cluster(t, 3)
	cluster.WaitReady()
	patient, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	if _, err := cluster.JetStream().CreateKeyValue(patient, jetstream.KeyValueConfig{Bucket: "CONTROL", Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	limits := mustParse(t, "50/1s")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running, wait sync.WaitGroup
	var mu sync.Mutex
	var at []int64
	var all []*Budget
	kill := make(chan struct{})
	var once sync.Once
	for range 4 {
		kv, err := cluster.JetStream().KeyValue(patient, "CONTROL")
		if err != nil {
			t.Fatal(err)
		}
		b := New(Config{KV: kv, Limits: limits, Now: time.Now, Report: func(i Incident) { t.Logf("reported %s", i) }})
		all = append(all, b)
		running.Go(func() { _ = b.Run(ctx) })
		for range 5 {
			wait.Go(func() {
				for range 10 {
					if _, err := b.Acquire(ctx, Normal); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if at = append(at, time.Now().UnixMilli()); len(at) > 90 {
						once.Do(func() { close(kill) })
					}
					mu.Unlock()
				}
			})
		}
	}
	<-kill
	began := time.Now()
	cluster.KillLeader("KV_CONTROL")
	wait.Wait()
	t.Logf("all was granted %s after the leader was lost, %+v", time.Since(began), total(all))
	if w, when, bad := over(at, limits); bad {
		t.Errorf("window %s overrun at %s", w, time.UnixMilli(when+epoch0))
	}
	cancel()
	running.Wait()
}
