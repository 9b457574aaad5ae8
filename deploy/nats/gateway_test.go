package nats_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/gateway/deliveries"
)

// TestGatewayDeliversAndSwitchesOffWithItsRights: an admin made the consumer; the user gateway
// reads and acknowledges events, and pauses the consumer of an endpoint that is gone.
func TestGatewayDeliversAndSwitchesOffWithItsRights(t *testing.T) {
	s := newSite(t)
	admin, gateway := s.jetstream(t, "admin"), s.jetstream(t, "gateway")
	events := s.names.EventsStream()
	arrived := make(chan string, 10)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		arrived <- q.Header.Get("Ce-Type")
		if q.Header.Get("Ce-Type") == "certrecall.revoked.v1" {
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(endpoint.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := deliveries.Endpoint{Name: "tickets", URL: endpoint.URL, SecretFile: secret, AllowPrivate: true, Concurrency: 1}
	name := deliveries.ConsumerName(e.Name)
	if err := admin.DeleteConsumer(t.Context(), events, name); err != nil {
		t.Fatal(err)
	}
	if _, err := deliveries.Provision(t.Context(), admin, s.names, e); err != nil {
		t.Fatalf("an admin runs gateway --setup: %v", err)
	}

	outcomes := make(chan deliveries.Report, 10)
	d, err := deliveries.New(deliveries.Config{JS: gateway, Names: s.names, Endpoint: e, UserAgent: "test", Report: func(r deliveries.Report) { outcomes <- r }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Errorf("the delivery: %v", err)
		}
	})
	defer running.Wait()
	defer cancel()

	worker := s.jetstream(t, "worker")
	for _, c := range []struct {
		event messages.EventName
		want  deliveries.Outcome
	}{{messages.EventRevokeAccepted, deliveries.Delivered}, {messages.EventRevoked, deliveries.SwitchedOff}} {
		command := messages.Command{ID: "c-1", Source: "jira", Lane: messages.LaneRevoke, OrderID: 4711, Comments: "x"}
		event := messages.NewEvent(command, c.event, time.Now(), time.Now())
		if c.event == messages.EventRevoked {
			event.Status = "revoked"
		}
		subject, header, body, err := s.names.EncodeEvent(event)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := worker.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: header, Data: body}); err != nil {
			t.Fatal(err)
		}
		select {
		case r := <-outcomes:
			if r.Outcome != c.want {
				t.Fatalf("%s: %+v, want %s", c.event, r, c.want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: no outcome in 30 s; %+v", c.event, d.State())
		}
	}
	if n := len(arrived); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	consumer, err := admin.Consumer(t.Context(), events, name)
	if err != nil {
		t.Fatal(err)
	}
	if info := consumer.CachedInfo(); !info.Paused || info.AckFloor.Consumer == 0 {
		t.Errorf("paused %v, acknowledged up to %d: want it switched off, with the first event acknowledged", info.Paused, info.AckFloor.Consumer)
	}
	// Nobody else's, and nothing beyond the pause.
	for what, try := range map[string]func(ctx context.Context) error{
		"pauses another's consumer": func(ctx context.Context) error {
			_, err := gateway.PauseConsumer(ctx, events, "notifier", time.Now().Add(time.Hour))
			return err
		},
		"removes its consumer": func(ctx context.Context) error { return gateway.DeleteConsumer(ctx, events, name) },
		"makes a consumer": func(ctx context.Context) error {
			_, err := gateway.CreateConsumer(ctx, events, jetstream.ConsumerConfig{Durable: "gateway-other", AckPolicy: jetstream.AckExplicitPolicy})
			return err
		},
	} {
		refused, stop := context.WithTimeout(t.Context(), time.Second)
		if err := try(refused); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("the gateway %s: %v", what, err)
		}
		stop()
	}
}
