package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/statements"
	"certrecall/worker/status"
)

// planPause pauses calls of a kind, or lets them go again.
func (c *Console) planPause(q *request) (plan, error) {
	kind := gate.Kind(q.PostForm.Get("kind"))
	switch kind {
	case gate.Revocations, gate.Listings:
	case "all":
		kind = gate.Both
	default:
		return plan{}, bad("kind: name revocations, listings or all.")
	}
	r, err := c.hub.open()
	if err != nil {
		return plan{}, err
	}
	fleet, err := c.hub.Fleet(q.Context())
	if err != nil {
		return plan{}, err
	}
	pending, inHand := 0, 0
	for _, l := range fleet.Lanes {
		if listing := l.Lane == messages.LaneListDuplicates; kind == gate.Both || listing == (kind == gate.Listings) {
			pending += int(l.Pending)
			inHand += l.InHand
		}
	}
	var p plan
	do := gate.Pause
	if q.PathValue("action") == "pause" {
		p = plan{Title: "Pause " + kindText(kind), Button: "Pause", Lines: []string{
			"Every worker stops within a second; calls that have begun end.",
			plural(pending, "command") + " in the queue stay there, " + thousands(inHand) + " in hand are finished or given back.",
		}}
	} else {
		do = gate.Resume
		p = plan{Title: "Resume " + kindText(kind), Button: "Resume", mayBeSilent: true, Lines: []string{
			plural(pending, "command") + " in the queue go on.",
		}}
		for _, one := range fleet.Pauses {
			if kind == gate.Both || one.Kind == gate.Both || one.Kind == kind {
				p.Lines = append(p.Lines, fmt.Sprintf("Ends the pause of %s by %s (%s), since %s.", kindText(one.Kind), one.By, one.Reason, stamp(one.Since)))
			}
		}
		if len(p.Lines) == 1 {
			p.Nothing, p.Lines = true, []string{"Nothing of that is paused."}
		}
	}
	p.do = func(ctx context.Context, operator, reason string) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, sayWithin)
		defer cancel()
		if err := do(ctx, r.Stores().Control, kind, gate.Order{By: operator, Reason: reason}); err != nil {
			return nil, err
		}
		c.hub.fleet.forget()
		if p.Button == "Pause" {
			return []string{"Paused: " + kindText(kind) + ". Every worker knows within a second."}, nil
		}
		return []string{"Resumed: " + kindText(kind) + "."}, nil
	}
	return p, nil
}

// selected gives the commands that the fields of a cancellation name.
func (c *Console) selected(q *request) (gate.Selector, []status.Row, error) {
	f, r, given := q.PostForm, (*status.Reader)(nil), 0
	var err error
	if r, err = c.hub.open(); err != nil {
		return gate.Selector{}, nil, err
	}
	for _, name := range []string{"incident", "source", "command", "order"} {
		if f.Get(name) != "" {
			given++
		}
	}
	if given != 1 {
		return gate.Selector{}, nil, bad("Name exactly one of incident, source, command and order.")
	}
	every := func(yes func(status.Row) bool, all []status.Row) []status.Row {
		var out []status.Row
		for _, row := range all {
			if yes(row) {
				out = append(out, row)
			}
		}
		return out
	}
	switch incident, source, command, order := f.Get("incident"), f.Get("source"), f.Get("command"), f.Get("order"); {
	case incident != "":
		if !messages.ValidIncident(incident) {
			return gate.Selector{}, nil, bad("%q cannot be an incident.", incident)
		}
		s, err := c.hub.views.get(q.Context(), incident)
		if err != nil {
			return gate.Selector{}, nil, err
		}
		return gate.Selector{Incident: incident}, s.view.Rows(q.now), nil
	case source != "":
		if !messages.ValidSource(source) {
			return gate.Selector{}, nil, bad("%q cannot be a source.", source)
		}
		v, err := r.LoadOpen(q.Context())
		if err != nil {
			return gate.Selector{}, nil, err
		}
		return gate.Selector{Source: source}, every(func(r status.Row) bool { return r.Source == source }, v.Rows(q.now)), nil
	case command != "":
		name, err := messages.ParseCommandName(command)
		if err != nil {
			return gate.Selector{}, nil, bad("%q names no command: write source/incident/id.", command)
		}
		t, err := r.Timeline(q.Context(), name)
		if err != nil {
			return gate.Selector{}, nil, isUnknown(err)
		}
		return gate.Selector{Source: name.Source, Incident: name.Incident, Command: name.ID}, []status.Row{t.Row}, nil
	default:
		id, err := strconv.ParseInt(order, 10, 64)
		if err != nil || id < 1 {
			return gate.Selector{}, nil, bad("%q is no order id.", order)
		}
		o, _, err := r.Order(q.Context(), id)
		return gate.Selector{Order: id}, o.Rows, err
	}
}

// mostLookups bounds the order records that are read to tell what was sent.
const mostLookups = 200

// planCancel ends what was not sent yet.
func (c *Console) planCancel(q *request) (plan, error) {
	selector, rows, err := c.selected(q)
	if err != nil {
		return plan{}, err
	}
	r, err := c.hub.open()
	if err != nil {
		return plan{}, err
	}
	p := plan{Title: "Cancel " + selector.String(), Button: "Cancel what is not sent", Danger: true}
	stopped, sent, final, unsure, looked := 0, 0, 0, 0, 0
	for _, row := range rows {
		switch {
		case row.State.Final():
			final++
			continue
		case row.State == status.Waiting:
			sent++
			continue
		case row.State == status.Accepted && looked == mostLookups:
			unsure++
			continue
		case row.State == status.Accepted:
			looked++
			was, err := r.Sent(q.Context(), row)
			if err != nil {
				return plan{}, err
			}
			if was {
				sent++
				continue
			}
		}
		if stopped++; len(p.Examples) < examplesNamed {
			p.Examples = append(p.Examples, row)
		}
	}
	p.More = stopped - len(p.Examples)
	p.Lines = []string{plural(stopped, "command") + " not sent yet: will end as cancelled."}
	if unsure > 0 {
		p.Lines = append(p.Lines, plural(unsure, "command")+" in hand: those that are not sent by then will end as cancelled.")
	}
	if sent > 0 {
		p.Lines = append(p.Lines, plural(sent, "command")+" sent before: go on. A request that waits can be rejected in CertCentral.")
	}
	if final > 0 {
		p.Lines = append(p.Lines, plural(final, "command")+" final: nothing changes.")
	}
	p.Lines = append(p.Lines, "It holds for what is stored when you confirm, not for what comes later.")
	p.do = func(ctx context.Context, operator, reason string) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, sayWithin)
		defer cancel()
		stored, err := gate.Cancel(ctx, r.Stores().Control, selector, operator, reason)
		if err != nil {
			return nil, err
		}
		return append([]string{"Cancelled: " + selector.String() + ", everything stored before " + stamp(stored.At) + "."}, p.Lines[:len(p.Lines)-1]...), nil
	}
	return p, nil
}

// mostOrders bounds an allowance.
const mostOrders = 10_000_000

// planAllow lets more orders be revoked than the policy does.
func (c *Console) planAllow(q *request) (plan, error) {
	f := q.PostForm
	incident, source := f.Get("incident"), f.Get("source")
	what, title := "incident."+incident, "incident "+incident
	switch {
	case (incident == "") == (source == ""):
		return plan{}, bad("Name either an incident or a source.")
	case incident != "" && !messages.ValidIncident(incident):
		return plan{}, bad("%q cannot be an incident.", incident)
	case source != "" && !messages.ValidSource(source):
		return plan{}, bad("%q cannot be a source.", source)
	case source != "":
		what, title = "source."+source, "source "+source+" without an incident"
	}
	r, err := c.hub.open()
	if err != nil {
		return plan{}, err
	}
	filter := status.Filter{Incident: incident, Source: source, WithoutIncident: incident == ""}
	rows, err := r.Held(q.Context(), filter)
	if err != nil {
		return plan{}, err
	}
	orders := map[int64]bool{}
	for _, row := range rows {
		orders[row.OrderID] = true
	}
	p := plan{Title: "Allow more orders for " + title, Button: "Allow", Danger: true}
	number := strings.TrimSpace(f.Get("orders"))
	p.Ask = []asked{
		{"orders", "Orders", number, "how many distinct orders may begin, those that began under it included", "number"},
		{"until", "Until", f.Get("until"), "empty: until it is ended; else as 8h or 2026-03-01T08:00:00Z", "text"},
	}
	p.Lines = []string{fmt.Sprintf("%s held now, of %s: they go on, as far as the number reaches, in the order of their claims, and cannot be undone.",
		plural(len(rows), "command"), plural(len(orders), "distinct order"))}
	if c.cfg.SecondOperatorAbove > 0 {
		p.Lines = append(p.Lines, fmt.Sprintf("Above %s orders a second operator has to say so too.", thousands(c.cfg.SecondOperatorAbove)))
	}
	p.Examples = rows[:min(len(rows), examplesNamed)]
	p.More = len(rows) - len(p.Examples)
	words := statements.Words{}
	words.Orders, err = strconv.ParseInt(number, 10, 64)
	if err != nil || words.Orders < 1 || words.Orders > mostOrders {
		p.Wrong = "Orders: set a number from 1 to " + thousands(mostOrders) + "."
	}
	words.Until, err = moment(f.Get("until"), q.now)
	if err != nil {
		p.Wrong = err.Error()
	}
	if number == "" && f.Get("confirm") == "" {
		p.Wrong, p.Ask[0].Value = "", itoa(len(orders))
	}
	p.do = func(ctx context.Context, operator, reason string) ([]string, error) {
		words.Reason = reason
		_, err := c.say(ctx, statements.Statement{Operator: operator, Verb: statements.Allow, What: what, Words: words})
		return []string{fmt.Sprintf("Allowed: %s for %s, by the word of %s.", plural(int(words.Orders), "order"), title, operator)}, err
	}
	return p, nil
}

// moment reads a time to come, or how long from now; "" is never.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d, err := duration(text)
		if err != nil {
			return at, problem{http.StatusBadRequest, fmt.Sprintf("Until: %q is no time: write 8h or 2026-03-01T08:00:00Z.", text), nil}
		}
		at = now.Add(d)
	}
	if !at.After(now) {
		return at, problem{http.StatusBadRequest, "Until: the time is past.", nil}
	}
	return at.UTC().Truncate(time.Second), nil
}
