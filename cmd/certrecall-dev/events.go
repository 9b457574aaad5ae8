package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// printer writes one line an event, in columns.
type printer struct {
	w      io.Writer
	names  messages.Names
	colour bool
}

// Widths of the columns; what is wider moves the rest of its line.
const (
	widthEvent   = len(messages.EventListDuplicatesCancelled)
	widthCommand = 30
	widthOrder   = 16
	widthRequest = 15
)

// newPrinter colours only for a person at a terminal who did not ask for none
// (https://no-color.org).
func newPrinter(w io.Writer, names messages.Names) printer {
	f, ok := w.(interface{ Fd() uintptr })
	return printer{w: w, names: names, colour: ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == ""}
}

// follow prints the events that the stream stores from after its last sequence
// on, until ctx ends.
func (p printer) follow(ctx context.Context, js jetstream.JetStream, last uint64) error {
	events, err := js.OrderedConsumer(ctx, p.names.EventsStream(), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last + 1,
	})
	if err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	messages, err := events.Messages()
	if err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue
		case err != nil:
			return fmt.Errorf("reading events: %w", err)
		}
		p.print(msg)
	}
}

func (p printer) print(msg jetstream.Msg) {
	e, err := p.names.DecodeEvent(msg.Subject(), msg.Headers(), msg.Data())
	if err != nil {
		fmt.Fprintf(p.w, "%s: not an event: %v\n", msg.Subject(), err)
		return
	}
	fmt.Fprintln(p.w, p.line(e))
}

// line is an event in one line: time, event, source and id, order, request,
// status, and what went wrong.
func (p printer) line(e messages.Event) string {
	order, request := "", ""
	if e.OrderID != 0 {
		order = "order " + strconv.FormatInt(e.OrderID, 10)
	}
	if e.RequestID != 0 {
		request = "request " + strconv.FormatInt(e.RequestID, 10)
	}
	columns := []string{
		e.Time.Local().Format("15:04:05.000"), p.paint(e.Name, text.Pad(string(e.Name), widthEvent, ' ')),
		text.Pad(e.Command().String(), widthCommand, ' '), text.Pad(order, widthOrder, ' '), text.Pad(request, widthRequest, ' '), outcome(e),
	}
	return strings.TrimRight(strings.Join(columns, "  "), " ")
}

// outcome is what the last column says.
func outcome(e messages.Event) string {
	parts := []string{}
	if e.Status != "" {
		parts = append(parts, e.Status)
	}
	if e.Already {
		parts = append(parts, "(already)")
	}
	if e.Count != nil {
		parts = append(parts, fmt.Sprintf("%d certificates", *e.Count))
	}
	if e.Error != nil {
		parts = append(parts, string(e.Error.Type)+": "+strings.Join(strings.Fields(e.Error.Detail), " "))
	}
	return strings.Join(parts, " ")
}

// paint shows how an event is meant: green for done, red for failed, yellow for
// what somebody waits for.
func (p printer) paint(name messages.EventName, s string) string {
	if !p.colour {
		return s
	}
	switch name {
	case messages.EventRevoked, messages.EventDuplicatesListed, messages.EventRevokePlanned:
		return text.FgGreen.Sprint(s)
	case messages.EventRevokeRejected, messages.EventRevokeFailed, messages.EventListDuplicatesFailed, messages.EventCommandRejected:
		return text.FgRed.Sprint(s)
	case messages.EventRevokeRequested, messages.EventRevokeHeld, messages.EventRevokeOverdue:
		return text.FgYellow.Sprint(s)
	case messages.EventRevokeAccepted, messages.EventRevokeCancelled, messages.EventListDuplicatesCancelled:
		return text.Faint.Sprint(s)
	}
	return s
}
