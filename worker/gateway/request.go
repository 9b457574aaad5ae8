package gateway

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
	"certrecall/worker/gateway/credentials"
)

const (
	// maxMessage is what the commands stream takes, headers included.
	maxMessage = 80 << 10
	// maxHeaderCarried bounds the headers that are carried on.
	maxHeaderCarried = 8 << 10
)

// readBody reads a body that can be a command, and no more of it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	note(r).bytes = len(body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, tooLarge()
	}
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "unreadable", "the body could not be read to its end", nil, 0}
	}
	return body, nil
}

func tooLarge() *problem {
	return &problem{http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("a command is at most %d bytes", messages.MaxCommandBytes), nil, 0}
}

// identify tells whose request it is, and whether it comes too soon.
func (g *Gateway) identify(r *http.Request, body []byte) (credentials.Identity, *problem) {
	now := time.Now()
	who, err := g.secrets.Verify(r.Header, body, now)
	switch {
	case errors.Is(err, credentials.ErrReplayed):
		return who, &problem{http.StatusConflict, "replayed", err.Error(), nil, 0}
	case err != nil:
		return who, &problem{http.StatusUnauthorized, "unauthorized", err.Error(), nil, 0}
	}
	n := note(r)
	n.source, n.credential, n.kind = who.Source, who.Credential, string(who.Kind)
	if wait := g.limits.take(who.Source+"/"+string(who.Kind)+"/"+who.Credential, g.cfg.Settings.Sources[who.Source].Rate, now); wait > 0 {
		return who, &problem{http.StatusTooManyRequests, "too-many-requests", "this credential sends more than it may; wait as long as Retry-After says", nil, wait}
	}
	return who, nil
}

// takenContent refuses a body that is not sent as JSON: a form, a file, or
// something compressed would be read as what it is not.
func takenContent(h http.Header) *problem {
	const want = "send Content-Type: application/json (or application/cloudevents+json)"
	refuse := func(detail string) *problem {
		return &problem{http.StatusUnsupportedMediaType, "unsupported-media-type", detail, nil, 0}
	}
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refuse("a compressed body is not taken: send it as it is")
	}
	media, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || len(h.Values("Content-Type")) > 1 {
		return refuse("the content type is missing or cannot be read: " + want)
	}
	switch media {
	case "application/json", "application/cloudevents", "application/cloudevents+json":
	default:
		return refuse("this content type is not taken: " + want)
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return refuse("JSON is UTF-8: this charset is not taken")
	}
	return nil
}

const ceID = "ce-id"

// idHeaders are where the id of a command comes from that has none of its own.
var idHeaders = []string{"Idempotency-Key", "webhook-id", "X-Atlassian-Webhook-Identifier"}

const idMissing = "missing: give each command an id of your own, in the body or as Idempotency-Key; by it a request that is repeated " +
	"after a lost answer is known as the same command, and not done twice"

// decode reads a command as the worker will, with the headers that go with it.
// A command without an id gets that of the request.
func decode(lane messages.Lane, source string, h http.Header, body []byte) (messages.Command, map[string][]string, *problem) {
	header := carried(h)
	command, err := messages.DecodeCommand(lane, source, header, body)
	idHeader := ""
	if found := problemsOf(err); has(found, "id") && command.ID == "" && command.ClaimedID == "" && len(header[ceID]) == 0 {
		if name, id := requestID(h); name != "" {
			idHeader = name
			header[ceID] = []string{id}
			command, err = messages.DecodeCommand(lane, source, header, body)
		}
	}
	found := problemsOf(err)
	if len(found) == 0 && err == nil {
		if size := sizeOf(header); size > maxHeaderCarried || size+len(body) > maxMessage {
			return command, nil, tooLarge()
		}
		return command, header, nil
	}
	for i, p := range found {
		switch {
		case p.Field == ceID && idHeader != "":
			found[i].Field = idHeader
		case p.Field == "id" && strings.HasPrefix(p.Detail, "missing"):
			found[i].Detail = idMissing
		case p.Field == "body" && len(body) > messages.MaxCommandBytes && len(found) == 1:
			return command, nil, tooLarge()
		}
	}
	return command, nil, &problem{http.StatusBadRequest, "invalid-command", "the command is not valid; nothing was stored", found, 0}
}

func problemsOf(err error) []messages.Problem {
	if invalid, ok := errors.AsType[*messages.InvalidCommand](err); ok {
		return invalid.Problems
	}
	if err != nil {
		return []messages.Problem{{Field: "body", Detail: err.Error()}}
	}
	return nil
}

func has(list []messages.Problem, field string) bool {
	for _, p := range list {
		if p.Field == field {
			return true
		}
	}
	return false
}

// requestID gives the id that a request has of its own, and the header it is in.
func requestID(h http.Header) (name, id string) {
	for _, name := range idHeaders {
		values := h.Values(name)
		if len(values) != 1 {
			continue
		}
		id := strings.TrimSpace(values[0])
		if len(id) >= 2 && id[0] == '"' && id[len(id)-1] == '"' { // a string after RFC 9651
			id = id[1 : len(id)-1]
		}
		return name, id
	}
	return "", ""
}

// carried gives the headers that go on with a command, named as NATS has them.
// Nothing of NATS's own passes, nor what certrecall gives to replays.
func carried(h http.Header) map[string][]string {
	header := map[string][]string{}
	for name, values := range h {
		lower := strings.ToLower(name)
		switch {
		case lower == "content-type":
			header["Content-Type"] = values
		case strings.HasPrefix(lower, "ce-"), lower == messages.HeaderTraceparent, lower == messages.HeaderTracestate:
			header[lower] = values
		}
	}
	return header
}

func sizeOf(header map[string][]string) int {
	size := len("NATS/1.0\r\n\r\n")
	for name, values := range header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	return size
}

func message(subject string, header map[string][]string, body []byte) *nats.Msg {
	return &nats.Msg{Subject: subject, Header: header, Data: body}
}
