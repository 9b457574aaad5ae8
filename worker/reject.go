package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// reject answers a message that cannot be a command, or that conflicts with
// one: dead letter, command-rejected, ack. The event stands under the claimed
// id if that can be read and has no event yet, else under an id made of the
// message's place in the stream, so that the id stays free for a corrected
// command. A redelivery finds the event by the origin it carries.
func (w *Worker) reject(ctx context.Context, d *delivery, cmd messages.Command, problem messages.Error, mayBind bool) verdict {
	said, free, err := w.rejectedBefore(ctx, d, cmd, mayBind)
	if err != nil {
		return w.storeLater(d.deliveries, err)
	}
	if said {
		return concluded(messages.EventCommandRejected)
	}
	e := messages.NewEvent(cmd, messages.EventCommandRejected, w.clock.Now(), d.received)
	e.Lane, e.Action, e.Origin, e.Error = d.lane, d.lane.Action(), d.origin, &problem
	if !free {
		e.ID = "seq-" + d.origin
	}
	if problem.Type == messages.ErrorCommandConflict {
		e.Digest = cmd.Digest()
	}
	l := letter{d.lane, sourceToken(d.msg.Subject()), cmd.Incident, d.msg.Headers(), d.msg.Data(), d.origin, d.sequence, d.deliveries, d.received}
	if err := w.bury(ctx, l, problem, w.cfg.Names.EventSubject(e.Name, e.Command())); err != nil {
		return w.storeLater(d.deliveries, err)
	}
	err = w.sayRejected(ctx, e)
	if free && (errors.Is(err, errAnswered) || errors.Is(err, errConflict)) {
		// Another event took the id meanwhile.
		e.ID = "seq-" + d.origin
		err = w.sayRejected(ctx, e)
	}
	if err != nil && !errors.Is(err, errAnswered) {
		return w.storeLater(d.deliveries, err)
	}
	return concluded(messages.EventCommandRejected)
}

// sayRejected stores the event only where nothing stands.
func (w *Worker) sayRejected(ctx context.Context, e messages.Event) error {
	j := &job{key: e.Command().String()}
	err := w.say(ctx, j, e)
	if err == nil && j.chain.last != 0 && j.chain.name == e.Name {
		stored, err := w.rejection(ctx, e.Command())
		if err != nil {
			return err
		}
		if stored != "" && stored != e.Origin {
			return errAnswered
		}
	}
	return err
}

// rejectedBefore looks for the event of this very message, first under the
// claimed id (also below a later claim), then under its place in the stream.
func (w *Worker) rejectedBefore(ctx context.Context, d *delivery, cmd messages.Command, mayBind bool) (said, free bool, err error) {
	placed := cmd.Name()
	placed.ID = "seq-" + d.origin
	names := []messages.CommandName{placed}
	if cmd.ID != "" && mayBind {
		names = append([]messages.CommandName{cmd.Name()}, names...)
		c, err := w.readChain(ctx, cmd.Name())
		if err != nil {
			return false, false, err
		}
		free = c.last == 0
	}
	if free && d.deliveries == 1 {
		return false, true, nil
	}
	for _, name := range names {
		origin, err := w.rejection(ctx, name)
		if err != nil {
			return false, false, err
		}
		if origin == d.origin {
			return true, false, nil
		}
	}
	return false, free, nil
}

// rejection returns the origin of the message that the command-rejected under
// the name answers; "" if there is none.
func (w *Worker) rejection(ctx context.Context, name messages.CommandName) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m, err := w.stores().Events.GetLastMsgForSubject(ctx, w.cfg.Names.EventSubject(messages.EventCommandRejected, name))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for an earlier rejection: %w", err)
	}
	return m.Header.Get(messages.HeaderOrigin), nil
}

// conflict answers a message whose id stands for another command.
func (w *Worker) conflict(ctx context.Context, d *delivery, j *job) verdict {
	problem := *messages.NewError(messages.ErrorCommandConflict, fmt.Sprintf(
		"id: %s already stands for another command; nothing was done for this one; give every command of an incident an id of its own, or send exactly the same content again",
		j.key))
	problem.ConflictsWith = j.cmd.ID
	return w.reject(ctx, d, j.cmd, problem, false)
}

// sourceToken is the last token of the subject, as it was sent.
func sourceToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
