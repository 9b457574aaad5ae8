package submission

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
	// window is how many commands are under way to the stream at once where
	// they are stored one by one.
	window = 1000
	// ackTimeout is after how long what has no answer is sent again.
	ackTimeout = 5 * time.Second
	// defaultPatience is how long publishing goes on without a single success:
	// longer than a cluster is without a leader.
	defaultPatience = 45 * time.Second
	// unexplained is how long somebody waits without being told why.
	unexplained = 3 * time.Second
)

// Publisher stores commands in the commands stream, up to [MaxAtomic] at once
// and whole, or not at all. What is not acknowledged is sent again with the
// same content: a worker answers it once all the same.
type Publisher struct {
	js    jetstream.JetStream
	names messages.Names

	// Stored is told of each command that the stream acknowledged.
	Stored func(index int)
	// Stalled is told once why nothing is stored although somebody waits.
	Stalled func(err error, patience time.Duration)
	// OneByOne is told once why commands are stored one by one: the stream is of
	// an older setup.
	OneByOne func(reason error)
	// Patience is how long to go on without a success; zero is the default.
	Patience time.Duration
}

// NewPublisher stores through a connection. Its fields may be set before the
// first use.
func NewPublisher(conn *nats.Conn, names messages.Names) (*Publisher, error) {
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(2*window), jetstream.WithPublishAsyncTimeout(ackTimeout),
		jetstream.WithDefaultTimeout(ackTimeout))
	if err != nil {
		return nil, fmt.Errorf("preparing JetStream: %w", err)
	}
	return &Publisher{
		js: js, names: names, Patience: defaultPatience,
		Stored: func(int) {}, Stalled: func(error, time.Duration) {}, OneByOne: func(error) {},
	}, nil
}

// Publish stores all commands, in their order. On an error those that Stored
// was not told of may or may not be stored.
func (p *Publisher) Publish(ctx context.Context, all []messages.Command) error {
	next, err := p.atomic(ctx, all)
	if !errors.Is(err, errNoAtomic) {
		return err
	}
	p.OneByOne(err)
	return p.oneByOne(ctx, all, next)
}

// message is a command as the stream stores it.
func (p *Publisher) message(c messages.Command) (*nats.Msg, error) {
	body, err := messages.EncodeCommand(c)
	if err != nil {
		return nil, fmt.Errorf("encoding command %s: %w", c.ID, err)
	}
	header := nats.Header(messages.CommandHeader(c))
	if header == nil {
		header = nats.Header{}
	}
	return &nats.Msg{Subject: p.names.CommandSubject(c.Lane, c.Source), Header: header, Data: body}, nil
}

// attempts repeats something until it succeeds, the server says no for good or
// patience ends. once reports whether it got anything done.
func (p *Publisher) attempts(ctx context.Context, once func() (progress, done bool, err error)) error {
	last, told := time.Now(), false // last is of the last success
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		progress, done, err := once()
		if progress {
			last, pause = time.Now(), 100*time.Millisecond
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case done:
			return nil
		case err == nil:
			continue
		case errors.Is(err, errNoAtomic):
			return err
		case time.Since(last) > p.Patience || final(err):
			return p.explain(err)
		}
		if waited := time.Since(last); waited > unexplained && !told {
			p.Stalled(err, p.Patience-waited)
			told = true
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// oneByOne stores what comes from an index on, a window at a time.
func (p *Publisher) oneByOne(ctx context.Context, all []messages.Command, from int) error {
	var todo []int
	for i := from; i < len(all); i++ {
		todo = append(todo, i)
	}
	return p.attempts(ctx, func() (progress, done bool, err error) {
		failed, err := p.round(ctx, all, todo)
		progress, todo = len(failed) < len(todo), failed
		return progress, len(failed) == 0, err
	})
}

// flight is a message whose acknowledgement is waited for.
type flight struct {
	index int
	ack   jetstream.PubAckFuture
	err   error
}

// round sends each message of todo once, a window at a time, and returns those
// that were not stored with the error of one of them.
func (p *Publisher) round(ctx context.Context, all []messages.Command, todo []int) (failed []int, last error) {
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
			p.Stored(f.index)
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

func (p *Publisher) send(c messages.Command) (jetstream.PubAckFuture, error) {
	m, err := p.message(c)
	if err != nil {
		return nil, err
	}
	return p.js.PublishMsgAsync(m, jetstream.WithExpectStream(p.names.CommandsStream()), jetstream.WithStallWait(ackTimeout))
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
	api := apiError(err)
	if api == nil {
		return false
	}
	return api.Code >= 400 && api.Code < 500 && api.Code != http.StatusRequestTimeout && api.Code != http.StatusTooManyRequests
}

// apiError is what the server said, if it is its error.
func apiError(err error) *jetstream.APIError {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api
	}
	if e, ok := errors.AsType[jetstream.JetStreamError](err); ok {
		return e.APIError()
	}
	return nil
}

// explain adds what the connection knows of the reason.
func (p *Publisher) explain(err error) error {
	told := p.js.Conn().LastError()
	if (errors.Is(err, jetstream.ErrAsyncPublishTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)) && told != nil {
		err = fmt.Errorf("%w; the connection's last error: %w", err, told)
	}
	return fmt.Errorf("sending to stream %s: %w", p.names.CommandsStream(), err)
}
