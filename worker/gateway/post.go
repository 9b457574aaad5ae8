package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/messages"
)

const (
	// publishTimeout bounds the wait for the stream's acknowledgement.
	publishTimeout = 5 * time.Second
	// tryAgain is told to a sender whose command was not stored.
	tryAgain = 5 * time.Second
)

// receipt answers an accepted command.
type receipt struct {
	Command  string `json:"command"`
	Subject  string `json:"subject"`
	Sequence uint64 `json:"sequence"`
}

// post takes a command.
func (g *Gateway) post(w http.ResponseWriter, r *http.Request) {
	body, wrong := readBody(w, r)
	if wrong != nil {
		wrong.write(w, r)
		return
	}
	who, wrong := g.identify(r, body)
	if wrong != nil {
		wrong.write(w, r)
		return
	}
	lane := messages.Lane(r.PathValue("lane"))
	if wrong := g.mayUse(who.Source, lane); wrong != nil {
		wrong.write(w, r)
		return
	}
	if wrong := takenContent(r.Header); wrong != nil {
		wrong.write(w, r)
		return
	}
	command, header, wrong := decode(lane, who.Source, r.Header, body)
	if wrong != nil {
		wrong.write(w, r)
		return
	}
	note(r).command, note(r).order = command.Name().String(), command.OrderID
	if wrong := g.bound(r.Context(), command); wrong != nil {
		wrong.write(w, r)
		return
	}
	subject := g.cfg.Names.CommandSubject(lane, who.Source)
	ack, err := g.publish(r.Context(), subject, header, body)
	if err != nil {
		g.unstored(err).write(w, r)
		return
	}
	now := time.Now()
	g.secrets.Accepted(who, now)
	g.accepted.add(command.Name(), command.Digest(), now)
	g.metrics.accepted.WithLabelValues(string(lane), who.Source).Inc()
	note(r).sequence = ack.Sequence
	w.Header().Set("Location", "/v1/commands/"+orDash(command.Incident)+"/"+command.ID)
	writeJSON(w, http.StatusAccepted, "application/json", receipt{command.Name().String(), subject, ack.Sequence})
}

// mayUse says whether a source may send to a lane.
func (g *Gateway) mayUse(source string, lane messages.Lane) *problem {
	lanes := g.cfg.Settings.Sources[source].Lanes
	switch {
	case lane.Action() == "":
		return &problem{http.StatusNotFound, "no-such-lane", "there is no such lane: send to revoke-urgent, revoke or list-duplicates", nil, 0}
	case !slices.Contains(lanes, lane):
		return &problem{http.StatusForbidden, "lane-forbidden",
			fmt.Sprintf("the source %s may not send to %s; it may send to %v", source, lane, lanes), nil, 0}
	}
	return nil
}

// bound refuses an id that is known to be that of another command: by what this
// process accepted, or by the first event of the id's chain.
func (g *Gateway) bound(ctx context.Context, c messages.Command) *problem {
	digest := c.Digest()
	known, ok := g.accepted.digest(c.Name(), time.Now())
	if !ok {
		var err error
		if known, err = g.boundBy(ctx, c.Name()); err != nil {
			unread := g.unstored(err)
			return &unread
		}
	}
	if known == "" || known == digest {
		return nil
	}
	return &problem{http.StatusConflict, "command-conflict",
		"the id is bound to a command with other content: " + c.Name().String() + "; send a changed command under a new id", nil, 0}
}

// boundBy gives the digest of the command that holds an id; "" is none. A
// rejected message binds nothing.
func (g *Gateway) boundBy(ctx context.Context, name messages.CommandName) (string, error) {
	digest := ""
	err := g.chain(ctx, name, 1, func(m *jetstream.RawStreamMsg, event messages.EventName) bool {
		if event != messages.EventCommandRejected {
			digest = m.Header.Get(messages.HeaderDigest)
		}
		return event == messages.EventCommandRejected
	})
	return digest, err
}

// errDuplicate is an acknowledgement that says that nothing was stored.
var errDuplicate = errors.New("the stream took the message for a duplicate")

// publish stores a command.
func (g *Gateway) publish(ctx context.Context, subject string, header map[string][]string, body []byte) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	ack, err := g.js.PublishMsg(ctx, message(subject, header, body)) // with no header of ours: a dead letter shows what was sent
	switch {
	case err != nil:
		return nil, err
	case ack.Duplicate:
		return nil, errDuplicate
	case ack.Stream != g.cfg.Names.CommandsStream():
		return nil, fmt.Errorf("the stream %s took the command, not %s", ack.Stream, g.cfg.Names.CommandsStream())
	}
	return ack, nil
}

// unstored answers that a command is not known to be stored.
func (g *Gateway) unstored(err error) problem {
	g.cfg.Log.Warn("a command was not stored", zap.Error(err))
	detail := "NATS does not answer, so the command is not known to be stored: send it again with the same id, which is safe"
	if _, refused := errors.AsType[*jetstream.APIError](err); refused {
		detail = "the commands stream refused the command (it may be full): send it again with the same id"
	}
	return problem{http.StatusServiceUnavailable, "not-stored", detail, nil, tryAgain}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
