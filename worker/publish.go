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

// say stores the event as the next of its chain. Only an ack, "wrong last
// sequence" or our own event on its own subject is a decision; it tries for
// that until ctx ends, or [sayPatience] is over. It returns nil if the event is
// stored, by us or by another who said the same; errAnswered if another final
// event is; errConflict if the chain is not this command's.
func (w *Worker) say(ctx context.Context, j *job, e messages.Event) error {
	subject, header, body, err := w.cfg.Names.EncodeEvent(e)
	if err != nil {
		return fmt.Errorf("encoding %s of %s: %w", e.Name, j.key, err)
	}
	j.said = e.Attempts
	filter := w.cfg.Names.ChainSubject(e.Command())
	j.hand.does("storing " + string(e.Name))
	for began, pause := time.Now(), 50*time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := w.publish(ctx, &nats.Msg{Subject: subject, Header: header, Data: body},
			jetstream.WithExpectLastSequenceForSubject(j.chain.last, filter), &j.chain.last)
		if err == nil {
			w.hasRoom("stream " + w.cfg.Names.EventsStream())
			j.chain.name, j.chain.digest = e.Name, e.Digest
			w.noteEnd(e)
			return nil
		}
		code := errorCode(err)
		if code == jetstream.JSErrCodeStreamWrongLastSequence || code == codeStoreFailed {
			decided, judgment := w.judge(ctx, j, e, code == codeStoreFailed)
			if decided {
				return judgment
			}
			if judgment == nil && code != codeStoreFailed {
				continue
			}
		}
		w.metrics.storeFailed(storeEvents)
		err = w.noRoom("stream "+w.cfg.Names.EventsStream(), err)
		if time.Since(began) > sayPatience {
			return fmt.Errorf("%s does not take %s of %s: %w", w.cfg.Names.EventsStream(), e.Name, j.key, err)
		}
		j.hand.again(err)
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(rand.N(pause)):
		}
	}
}

// sayPatience is how long one event is offered to the stream before its command
// goes back to wait: longer than a cluster needs for a new leader, and short
// enough that a stream which is full keeps no slot and no sweep for long.
const sayPatience = 15 * time.Second

// codeStoreFailed is the server's "store failed". Most often the event's own
// subject, where there is at most one, holds it already; but a stream that is
// full, a message too large and a disk without room are told by the same code.
const codeStoreFailed jetstream.ErrorCode = 10077

// judge reads what stands in the chain after the server refused an event. It
// reports whether that decides what the caller wanted to say.
func (w *Worker) judge(ctx context.Context, j *job, e messages.Event, storeFailed bool) (decided bool, err error) {
	now, err := w.readChain(ctx, e.Command())
	if err != nil {
		return false, err
	}
	if now.digest != "" && now.digest != e.Digest {
		return true, errConflict
	}
	j.chain = now
	switch {
	case now.name == e.Name && now.last != 0:
		return true, nil
	case now.final():
		return true, errAnswered
	case storeFailed:
		return w.stored(ctx, e)
	}
	return false, nil
}

// stored reports whether the event's own subject holds it, as its leader reads.
func (w *Worker) stored(ctx context.Context, e messages.Event) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m, err := w.stores().Events.GetLastMsgForSubject(ctx, w.cfg.Names.EventSubject(e.Name, e.Command()))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for %s of %s: %w", e.Name, e.Command(), err)
	}
	return m.Header.Get(messages.HeaderDigest) == e.Digest, nil
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
