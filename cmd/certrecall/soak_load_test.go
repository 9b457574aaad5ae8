package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/gate"
)

// Orders that the soak asks for begin here; each has two duplicates.
const firstSoakOrder = 1_000_000

// protectedSoakOrder is in the file of protected orders.
const protectedSoakOrder = firstSoakOrder - 1

// certificateOf is the simulator's id of an order's certificate: 0 is the
// order's own, 1 and 2 are its duplicates.
func certificateOf(order int64, n int) int64 { return order*1000 + int64(n) }

// published is one content that was published under an id.
type published struct {
	cmd messages.Command
	// invalid: the body cannot be a command.
	invalid bool
	// sequences of the acknowledged messages with this content.
	sequences []uint64
	cancelled bool
}

func (p *published) key() string { return p.cmd.Source + "/" + p.cmd.ID }

// load publishes random commands of every kind.
type load struct {
	p       *plant
	rng     *rand.Rand
	log     *transcript
	control jetstream.KeyValue
	all     []*published
}

// run publishes until ctx ends. What was begun is published to its
// acknowledgement, within the time of patience.
func (l *load) run(ctx, patience context.Context) error {
	for ctx.Err() == nil {
		if err := l.publish(patience, l.next()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(20+l.rng.IntN(60)) * time.Millisecond):
		}
	}
	return nil
}

func (l *load) publish(ctx context.Context, what *published) error {
	body, err := messages.EncodeCommand(what.cmd)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", what.key(), err)
	}
	if what.invalid {
		body = fmt.Appendf(nil, `{"id": %q, "order_id": %d, "comments": "soak", "unknown": true}`, what.cmd.ID, what.cmd.OrderID)
	}
	sequence, err := l.p.store(ctx, l.p.names.CommandSubject(what.cmd.Lane, what.cmd.Source), body)
	if err != nil {
		return fmt.Errorf("publishing %s: %w", what.key(), err)
	}
	what.sequences = append(what.sequences, sequence)
	l.log.printf("published %s %s %s", what.key(), what.cmd.Lane, body)
	if what.cancelled {
		return l.cancel(ctx, what)
	}
	return nil
}

// cancel gives an operator's word until it is stored.
func (l *load) cancel(ctx context.Context, what *published) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := gate.Cancel(attempt, l.control, gate.Selector{Source: what.cmd.Source, Command: what.cmd.ID}, "soak", "chosen by chance")
		cancel()
		if err == nil {
			l.log.printf("cancelled %s", what.key())
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cancelling %s: %w", what.key(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// next makes up what is published next.
func (l *load) next() *published {
	roll := l.rng.IntN(100)
	if roll < 7 && len(l.all) > 0 {
		return l.repeat(l.all[l.rng.IntN(len(l.all))])
	}
	n := len(l.all)
	what := &published{cmd: messages.Command{
		ID: fmt.Sprintf("c-%d", n), Source: l.pick("servicenow", "soar", "cli", "ct-monitor"), Lane: messages.LaneRevoke,
		OrderID: firstSoakOrder + int64(n), Comments: "soak", RevocationReason: l.reason(),
	}}
	l.all = append(l.all, what)
	c := &what.cmd
	switch {
	case roll < 14: // one id for two orders
		if n > 0 {
			other := l.all[l.rng.IntN(n)]
			c.ID, c.Source = other.cmd.ID, other.cmd.Source
			what.invalid = false
		}
	case roll < 28: // one more command on an order of late
		c.OrderID = firstSoakOrder + int64(max(n-1-l.rng.IntN(20), 0))
		c.SkipApproval = l.rng.IntN(2) == 0
	case roll < 42:
		c.SkipApproval = true
		c.Lane = messages.Lane(l.pick(string(messages.LaneRevoke), string(messages.LaneRevokeUrgent)))
	case roll < 52: // one certificate: the order's own, or a duplicate
		c.CertificateID = certificateOf(c.OrderID, l.rng.IntN(3))
		c.SkipApproval = l.rng.IntN(2) == 0
	case roll < 54:
		c.CertificateID = certificateOf(c.OrderID, 77) // of no order
	case roll < 68:
		c.Lane, c.Comments, c.RevocationReason = messages.LaneListDuplicates, "", ""
	case roll < 72:
		c.DryRun = true
	case roll < 74:
		what.invalid = true
	case roll < 77:
		c.Expires = time.Now().Add(time.Duration(l.rng.IntN(3000)) * time.Millisecond).UTC()
	case roll < 80:
		c.Deadline = time.Now().Add(time.Duration(500+l.rng.IntN(4000)) * time.Millisecond).UTC()
	case roll < 83:
		what.cancelled = true
	case roll < 84:
		c.OrderID = digicertsim.UnknownOrders + int64(n)
	case roll < 85:
		c.OrderID = protectedSoakOrder
	}
	return what
}

// repeat publishes an earlier command again, in any lane of its action.
func (l *load) repeat(earlier *published) *published {
	again := *earlier
	again.cancelled, again.sequences = false, nil
	if again.cmd.Action() == messages.ActionRevoke {
		again.cmd.Lane = messages.Lane(l.pick(string(messages.LaneRevoke), string(messages.LaneRevokeUrgent)))
	}
	l.all = append(l.all, &again)
	return &again
}

func (l *load) reason() messages.RevocationReason {
	reasons := []messages.RevocationReason{"", messages.ReasonKeyCompromise, messages.ReasonSuperseded}
	return reasons[l.rng.IntN(len(reasons))]
}

func (l *load) pick(of ...string) string { return of[l.rng.IntN(len(of))] }

// randomFault is something that happens to the next call of an operation.
func randomFault(rng *rand.Rand) digicertsim.Fault {
	some := func(of ...digicertsim.FaultKind) digicertsim.FaultKind { return of[rng.IntN(len(of))] }
	seconds := func(most float64) time.Duration {
		return time.Duration(rng.Float64() * most * float64(time.Second)).Round(time.Millisecond)
	}
	f := digicertsim.Fault{Commit: rng.IntN(2) == 0}
	if rng.IntN(3) > 0 {
		f.Op = []digicertsim.Operation{digicertsim.OpRevokeOrder, digicertsim.OpRevokeOrder, digicertsim.OpRevokeCertificate}[rng.IntN(3)]
		f.Kind = some(digicertsim.FaultResetBefore, digicertsim.FaultResetAfter, digicertsim.FaultLateCommit, digicertsim.FaultTruncate,
			digicertsim.FaultHang, digicertsim.FaultLatency, digicertsim.FaultStatus, digicertsim.FaultHTML)
	} else {
		reads := []digicertsim.Operation{digicertsim.OpOrder, digicertsim.OpDuplicates, digicertsim.OpReissues, digicertsim.OpRequest,
			digicertsim.OpRequests, digicertsim.OpStatusChanges}
		f.Op = reads[rng.IntN(len(reads))]
		f.Kind = some(digicertsim.FaultResetBefore, digicertsim.FaultTruncate, digicertsim.FaultHang, digicertsim.FaultLatency,
			digicertsim.FaultStatus, digicertsim.FaultLag, digicertsim.FaultHTML)
	}
	switch f.Kind {
	case digicertsim.FaultStatus:
		f.Status = []int{500, 502, 503, 408, 429}[rng.IntN(5)]
		if f.Status == 429 {
			f.Commit, f.Code, f.RetryAfter = false, "request_limit_exceeded", "1"
		}
	case digicertsim.FaultHTML: // something in front answers, before or after it passed the call on
		f.Status = []int{200, 302, 400, 401, 403, 404, 407}[rng.IntN(7)]
	case digicertsim.FaultLateCommit: // and a read that lags, still within the ten seconds that the second read waits
		f.Delay, f.Commit = seconds(6), false
		f.Status = []int{0, 502}[rng.IntN(2)]
	case digicertsim.FaultLatency, digicertsim.FaultHang:
		f.Delay = seconds(3)
	case digicertsim.FaultLag:
		f.Delay = seconds(2)
	default:
	}
	return f
}

// contents groups what was published by source and id.
func (l *load) contents() map[string][]*published {
	byKey := map[string][]*published{}
	for _, p := range l.all {
		byKey[p.key()] = append(byKey[p.key()], p)
	}
	return byKey
}
