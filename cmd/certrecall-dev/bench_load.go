package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// benchSource is who the commands of a benchmark come from.
const benchSource = "bench"

// commandOf is the n-th command of a lane, in the size that a ticketing system
// makes it; each is for an order of its own.
func commandOf(lane messages.Lane, n int) (id string, body []byte) {
	id = fmt.Sprintf("INC0012345-%d", n)
	if lane.Action() == messages.ActionListDuplicates {
		return id, fmt.Appendf(nil, `{"id":%q,"order_id":%d,"incident":"INC0012345","requested_by":"jane@example.com"}`, id, n+1)
	}
	return id, fmt.Appendf(nil, `{"id":%q,"order_id":%d,"comments":"Key of host %d.example.com was found in a public repository","revocation_reason":"keyCompromise",`+
		`"skip_approval":true,"incident":"INC0012345","requested_by":"jane@example.com","context":{"ticket":"INC0012345","host":"%d.example.com"}}`, id, n+1, n, n)
}

// unhurried lets a publish wait until the server has taken what is under way.
var unhurried = jetstream.WithStallWait(childPatience)

// fill puts n commands into the queue, from the number from on.
func (p *plant) fill(ctx context.Context, lane messages.Lane, from, n int) error {
	subject := p.names.CommandSubject(lane, benchSource)
	for i := range n {
		_, body := commandOf(lane, from+i)
		if _, err := p.js.PublishAsync(subject, body, unhurried); err != nil {
			return fmt.Errorf("filling the queue: %w", err)
		}
	}
	return p.flushed(ctx)
}

// flushed waits until everything published is stored.
func (p *plant) flushed(ctx context.Context) error {
	select {
	case <-p.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// queued is how many commands are in the stream; an acked one is not.
func (p *plant) queued(ctx context.Context) (int, error) {
	info, err := p.commands.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the queue: %w", err)
	}
	return int(info.State.Msgs), nil
}

// until waits until no more than left commands are in the stream.
func (p *plant) until(ctx context.Context, left int) error {
	_, err := p.samples(ctx, left)
	return err
}

// drained is what was left in the queue at a time.
type drained struct {
	at   time.Time
	left int
}

// samples looks at the queue until no more than left commands are in it.
func (p *plant) samples(ctx context.Context, left int) ([]drained, error) {
	const (
		pause    = 10 * time.Millisecond
		patience = time.Minute // without any progress
	)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var all []drained
	moved := time.Now()
	for {
		n, err := p.queued(ctx)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 || n != all[len(all)-1].left {
			moved = time.Now()
		}
		all = append(all, drained{time.Now(), n})
		if n <= left {
			return all, nil
		}
		if time.Since(moved) > patience {
			return nil, fmt.Errorf("%d commands are left and nothing moves; the workers said: %s", n, p.workers[len(p.workers)-1].tail())
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// rate is how many commands a second were answered while between a tenth and
// nineteen twentieths of them were: without the start, and without the wait for
// the last one.
func rate(all []drained, n int) float64 {
	var from, to drained
	for _, d := range all {
		if from.at.IsZero() && d.left <= n-n/10 {
			from = d
		}
		if to = d; d.left <= n/20 {
			break
		}
	}
	took := to.at.Sub(from.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(from.left-to.left) / took
}

// follow calls saw for every event of a kind, from now on, until ctx ends.
func (p *plant) follow(ctx context.Context, name messages.EventName, saw func(id string)) (stop func(), err error) {
	events, err := p.js.OrderedConsumer(ctx, p.names.EventsStream(), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverNewPolicy, FilterSubjects: []string{p.names.EventNameSubject(name)},
	})
	if err != nil {
		return nil, fmt.Errorf("following the events: %w", err)
	}
	consuming, err := events.Consume(func(m jetstream.Msg) {
		if _, command, err := p.names.ParseEventSubject(m.Subject()); err == nil {
			saw(command.ID)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("following the events: %w", err)
	}
	return func() { consuming.Stop(); <-consuming.Closed() }, nil
}
