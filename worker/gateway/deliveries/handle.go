package deliveries

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// handle delivers one message of the consumer, and settles it.
func (d *Delivery) handle(ctx context.Context, c jetstream.Consumer, m jetstream.Msg) {
	stop := keep(m)
	v := d.deliver(ctx, c, m)
	stop()
	_ = settle(m, v) // where it fails, the message comes again
}

// hiccup is the delay of a message that could not be looked at.
const hiccup = 2 * time.Second

// deliver posts the event of a message, after those of the same command that
// have to go before it. Requests end by themselves: ctx only says that no
// further one is to begin.
func (d *Delivery) deliver(ctx context.Context, c jetstream.Consumer, m jetstream.Msg) verdict {
	meta, err := m.Metadata()
	if err != nil {
		return verdict{kind: again, delay: hiccup}
	}
	key, filter := chainOf(d.cfg.Names, m.Subject())
	h, err := d.chains.lock(ctx, key)
	if err != nil {
		return verdict{kind: again}
	}
	defer h.unlock()
	sequence := meta.Sequence.Stream
	if sequence <= h.delivered { // as an earlier one of its command, or its acknowledgement was lost
		return verdict{kind: done}
	}
	if wait := time.Until(h.notBefore); wait > 0 && meta.NumDelivered == 1 {
		return verdict{kind: again, delay: wait} // an earlier one of the command failed a moment ago
	}
	earlier, err := d.earlier(ctx, c, h, filter, sequence)
	if err != nil {
		return verdict{kind: again, delay: hiccup}
	}
	for _, e := range earlier {
		if ctx.Err() != nil {
			return verdict{kind: again}
		}
		if v := d.post(ctx, h, meta, e.Subject, e.Sequence, event{e.Header, e.Data}); v.kind == again {
			return v
		}
	}
	return d.post(ctx, h, meta, m.Subject(), sequence, event{m.Headers(), m.Data()})
}

// post posts one event and judges the answer. meta is of the message that led
// here, which may be a later one of the command.
func (d *Delivery) post(ctx context.Context, h *chain, meta *jetstream.MsgMetadata, subject string, sequence uint64, e event) verdict {
	began := time.Now()
	a := d.poster.post(context.WithoutCancel(ctx), e)
	now := time.Now()
	r := Report{
		Endpoint: d.cfg.Endpoint.Name, Sequence: sequence, Attempt: meta.NumDelivered,
		Status: a.status, Detail: a.detail, Took: now.Sub(began),
	}
	r.Event, r.Command, _ = d.cfg.Names.ParseEventSubject(subject) // one that this version does not know has no name here
	defer func() { d.cfg.Report(r) }()
	if a.result == delivered {
		d.pace.succeeded(now)
		h.delivered, h.notBefore = max(h.delivered, sequence), time.Time{}
		r.Outcome = Delivered
		return verdict{kind: done}
	}
	off := d.pace.missed(a, began, now)
	if a.result == gone {
		off = "it answered 410 Gone"
	}
	others := d.pace.tookOthers(now)
	exhausted := spent(meta.NumDelivered, d.patience) && sequence == meta.Sequence.Stream
	if exhausted && others && off == "" {
		r.Outcome = SetAside
		h.delivered, h.notBefore = max(h.delivered, sequence), time.Time{} // those behind it go on
		return verdict{kind: setAside}
	}
	if exhausted && off == "" {
		off = "it took nothing for three days, last " + a.detail
	}
	r.Next = max(jittered(pause(int(min(meta.NumDelivered, 60)), firstPause, longestPause)), a.retryAfter)
	h.notBefore = now.Add(r.Next)
	r.Outcome = Retried
	if off != "" {
		r.Outcome, r.Detail = SwitchedOff, off
		if err := d.switchOff(ctx, off, now); err != nil {
			r.Outcome, r.Detail = Retried, off+", but it cannot be switched off: "+err.Error()
			d.pace.hold(now.Add(longestPause))
		}
	}
	return verdict{kind: again, delay: r.Next}
}

// switchOff stops the endpoint for all gateways.
func (d *Delivery) switchOff(ctx context.Context, reason string, now time.Time) error {
	ctx = context.WithoutCancel(ctx)
	if err := switchOff(ctx, d.cfg.JS, d.cfg.Names, d.cfg.Endpoint.Name, reason, now); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.standing.Off, d.standing.OffReason, d.standing.OffSince = true, reason, now.UTC()
	return nil
}
