package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams/kv"
)

// letter is what a dead letter is made of.
type letter struct {
	lane       messages.Lane
	source     string
	incident   string
	header     map[string][]string
	body       []byte
	origin     string
	sequence   uint64
	deliveries uint64
	received   time.Time
}

func (j *job) letter() letter {
	return letter{j.cmd.Lane, j.cmd.Source, j.cmd.Incident, j.header, j.body, j.origin, j.sequence, j.deliveries, j.received}
}

// bury stores the command in the dead letters, before the event that answers
// it. A crash after it repeats it, and the message id (the creation time and
// sequence of the command) keeps the repeat from being stored again for as
// long as the stream's duplicate window lasts. Where the stream has no room the
// command goes back to wait, with its slot: what cannot be buried now must not
// keep others from being carried out.
func (w *Worker) bury(ctx context.Context, l letter, problem messages.Error, eventSubject string) error {
	h := messages.DeadLetter{
		ErrorType: problem.Type, Detail: problem.Detail, EventSubject: eventSubject,
		ReceivedAt: l.received, Deliveries: l.deliveries, Sequence: l.sequence,
	}.Header(l.header)
	m := &nats.Msg{Subject: w.cfg.Names.DeadLetterSubject(l.lane, l.source, l.incident), Header: maps.Clone(nats.Header(h)), Data: l.body}
	for began, pause := time.Now(), 50*time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		attempt, cancel := context.WithTimeout(ctx, publishTimeout)
		_, err := w.js.PublishMsg(attempt, m, jetstream.WithExpectStream(w.cfg.Names.DeadLettersStream()), jetstream.WithMsgID(l.origin))
		cancel()
		if err == nil {
			w.hasRoom("stream " + w.cfg.Names.DeadLettersStream())
			w.metrics.deadLetters.WithLabelValues(string(l.lane), string(problem.Type)).Inc()
			return nil
		}
		w.metrics.storeFailed(storeDeadLetters)
		err = w.noRoom("stream "+w.cfg.Names.DeadLettersStream(), err)
		if errors.Is(err, kv.ErrNoRoom) || time.Since(began) > sayPatience {
			return fmt.Errorf("%s does not take a dead letter: %w", w.cfg.Names.DeadLettersStream(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("storing a dead letter: %w", errors.Join(context.Cause(ctx), err))
		case <-time.After(rand.N(pause)):
		}
	}
}
