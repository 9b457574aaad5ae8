package policy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

const (
	// followRetry is the pause before events are read again from the beginning
	// after following them failed.
	followRetry = time.Second
)

// event is what is read of one event: its headers and its subject say enough.
type event struct {
	seq   uint64
	at    time.Time
	name  messages.EventName
	cmd   messages.CommandName
	order int64
}

func (e event) claim() claim {
	return claim{seq: e.seq, at: e.at, order: e.order, name: e.cmd.Key(), thing: thingOf(e.cmd)}
}

// markOf says what an event means for its command; 0 is nothing.
func markOf(e messages.EventName) mark {
	switch e {
	case messages.EventRevokeHeld:
		return markHeld
	case messages.EventRevokeRequested:
		return markBegun
	case messages.EventRevoked, messages.EventRevokeRejected:
		return markRevoked
	case messages.EventRevokeFailed, messages.EventRevokeCancelled:
		return markEnded
	default:
		return 0
	}
}

// thingOf names what an allowance for a command would name, as statements do.
func thingOf(c messages.CommandName) string {
	if c.Incident != "" {
		return "incident." + c.Incident
	}
	return "source." + c.Source
}

// follower reads events from a point of the past on, and goes on with what
// comes. Its state is made anew whenever the reading breaks: a book with a hole
// would count too little.
type follower struct {
	js      jetstream.JetStream
	names   messages.Names
	subject string
	from    time.Time // zero is the beginning
	// begin makes an empty book, take adds events to it: all of the past at
	// once, then one by one. Both are called with mu held.
	begin func()
	take  func(ctx context.Context, all []event) error

	mu    sync.Mutex
	ready bool // the past is read
	err   error
	moved chan struct{} // closed, and made anew, at every change
}

func (f *follower) wake() {
	close(f.moved)
	f.moved = make(chan struct{})
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.once(ctx)
		f.mu.Lock()
		f.ready, f.err = false, err
		f.wake()
		f.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(followRetry):
		}
	}
}

func (f *follower) once(ctx context.Context) error {
	f.mu.Lock()
	f.begin()
	f.mu.Unlock()
	q := streams.Query{Stream: f.names.EventsStream(), Subjects: []string{f.subject}, Since: f.from}
	var past []event
	var failed error
	next := uint64(1)
	read := func(m *jetstream.RawStreamMsg) (event, bool) {
		e, err := f.read(m)
		if err != nil {
			failed = err
		}
		next = m.Sequence + 1
		return e, err == nil
	}
	err := streams.Read(ctx, f.js, q, func(m *jetstream.RawStreamMsg) bool {
		e, ok := read(m)
		past = append(past, e)
		return ok
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("reading the events of %s: %w", f.subject, err)
	}
	if err := f.give(ctx, past); err != nil {
		return err
	}
	if q.Follow = true; next > 1 {
		q.From, q.Since = next, time.Time{}
	}
	err = streams.Read(ctx, f.js, q, func(m *jetstream.RawStreamMsg) bool {
		e, ok := read(m)
		if ok {
			failed = f.give(ctx, []event{e})
		}
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("reading the events of %s: %w", f.subject, err)
	}
	return nil
}

func (f *follower) give(ctx context.Context, all []event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.take(ctx, all); err != nil {
		return err
	}
	f.ready, f.err = true, nil
	f.wake()
	return nil
}

func (f *follower) read(m *jetstream.RawStreamMsg) (event, error) {
	e := event{seq: m.Sequence, at: m.Time}
	var err error
	if e.name, e.cmd, err = f.names.ParseEventSubject(m.Subject); err != nil {
		return e, err
	}
	if e.name == messages.EventRevokeAccepted {
		e.order, err = orderOf(m.Header.Get("ce-subject"))
	}
	return e, err
}

// orderOf reads the order out of a ce-subject: "order/4711/certificate/5".
func orderOf(subject string) (int64, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(subject, "order/"), "/")
	order, err := strconv.ParseInt(id, 10, 64)
	if err != nil || order < 1 || !strings.HasPrefix(subject, "order/") {
		return 0, fmt.Errorf("an event's subject is %q: want order/<id>", subject)
	}
	return order, nil
}

var errNotRead = errors.New("the events have not been read yet")

// await waits until the book is ready and done, asked with mu held, says so.
func (f *follower) await(ctx context.Context, done func() bool) error {
	for {
		f.mu.Lock()
		ok, err, moved := f.ready && done(), f.err, f.moved
		f.mu.Unlock()
		if ok {
			return nil
		}
		if err == nil {
			err = errNotRead
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}
