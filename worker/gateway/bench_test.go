package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

// BenchmarkPostsAtAThousandASecond sends commands at a steady 1,000 a second,
// every write of NATS synced; with -benchtime 30000x that is half a minute. It
// tells the latency and whether what was accepted is stored, beside a bare
// publish at the same rate.
func BenchmarkPostsAtAThousandASecond(b *testing.B) {
	server := natstest.Start(b)
	js := server.JetStream()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		b.Fatal(err)
	}
	if err := streams.Apply(b.Context(), js, names, streams.Options{}); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for name, text := range map[string]string{"now-1": nowToken, "gateway.yaml": "sources: {servicenow: {lanes: [revoke], auth: {bearer_files: [now-1]}}}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	settings, err := ReadSettings(filepath.Join(dir, "gateway.yaml"), names)
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(Config{Settings: settings, Names: names, Conn: server.Conn(nats.ReconnectBufSize(-1)), Version: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	front := httptest.NewServer(g.Handler())
	defer front.Close()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	body := func(i int) string {
		return fmt.Sprintf(`{"id":"b-%d","order_id":%d,"comments":"a thousand a second","incident":"I"}`, i, i+1)
	}

	b.Run("post", func(b *testing.B) {
		run := int(time.Now().UnixNano()) // each round has ids of its own
		paced(b, func(ctx context.Context, i int) error {
			q, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL+"/v1/commands/revoke", strings.NewReader(strings.Replace(body(i), `"b-`, fmt.Sprintf(`"%d-`, run), 1)))
			if err != nil {
				return err
			}
			q.Header.Set("Authorization", "Bearer "+nowToken)
			q.Header.Set("Content-Type", "application/json")
			a, err := client.Do(q)
			if err != nil {
				return err
			}
			defer a.Body.Close()
			text, err := io.ReadAll(a.Body)
			if err == nil && a.StatusCode != http.StatusAccepted {
				err = fmt.Errorf("%d %s", a.StatusCode, text)
			}
			return err
		})
		stream, err := js.Stream(b.Context(), names.CommandsStream())
		if err != nil {
			b.Fatal(err)
		}
		if stored := stream.CachedInfo().State.Msgs; stored < uint64(b.N) {
			b.Errorf("%d of %d accepted commands are stored", stored, b.N)
		}
	})
	b.Run("publish", func(b *testing.B) {
		paced(b, func(ctx context.Context, i int) error {
			_, err := js.Publish(ctx, names.CommandSubject(messages.LaneRevoke, "bare"), []byte(body(i)))
			return err
		})
	})
}

// paced calls send every millisecond, without waiting for those before.
func paced(b *testing.B, send func(context.Context, int) error) {
	took := make([]time.Duration, b.N)
	var all sync.WaitGroup
	began := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range b.N {
		for time.Since(began) < time.Duration(i)*time.Millisecond {
			<-tick.C
		}
		all.Go(func() {
			start := time.Now()
			if err := send(b.Context(), i); err != nil {
				b.Error(err)
			}
			took[i] = time.Since(start)
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	slices.Sort(took)
	at := func(share float64) float64 { return float64(took[int(share*float64(b.N-1))].Microseconds()) / 1000 }
	b.ReportMetric(float64(b.N)/elapsed.Seconds(), "sent/s")
	b.ReportMetric(at(.5), "p50-ms")
	b.ReportMetric(at(.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
}
