package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"certrecall/messages"
	"certrecall/worker/status"
	"certrecall/worker/submission"
)

// outcome is a submission on its way: what is to be sent, and what became of it.
type outcome struct {
	*submitFlags
	all, fresh submission.Batch
	past       submission.Past
	lane       messages.Lane
	incident   string
}

// manyLines is from how many on lines are counted and not named on a terminal.
const manyLines = 20

// send stores what is not known yet.
func (o outcome) send(ctx context.Context, p *process, s session) error {
	sent, total := 0, len(o.fresh.Items)
	if total >= worthABar {
		p.say("Sending %d commands of incident %s. If this is cut off, the same again with --incident %s finishes it.", total, o.incident, o.incident)
	}
	progress := p.progress(ctx, "sending", total)
	pub, err := p.publisher(s)
	if err != nil {
		return err
	}
	pub.Stored = func(int) {
		sent++
		progress.Increment()
	}
	err = pub.Publish(ctx, o.fresh.Commands())
	progress.end()
	if err != nil {
		return fmt.Errorf("%w\n%d of %d commands of incident %s are stored for certain; for the rest run the same again with --incident %s: nothing is done twice",
			err, sent+len(o.past.Known), len(o.all.Items), o.incident, o.incident)
	}
	return nil
}

// publisher stores commands, and tells the person at the terminal what keeps it.
func (p *process) publisher(s session) (*submission.Publisher, error) {
	pub, err := submission.NewPublisher(s.conn, s.names)
	if err != nil {
		return nil, err
	}
	pub.Stalled = func(err error, patience time.Duration) {
		p.say("certrecall: nothing is stored yet (%v); trying for another %s", err, span(patience))
	}
	pub.OneByOne = func(reason error) { p.say("certrecall: storing the commands one by one: %v", reason) }
	return pub, nil
}

// progressBar is a bar for a person who waits; off a terminal it is nothing.
type progressBar struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// worthABar is from how much work on a bar is shown.
const worthABar = 500

func (p *process) progress(ctx context.Context, what string, total int) progressBar {
	if !isTerminal(p.stderr) || total < worthABar {
		return progressBar{}
	}
	c := mpb.NewWithContext(ctx, mpb.WithOutput(p.stderr), mpb.WithWidth(64))
	return progressBar{c, c.AddBar(int64(total),
		mpb.PrependDecorators(decor.Name(what+" "), decor.CountersNoUnit("%d of %d ")),
		mpb.AppendDecorators(decor.AverageSpeed(0, " %.0f/s"), decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 7})),
	)}
}

// Increment says that one more is done.
func (b progressBar) Increment() {
	if b.bar != nil {
		b.bar.Increment()
	}
}

// end leaves the bar as it stands.
func (b progressBar) end() {
	if b.bar != nil {
		b.bar.Abort(false)
		b.container.Wait()
	}
}

// submitted is what --json prints.
type submitted struct {
	Incident string             `json:"incident"`
	Source   string             `json:"source"`
	Lane     messages.Lane      `json:"lane"`
	Sent     int                `json:"sent"`
	Known    int                `json:"already_known"`
	Repeated []int              `json:"repeated_lines,omitempty"`
	Covered  []int              `json:"covered_lines,omitempty"`
	Commands []submittedCommand `json:"commands"`
}

type submittedCommand struct {
	ID            string `json:"id"`
	Line          int    `json:"line,omitempty"`
	OrderID       int64  `json:"order_id"`
	CertificateID int64  `json:"certificate_id,omitempty"`
	// State is "sent", or where a command that was known stands.
	State string `json:"state"`
}

const stateSent = "sent"

func (o outcome) print(p *process) error {
	if o.JSON {
		out := submitted{
			Incident: o.incident, Source: o.Source, Lane: o.lane, Sent: len(o.fresh.Items), Known: len(o.past.Known),
			Repeated: o.all.Repeated, Covered: o.all.Covered, Commands: make([]submittedCommand, 0, len(o.all.Items)),
		}
		for _, it := range o.all.Items {
			state := stateSent
			if k, ok := o.past.Known[it.Command.Name()]; ok {
				state = string(k.Row.State)
			}
			out.Commands = append(out.Commands, submittedCommand{it.Command.ID, it.Line, it.Command.OrderID, it.Command.CertificateID, state})
		}
		return p.printJSON(out)
	}
	total := section{tag: "submitted", header: []string{"incident", "lane", "sent", "already known"}, right: []int{2, 3}}
	total.add(o.incident, string(o.lane), strconv.Itoa(len(o.fresh.Items)), strconv.Itoa(len(o.past.Known)))
	if o.fresh.Revocations() == 0 && len(o.all.Repeated) > 0 {
		total.note("repeated in the input and sent once: %s", submission.Ranges(o.all.Repeated))
	}
	total.note("")
	total.note("follow it with  certrecall watch --incident %s", o.incident)
	p.show(o.knownSection(isTerminal(p.stdout)), total)
	return nil
}

// knownSection names what was known, and what to do about what failed.
func (o outcome) knownSection(short bool) section {
	s := section{tag: "known", title: "ALREADY KNOWN, NOT SENT AGAIN", header: []string{"line", "command", "state", "since", "requested by"}, right: []int{0}}
	states := map[status.State]int{}
	for _, it := range o.all.Items {
		k, ok := o.past.Known[it.Command.Name()]
		if !ok {
			continue
		}
		if states[k.Row.State]++; short && len(s.rows) >= manyLines {
			continue
		}
		s.add(number(k.Line), k.Command.ID, string(k.Row.State), stamp(k.Row.Since), orDash(k.Row.RequestedBy))
	}
	if len(o.past.Known) > len(s.rows) {
		s.note("and %d more", len(o.past.Known)-len(s.rows))
	}
	if len(states) > 0 {
		var parts []string
		for _, state := range status.States() {
			if n := states[state]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, state))
			}
		}
		s.note("%s", strings.Join(parts, ", "))
	}
	if slices.ContainsFunc(slices.Collect(maps.Keys(states)), status.State.Failed) {
		s.note("what failed is tried anew by  certrecall dlq replay, or by  certrecall submit … --failed-of")
	}
	return s
}
