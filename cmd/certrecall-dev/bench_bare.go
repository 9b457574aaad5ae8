package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

// benchBareCmd does what a worker does, and promises nothing: take a command,
// make its call, publish its event, ack.
type benchBareCmd struct {
	NATSURL     string `name:"nats-url" required:"" help:"Where NATS is."`
	DigiCertURL string `name:"digicert-url" required:"" help:"Where the simulated DigiCert is."`
	Lane        string `name:"lane" required:"" help:"The lane to serve."`
	Concurrency int    `name:"concurrency" default:"64" help:"Calls at once."`
	Prefetch    int    `name:"prefetch" default:"1" help:"Messages that may wait here."`
}

// bareLoop is what its goroutines share.
type bareLoop struct {
	*benchBareCmd
	js    jetstream.JetStream
	http  http.Client
	names messages.Names
}

// Run works until the context ends.
func (c *benchBareCmd) Run(ctx context.Context, p *process) error {
	names, err := messages.NewNames("certrecall")
	if err != nil {
		return err
	}
	conn, err := nats.Connect(c.NATSURL, nats.Name("bare loop"))
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	consumer, err := streams.EnsureConsumer(ctx, js, names, messages.Lane(c.Lane), benchSource, 0)
	if err != nil {
		return err
	}
	it, err := consumer.Messages(jetstream.PullMaxMessages(c.Prefetch), jetstream.PullExpiry(5*time.Second), jetstream.PullHeartbeat(2*time.Second))
	if err != nil {
		return err
	}
	defer it.Stop()
	l := &bareLoop{benchBareCmd: c, js: js, names: names}
	l.http.Transport = &http.Transport{MaxIdleConns: c.Concurrency, MaxIdleConnsPerHost: c.Concurrency}
	slots := make(chan struct{}, c.Concurrency)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		slots <- struct{}{}
		msg, err := streams.Next(ctx, it)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			<-slots
			continue
		}
		if err != nil {
			return fmt.Errorf("taking a command: %w", err)
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := l.carry(context.WithoutCancel(ctx), msg); err != nil {
				fmt.Fprintln(p.stderr, err)
			}
		})
	}
}

// carry carries one command.
func (l *bareLoop) carry(ctx context.Context, msg jetstream.Msg) error {
	var c struct {
		ID       string `json:"id"`
		OrderID  int64  `json:"order_id"`
		Comments string `json:"comments"`
		Skip     bool   `json:"skip_approval"`
	}
	if err := json.Unmarshal(msg.Data(), &c); err != nil {
		return err
	}
	name, method, url, body := messages.EventDuplicatesListed, http.MethodGet, fmt.Sprintf("%s/order/certificate/%d/duplicate", l.DigiCertURL, c.OrderID), []byte(nil)
	if messages.Lane(l.Lane).Action() == messages.ActionRevoke {
		name, method, url = messages.EventRevoked, http.MethodPut, fmt.Sprintf("%s/order/certificate/%d/revoke", l.DigiCertURL, c.OrderID)
		var err error
		if body, err = json.Marshal(map[string]any{"comments": c.Comments, "skip_approval": c.Skip}); err != nil {
			return err
		}
	}
	answer, err := l.call(ctx, method, url, body)
	if err != nil {
		return err
	}
	event, err := json.Marshal(map[string]any{"command_id": c.ID, "order_id": c.OrderID, "answer": json.RawMessage(answer)})
	if err != nil {
		return err
	}
	if _, err := l.js.Publish(ctx, l.names.EventSubject(name, messages.CommandName{Source: benchSource, ID: c.ID}), event); err != nil {
		return err
	}
	return msg.Ack() //nolint:forbidigo // of the bare loop: the worker settles in verdict.go alone
}

func (l *bareLoop) call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-DC-DEVKEY", benchKey)
	r.Header.Set("Content-Type", "application/json")
	answer, err := l.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode > 299 {
		return nil, fmt.Errorf("%s %s: status %d: %s", method, url, answer.StatusCode, got)
	}
	if len(got) == 0 {
		got = []byte("null")
	}
	return got, nil
}
