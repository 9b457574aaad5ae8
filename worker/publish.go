package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// publishTimeout bounds one attempt at a publish: a cluster may be without a
// leader for ten seconds, and the next attempt finds the new one.
const publishTimeout = 2 * time.Second

// The chain of a command is all its events, in the order of the stream. Each
// event is stored only if the sequence of the one before is still the last
// (over <prefix>.evt.v1.*.<source>.<incident>.<id>), so at most one worker goes on from
// any point, and nothing follows a final event.
type chain struct {
	last   uint64 // sequence of the last event; 0 is none
	name   messages.EventName
	digest string // of the command the chain belongs to; "" below command-rejected only
}

// final reports whether the command has its answer. command-rejected answers
// a message, not the id: a corrected command goes on after it.
func (c chain) final() bool {
	return c.last != 0 && c.name.Final() && c.name != messages.EventCommandRejected
}

var (
	// errAnswered: the chain has a final event, and it is not the one to be said.
	errAnswered = errors.New("the command has its final event")
	// errConflict: the chain belongs to another command of the same name.
	errConflict = errors.New("the id stands for another command")
)

// readChain reads the last event of the command from the leader of the stream:
// its name says what was said before it.
func (w *Worker) readChain(ctx context.Context, command messages.CommandName) (chain, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m, err := w.stores().Events.GetLastMsgForSubject(ctx, w.cfg.Names.ChainSubject(command))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return chain{}, nil
	}
	if err != nil {
		return chain{}, fmt.Errorf("reading the events of %s: %w", command, err)
	}
	name, _, err := w.cfg.Names.ParseEventSubject(m.Subject)
	if err != nil {
		return chain{}, fmt.Errorf("reading the events of %s: %w", command, err)
	}
	c := chain{last: m.Sequence, name: name}
	if name != messages.EventCommandRejected {
		c.digest = m.Header.Get(messages.HeaderDigest)
	}
	return c, nil
}

// say stores the event as the next of its chain. It tries until the server
// has decided or ctx ends; only an ack or "wrong last sequence" is a decision.
// It returns nil if the event is stored, by us or by another who said the
// same; errAnswered if another final event is; errConflict if the chain is not
// this command's.
func (w *Worker) say(ctx context.Context, j *job, e messages.Event) error {
	subject, header, body, err := w.cfg.Names.EncodeEvent(e)
	if err != nil {
		return fmt.Errorf("encoding %s of %s: %w", e.Name, j.key, err)
	}
	j.said = e.Attempts
	filter := w.cfg.Names.ChainSubject(e.Command())
	j.hand.does("storing " + string(e.Name))
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := w.publish(ctx, &nats.Msg{Subject: subject, Header: header, Data: body},
			jetstream.WithExpectLastSequenceForSubject(j.chain.last, filter), &j.chain.last)
		if err == nil {
			j.chain.name, j.chain.digest = e.Name, e.Digest
			return nil
		}
		code := errorCode(err)
		if code == jetstream.JSErrCodeStreamWrongLastSequence || code == codeMaxPerSubject {
			now, err := w.readChain(ctx, e.Command())
			if err == nil {
				if stop, err := w.goOn(j, e, now, code); stop {
					return err
				}
				continue
			}
		}
		w.metrics.storeFailed(storeEvents)
		j.hand.again(err)
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(rand.N(pause)):
		}
	}
}

// codeMaxPerSubject is the server's "maximum messages per subject exceeded":
// the event's own subject, where there is at most one, holds it already.
const codeMaxPerSubject jetstream.ErrorCode = 10077

// goOn judges a chain that another has lengthened.
func (w *Worker) goOn(j *job, e messages.Event, now chain, code jetstream.ErrorCode) (stop bool, err error) {
	if now.digest != "" && now.digest != e.Digest {
		return true, errConflict
	}
	j.chain = now
	switch {
	case now.name == e.Name && now.last != 0:
		return true, nil
	case now.final():
		return true, errAnswered
	case code == codeMaxPerSubject:
		return true, nil
	}
	return false, nil
}

func (w *Worker) publish(ctx context.Context, m *nats.Msg, opt jetstream.PublishOpt, sequence *uint64) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	ack, err := w.js.PublishMsg(ctx, m, jetstream.WithExpectStream(w.cfg.Names.EventsStream()), opt)
	if err != nil {
		return err
	}
	if ack.Duplicate {
		return errors.New("the events stream took the event for a duplicate")
	}
	*sequence = ack.Sequence
	return nil
}

func errorCode(err error) jetstream.ErrorCode {
	if e, ok := errors.AsType[jetstream.JetStreamError](err); ok && e.APIError() != nil {
		return e.APIError().ErrorCode
	}
	return 0
}
