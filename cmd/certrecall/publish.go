package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

const (
	// window is how many commands are under way to the stream at once.
	window = 1000
	// ackTimeout is after how long a command without an answer is sent again.
	ackTimeout = 5 * time.Second
	// patience is how long publishing goes on without a single success: longer
	// than a cluster is without a leader.
	patience = 45 * time.Second
	// unexplained is how long somebody waits without being told why.
	unexplained = 3 * time.Second
)

// message is a command on its way.
type message struct {
	lane   messages.Lane
	source string
	header nats.Header
	body   []byte
}

// publisher stores commands in the commands stream. What is not acknowledged
// is sent again with the same content: a worker answers it once all the same.
type publisher struct {
	js    jetstream.JetStream
	names messages.Names
	// stored is told of each command that the stream acknowledged.
	stored func(index int)
	// stalled is told once why nothing is stored although somebody waits.
	stalled  func(err error, patience time.Duration)
	patience time.Duration
}

func (p *process) newPublisher(s session, stored func(index int)) (*publisher, error) {
	js, err := jetstream.New(s.conn, jetstream.WithPublishAsyncMaxPending(2*window), jetstream.WithPublishAsyncTimeout(ackTimeout))
	if err != nil {
		return nil, fmt.Errorf("preparing JetStream: %w", err)
	}
	return &publisher{
		js: js, names: s.names, stored: stored, patience: patience,
		stalled: func(err error, patience time.Duration) {
			p.say("certrecall: nothing is stored yet (%v); trying for another %s", err, span(patience))
		},
	}, nil
}

// publish stores all messages. On an error those that stored was not told of
// may or may not be stored.
func (p *publisher) publish(ctx context.Context, all []message) error {
	todo := make([]int, len(all))
	for i := range todo {
		todo[i] = i
	}
	last, told := time.Now(), false // last is of the last success
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		failed, err := p.round(ctx, all, todo)
		if len(failed) < len(todo) {
			last = time.Now()
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case len(failed) == 0:
			return nil
		case time.Since(last) > p.patience || final(err):
			return p.explain(err)
		}
		if waited := time.Since(last); waited > unexplained && !told {
			p.stalled(err, p.patience-waited)
			told = true
		}
		todo = failed
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// flight is a message whose acknowledgement is waited for.
type flight struct {
	index int
	ack   jetstream.PubAckFuture
	err   error
}

// round sends each message of todo once, a window at a time, and gives those
// that were not stored with the error of one of them.
func (p *publisher) round(ctx context.Context, all []message, todo []int) (failed []int, last error) {
	flights := make(chan flight, window)
	stop := make(chan struct{})
	go func() {
		defer close(flights)
		for _, i := range todo {
			ack, err := p.send(all[i])
			select {
			case flights <- flight{i, ack, err}:
			case <-stop:
				return
			}
			if err != nil { // no server: the rest has no better chance
				return
			}
		}
	}()
	stored := make(map[int]bool, len(todo))
	for f := range flights {
		err := f.wait(ctx)
		if err == nil {
			stored[f.index] = true
			p.stored(f.index)
			continue
		}
		if last = err; ctx.Err() != nil || final(err) {
			break
		}
	}
	close(stop)
	for range flights {
		continue
	}
	for _, i := range todo {
		if !stored[i] {
			failed = append(failed, i)
		}
	}
	return failed, last
}

func (p *publisher) send(m message) (jetstream.PubAckFuture, error) {
	return p.js.PublishMsgAsync(
		&nats.Msg{Subject: p.names.CommandSubject(m.lane, m.source), Header: m.header, Data: m.body},
		jetstream.WithExpectStream(p.names.CommandsStream()), jetstream.WithStallWait(ackTimeout))
}

func (f flight) wait(ctx context.Context) error {
	if f.err != nil {
		return f.err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-f.ack.Err():
		return err
	case ack := <-f.ack.Ok():
		if ack.Duplicate { // no acceptance: the server took it for another's message
			return errors.New("the server took the command for a duplicate of another")
		}
		return nil
	}
}

// final reports whether the server has said no, and will again. 408 and 429
// are those of a server that has too much to do just now.
func final(err error) bool {
	e, ok := errors.AsType[jetstream.JetStreamError](err)
	if !ok || e.APIError() == nil {
		return false
	}
	code := e.APIError().Code
	return code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests
}

// explain adds what the connection knows of the reason.
func (p *publisher) explain(err error) error {
	if told := p.js.Conn().LastError(); errors.Is(err, jetstream.ErrAsyncPublishTimeout) && told != nil {
		err = fmt.Errorf("%w; the connection's last error: %w", err, told)
	}
	return fmt.Errorf("sending to stream %s: %w", p.names.CommandsStream(), err)
}
