// Command events prints events, and each final one as a sentence for a ticket.
//
//	go run ./deploy/examples/go/events
//
// NATS_URL says where and as whom, CONSUMER which durable consumer to read (default notifier; an operator has made it).
// NATS_API_PREFIX is certrecall.api for a system with an account of its own.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// event is the part of an event that a ticket needs. What a later version adds is ignored.
type event struct {
	CommandID string `json:"command_id"`
	Final     bool   `json:"final"`
	OrderID   int64  `json:"order_id"`
	RequestID int64  `json:"request_id"`
	Context   struct {
		Ticket string `json:"ticket"`
	} `json:"context"`
	Error *struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
	} `json:"error"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := watch(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

func watch(ctx context.Context) error {
	nc, err := nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.NewWithAPIPrefix(nc, cmp.Or(os.Getenv("NATS_API_PREFIX"), "$JS.API"))
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(ctx, "CERTRECALL_EVENTS", cmp.Or(os.Getenv("CONSUMER"), "notifier"))
	if err != nil {
		return fmt.Errorf("looking up the consumer: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(10))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		if err := tell(m); err != nil {
			return err
		}
		if err := m.Ack(); err != nil { // after the work is done: an event that is not acknowledged comes again
			return fmt.Errorf("acknowledging: %w", err)
		}
	}
}

func tell(m jetstream.Msg) error {
	var e event
	if err := json.Unmarshal(m.Data(), &e); err != nil {
		return fmt.Errorf("reading %s: %w", m.Subject(), err)
	}
	name := strings.Split(m.Subject(), ".")[3] // <prefix>.evt.v1.<event>.<source>.<incident>.<command-id>
	line := fmt.Sprintf("%s %s: order %d, command %s", m.Headers().Get("ce-time"), name, e.OrderID, e.CommandID)
	if e.RequestID != 0 {
		line += fmt.Sprintf(", request %d", e.RequestID)
	}
	if e.Error != nil {
		line += fmt.Sprintf(" (%s: %s)", e.Error.Type, e.Error.Detail)
	}
	if e.Final && e.Context.Ticket != "" {
		line += " -> " + e.Context.Ticket
	}
	fmt.Println(line)
	return nil
}
