package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// sampleSource is who the sample commands come from.
const sampleSource = "dev"

// sample is one command as a producer would write it by hand.
type sample struct {
	lane messages.Lane
	body map[string]any
}

// samples are a few commands that show what can become of one. Ids and orders
// carry the start time, so that every start shows something new.
func samples(start time.Time) []sample {
	id := func(name string) string { return start.Format("20060102-150405") + "-" + name }
	order := (start.Unix() - 1_700_000_000) * 10 // below digicertsim.UnknownOrders, and of no other start
	return []sample{
		{messages.LaneRevoke, map[string]any{
			"id": id("waits"), "order_id": order + 1, "comments": "replaced by a new certificate", "revocation_reason": "superseded",
		}},
		{messages.LaneRevokeUrgent, map[string]any{
			"id": id("at-once"), "order_id": order + 2, "comments": "the key was published", "revocation_reason": "keyCompromise", "skip_approval": true,
		}},
		{messages.LaneListDuplicates, map[string]any{"id": id("duplicates"), "order_id": digicertsim.SampleOrder}},
		{messages.LaneRevoke, map[string]any{"id": id("mistake"), "order_id": order + 3, "coments": "a misspelt field is never ignored"}},
	}
}

// submit publishes the samples and waits until the stream has each.
func submit(ctx context.Context, js jetstream.JetStream, names messages.Names, all []sample) error {
	for _, s := range all {
		body, err := json.Marshal(s.body)
		if err != nil {
			return err
		}
		if _, err := js.Publish(ctx, names.CommandSubject(s.lane, sampleSource), body); err != nil {
			return fmt.Errorf("submitting sample %v: %w", s.body["id"], err)
		}
	}
	return nil
}
