// Command submit asks for the revocation of an order, as any system would: with the NATS client and JSON, without
// importing anything of certrecall.
//
//	go run ./deploy/examples/go/submit <command-id> <order-id> <comments…>
//
// NATS_URL says where and as whom, SOURCE which system this is (default soar).
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type command struct {
	ID               string         `json:"id"` // ours, unique for this source: sent again after a lost answer, nothing is done twice
	OrderID          string         `json:"order_id"`
	Comments         string         `json:"comments"`
	RevocationReason string         `json:"revocation_reason,omitempty"`
	Context          map[string]any `json:"context,omitempty"` // comes back unchanged in every event
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: submit <command-id> <order-id> <comments…>")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := submit(ctx, command{
		ID: os.Args[1], OrderID: os.Args[2], Comments: strings.Join(os.Args[3:], " "),
		RevocationReason: "superseded", Context: map[string]any{"ticket": "INC-4711"},
	}); err != nil {
		fmt.Fprintln(os.Stderr, "submit:", err)
		os.Exit(1)
	}
}

func submit(ctx context.Context, c command) error {
	nc, err := nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL))
	if err != nil {
		return fmt.Errorf("connecting to NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	ack, err := js.Publish(ctx, "certrecall.cmd.v1.revoke."+cmp.Or(os.Getenv("SOURCE"), "soar"), body)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	if ack.Duplicate {
		return errors.New("a Nats-Msg-Id of somebody else: the command was not taken")
	}
	fmt.Printf("%s is command %d of %s\n", c.ID, ack.Sequence, ack.Stream)
	return nil
}
