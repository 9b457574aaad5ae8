package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"certrecall/messages"
	"certrecall/worker/status"
)

// outcome is a submission on its way: what is to be sent, and what became of it.
type outcome struct {
	*submission
	all, fresh batch
	known      map[messages.CommandName]knownItem
	lane       messages.Lane
	incident   string
}

// manyLines is from how many on lines are counted and not named on a terminal.
const manyLines = 20

// summarize says what is about to be revoked.
func (o outcome) summarize(p *process) {
	orders, certificates, skip := 0, 0, 0
	comments, reasons, deadlines := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, it := range o.fresh.items {
		c := it.command
		if c.DryRun {
			continue
		}
		if c.CertificateID == 0 {
			orders++
		} else {
			certificates++
		}
		if c.SkipApproval {
			skip++
		}
		comments[c.Comments], reasons[orDash(c.RevocationReason)], deadlines[stamp(c.Deadline)] = true, true, true
	}
	p.say("To be revoked at DigiCert, which cannot be undone:")
	if orders > 0 {
		p.say("  orders        %d, each with all its certificates, duplicates and reissues", orders)
	}
	if certificates > 0 {
		p.say("  certificates  %d", certificates)
	}
	p.say("  incident      %s", o.incident)
	p.say("  why           %s", several(comments))
	p.say("  reason        %s", several(reasons))
	p.say("  deadline      %s", several(deadlines))
	switch skip {
	case 0:
		p.say("  approval      by an administrator in CertCentral, each")
	case orders + certificates:
		p.say("  approval      skipped: they are revoked at once")
	default:
		p.say("  approval      skipped for %d of them: those are revoked at once", skip)
	}
	p.say("  lane          %s, as source %s at %s, prefix %s", o.lane, o.Source, o.redacted(), o.Prefix)
	o.remark(p)
}

// remark says what is odd about the input, and what is known already.
func (o outcome) remark(p *process) {
	if n := len(o.all.repeated); n > 0 {
		p.say("  repeated      %s: said before in the same input, sent once", ranges(o.all.repeated))
	}
	if n := len(o.all.covered); n > 0 {
		p.say("  covered       %s: another line revokes the whole order", ranges(o.all.covered))
	}
	if n := len(o.known); n > 0 {
		p.say("  known         %d more are known already and not sent again", n)
	}
}

// several gives the one text, or how many there are.
func several(texts map[string]bool) string {
	if len(texts) == 1 {
		for t := range texts {
			return t
		}
	}
	return strconv.Itoa(len(texts)) + " different ones"
}

// send publishes what is not known yet.
func (o outcome) send(ctx context.Context, p *process, s session) error {
	items := o.fresh.items
	sent := 0
	progress := p.progress(ctx, "sending", len(items))
	pub, err := p.newPublisher(s, func(int) {
		sent++
		progress.Increment()
	})
	if err != nil {
		return err
	}
	all := make([]message, len(items))
	for i, it := range items {
		all[i] = message{o.lane, o.Source, nats.Header(messages.CommandHeader(it.command)), it.body}
	}
	err = pub.publish(ctx, all)
	progress.end()
	if err != nil {
		return fmt.Errorf("%w\n%d of %d commands of incident %s are stored; for the rest run the same again with --incident %s: nothing is done twice",
			err, sent, len(items), o.incident, o.incident)
	}
	return nil
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
			Incident: o.incident, Source: o.Source, Lane: o.lane, Sent: len(o.fresh.items), Known: len(o.known),
			Repeated: o.all.repeated, Covered: o.all.covered, Commands: make([]submittedCommand, 0, len(o.all.items)),
		}
		for _, it := range o.all.items {
			state := stateSent
			if k, ok := o.known[it.command.Name()]; ok {
				state = string(k.row.State)
			}
			out.Commands = append(out.Commands, submittedCommand{it.command.ID, it.line, it.command.OrderID, it.command.CertificateID, state})
		}
		return p.printJSON(out)
	}
	total := section{tag: "submitted", header: []string{"incident", "lane", "sent", "already known"}, right: []int{2, 3}}
	total.add(o.incident, string(o.lane), strconv.Itoa(len(o.fresh.items)), strconv.Itoa(len(o.known)))
	if o.fresh.revocations() == 0 && len(o.all.repeated) > 0 {
		total.note("repeated in the input and sent once: %s", ranges(o.all.repeated))
	}
	total.note("")
	total.note("follow it with  certrecall watch --incident %s", o.incident)
	p.print(o.knownSection(isTerminal(p.stdout)), total)
	return nil
}

// knownSection names what was known, and what to do about what failed.
func (o outcome) knownSection(short bool) section {
	s := section{tag: "known", title: "ALREADY KNOWN, NOT SENT AGAIN", header: []string{"line", "command", "state", "since", "requested by"}, right: []int{0}}
	states := map[status.State]int{}
	for _, it := range o.all.items {
		k, ok := o.known[it.command.Name()]
		if !ok {
			continue
		}
		if states[k.row.State]++; short && len(s.rows) >= manyLines {
			continue
		}
		s.add(number(k.line), k.command.ID, string(k.row.State), stamp(k.row.Since), orDash(k.row.RequestedBy))
	}
	if len(o.known) > len(s.rows) {
		s.note("and %d more", len(o.known)-len(s.rows))
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
		s.note("what failed is tried anew by  certrecall dlq replay, or by the same input with --again 2")
	}
	return s
}
