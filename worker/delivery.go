package worker

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// errLeaseLost ends the work on a message whose lease could not be kept.
var errLeaseLost = errors.New("the lease of the message ended: the server did not confirm that it is still ours")

// deadlineMargin is what the local deadline lies before the server's, for
// clocks that run at different speeds and an ack that is under way.
const deadlineMargin = 5 // percent of the ack wait

// delivery is one message in hand, kept alive until it is settled.
type delivery struct {
	msg        jetstream.Msg
	lane       messages.Lane
	sequence   uint64
	deliveries uint64
	received   time.Time // when the stream stored it
	taken      time.Time // when it came into our hands, local clock
	// origin names the message for ever: creation time of the stream and sequence.
	origin string

	// ctx ends with errLeaseLost at the local deadline.
	ctx    context.Context
	cancel context.CancelCauseFunc

	job  *job // once decoded; for the log line
	hand *hand

	// slot gives the lane's slot back, leaveRetries the place among commands that
	// were delivered before; each counts once. Nil where none is held.
	slot, leaveRetries func()

	mu      sync.Mutex
	until   time.Time // the local deadline
	settled bool
	keep    *time.Timer // asks the server for more time
	expire  *time.Timer // ends ctx at until
	keeping sync.WaitGroup
}

// take begins to keep the message alive: every third of the ack wait it asks
// the server for more, and the local deadline moves only if the server
// answered. Handlers stop at the deadline.
func (w *Worker) take(ctx context.Context, lane messages.Lane, msg jetstream.Msg, ackWait time.Duration) (*delivery, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	d := &delivery{
		msg: msg, lane: lane, sequence: meta.Sequence.Stream, deliveries: meta.NumDelivered, received: meta.Timestamp.UTC(),
		taken: time.Now(), origin: w.originOf(meta.Sequence.Stream),
	}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	hold := ackWait - ackWait*deadlineMargin/100
	d.until = d.taken.Add(hold)
	d.expire = time.AfterFunc(hold, func() { d.cancel(errLeaseLost) })
	d.keeping.Add(1)
	d.keep = time.AfterFunc(ackWait/3, func() { w.keepAlive(d, ackWait) })
	return d, nil
}

func (w *Worker) originOf(sequence uint64) string {
	return strconv.FormatInt(w.stores().CommandsCreated.Unix(), 10) + "-" + strconv.FormatUint(sequence, 10)
}

// inProgress is the ack that asks for more time (ADR-15 of NATS).
var inProgress = []byte("+WPI")

func (w *Worker) keepAlive(d *delivery, ackWait time.Duration) {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(d.ctx, ackWait/3)
	_, err := w.cfg.Conn.RequestMsgWithContext(ctx, &nats.Msg{Subject: d.msg.Reply(), Data: inProgress})
	cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settled || d.ctx.Err() != nil {
		d.keeping.Done()
		return
	}
	pause := ackWait / 3
	if err == nil {
		if !d.expire.Stop() {
			d.keeping.Done()
			return
		}
		d.until = asked.Add(ackWait - ackWait*deadlineMargin/100)
		d.expire.Reset(time.Until(d.until))
	} else {
		pause = ackWait / 10
	}
	d.keep.Reset(pause)
}

// deadline is the local one: past it nothing more may begin for the message.
func (d *delivery) deadline() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.until
}

// giveSlotBack lets another command of the lane begin while this one goes on.
func (d *delivery) giveSlotBack() {
	if d.leaveRetries != nil {
		d.leaveRetries()
	}
	if d.slot != nil {
		d.slot()
	}
}

// stop ends the keeping and reports whether the message is still ours.
func (d *delivery) stop() bool {
	d.mu.Lock()
	ours := time.Now().Before(d.until) && !errors.Is(context.Cause(d.ctx), errLeaseLost)
	d.settled = true
	if d.keep.Stop() {
		d.keeping.Done()
	}
	d.expire.Stop()
	d.mu.Unlock()
	d.cancel(nil)
	d.keeping.Wait()
	return ours
}
