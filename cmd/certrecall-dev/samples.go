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

// maxIncident bounds --incident: larger ones are for the benchmark.
const maxIncident = 10_000

// incident is one of n revocations and what goes wrong in one: every tenth order
// waits for an administrator who says no (see digicertsim), some are urgent, some
// only plan, and a few messages are mistakes.
func incident(start time.Time, n int) []sample {
	name := "INC-" + start.Format("20060102-150405")
	order := (start.Unix()-1_700_000_000)*10 + 1000
	all := make([]sample, 0, n)
	for i := range n {
		body := map[string]any{
			"id": fmt.Sprintf("%s-%05d", name, i+1), "order_id": order + int64(i), "incident": name, "comments": "the key of the load balancer leaked",
			"revocation_reason": "keyCompromise", "requested_by": "ada", "deadline": start.Add(24 * time.Hour).UTC().Format(time.RFC3339),
		}
		lane := messages.LaneRevoke
		switch {
		case i%50 == 7:
			body["coments"] = "a misspelt field is never ignored"
		case i%25 == 3:
			body["dry_run"] = true
		case i%20 == 5:
			body["order_id"] = digicertsim.UnknownOrders + int64(i)
		case i%3 == 0:
			body["skip_approval"] = true
			lane = messages.LaneRevokeUrgent
		}
		all = append(all, sample{lane, body})
	}
	return all
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
