package console

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"certrecall/messages"
	"certrecall/worker/deadletters"
	"certrecall/worker/policy"
	"certrecall/worker/statements"
	"certrecall/worker/status"
)

// said is one event as the timeline shows it.
type said struct {
	Event messages.EventName `json:"event"`
	Time  time.Time          `json:"time"`
	After time.Duration      `json:"-"` // since the one before
	About messages.Event     `json:"-"`
	// Request is what DigiCert said, indented.
	Request string `json:"-"`
	Context string `json:"-"`
}

// letterPage is one dead letter.
type letterPage struct {
	Number    uint64             `json:"number"`
	Stored    time.Time          `json:"stored"`
	Lane      messages.Lane      `json:"lane"`
	Source    string             `json:"source"`
	Incident  string             `json:"incident,omitempty"`
	ID        string             `json:"id,omitempty"`
	OrderID   int64              `json:"order_id,omitempty"`
	ErrorType messages.ErrorType `json:"error_type"`
	Detail    string             `json:"detail"`
	Body      string             `json:"body,omitempty"`
}

func letterOf(l deadletters.Letter, body bool) letterPage {
	p := letterPage{
		Number: l.Number, Stored: l.Stored.UTC(), Lane: l.Lane, Source: l.Source, Incident: l.Incident, ID: l.ID(), OrderID: l.Command.OrderID,
		ErrorType: l.About.ErrorType, Detail: l.About.Detail,
	}
	if l.Unreadable != nil {
		p.Detail = l.Unreadable.Error()
	}
	if body {
		p.Body = indented(l.Body)
	}
	return p
}

// indented makes JSON fit to be read; what is none stays as it is, what is long is cut.
func indented(body []byte) string {
	const most = 16 << 10
	if len(body) == 0 {
		return ""
	}
	var v any
	text := string(body)
	if json.Unmarshal(body, &v) == nil {
		var out []byte
		out, _ = json.MarshalIndent(json.RawMessage(body), "", "  ") // it is JSON
		text = string(out)
	}
	if len(text) > most {
		text = text[:most] + "\n… cut here"
	}
	return text
}

// command shows the timeline of one.
func (c *Console) command(q *request) error {
	name := messages.CommandName{Source: q.PathValue("source"), Incident: q.PathValue("incident"), ID: q.PathValue("id")}
	if name.Incident == "-" {
		name.Incident = ""
	}
	if !messages.ValidSource(name.Source) || name.Incident != "" && !messages.ValidIncident(name.Incident) || !messages.ValidID(name.ID) {
		return problem{http.StatusNotFound, "That cannot be the name of a command.", nil}
	}
	r, err := c.hub.open()
	if err != nil {
		return err
	}
	t, err := r.Timeline(q.Context(), name)
	if err != nil {
		return isUnknown(err)
	}
	data := map[string]any{"Row": t.Row, "Unreadable": t.Unreadable, "Now": q.now}
	events := []said{}
	before := t.Row.Received
	for _, e := range t.Events {
		events = append(events, said{e.Name, e.Time, max(0, e.Time.Sub(before)), e, indented(e.Request), indented(e.Context)})
		before = e.Time
	}
	data["Events"] = events
	var letter *letterPage
	if t.Row.DeadLetter != 0 {
		d, err := deadletters.Open(q.Context(), c.js, c.cfg.Names)
		if err != nil {
			return err
		}
		if l, err := d.Get(q.Context(), t.Row.DeadLetter); err == nil {
			shown := letterOf(l, true)
			letter = &shown
		}
	}
	data["Letter"] = letter
	if t.Row.OrderID != 0 {
		record, err := r.Record(q.Context(), t.Row.OrderID)
		if err != nil {
			return err
		}
		data["Ledger"] = ledgerLines(record)
	}
	return q.show(answer{
		template: "command", title: name.String(), live: true, data: data,
		document: map[string]any{"command": t.Row, "events": events, "dead_letter": letter, "ledger": data["Ledger"]},
	})
}

// order shows all that is known of one.
func (c *Console) order(q *request) error {
	id, err := strconv.ParseInt(q.PathValue("order"), 10, 64)
	if err != nil || id < 1 {
		return problem{http.StatusNotFound, "That is no order id.", nil}
	}
	r, err := c.hub.open()
	if err != nil {
		return err
	}
	o, _, err := r.Order(q.Context(), id)
	if err != nil {
		return err
	}
	record, err := r.Record(q.Context(), id)
	if err != nil {
		return err
	}
	if !o.Known && len(o.Rows) == 0 {
		return problem{http.StatusNotFound, "No command for order " + strconv.FormatInt(id, 10) + " is known.", nil}
	}
	protected := slices.ContainsFunc(o.Rows, func(r status.Row) bool { return r.Error != nil && r.Error.Type == messages.ErrorProtectedOrder })
	lines := ledgerLines(record)
	if o.Rows == nil {
		o.Rows = []status.Row{}
	}
	return q.show(answer{
		template: "order", title: "Order " + strconv.FormatInt(id, 10), live: true,
		data:     map[string]any{"Order": o, "Ledger": lines, "Protected": protected},
		document: map[string]any{"order_id": id, "revoked": o.Revoked, "protected": protected, "commands": o.Rows, "ledger": lines},
	})
}

// waitingPage is what waits, oldest first.
type waitingPage struct {
	Total    int          `json:"total"`
	Commands []status.Row `json:"commands"`
	Page     int          `json:"page"`
	Pages    int          `json:"pages"`
	Now      time.Time    `json:"-"`

	Groups     []heldGroup        `json:"held_for,omitempty"`
	Allowances []policy.Allowance `json:"allowances,omitempty"`
}

// heldGroup is what one allowance would release.
type heldGroup struct {
	Incident string    `json:"incident,omitempty"`
	Source   string    `json:"source,omitempty"` // where there is no incident
	Orders   int       `json:"orders"`           // distinct
	Commands int       `json:"commands"`
	Limit    string    `json:"limit"`
	Oldest   time.Time `json:"oldest"`
}

func paged(rows []status.Row, q *request) (waitingPage, error) {
	slices.SortStableFunc(rows, func(a, b status.Row) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.OrderID, b.OrderID)) })
	query, err := queryOf(q)
	if err != nil {
		return waitingPage{}, err
	}
	p := waitingPage{Total: len(rows), Pages: max(1, (len(rows)+incidentPageSize-1)/incidentPageSize), Now: q.now, Commands: []status.Row{}}
	p.Page = min(query.Page, p.Pages)
	if len(rows) > 0 {
		p.Commands = rows[(p.Page-1)*incidentPageSize : min(p.Page*incidentPageSize, len(rows))]
	}
	return p, nil
}

// listFilter are the filters of the lists.
func listFilter(q *request) (status.Filter, error) {
	f := status.Filter{Incident: q.URL.Query().Get("incident"), Source: q.URL.Query().Get("source")}
	if f.Incident != "" && !messages.ValidIncident(f.Incident) {
		return f, bad("%q cannot be an incident.", f.Incident)
	}
	if f.Source != "" && !messages.ValidSource(f.Source) {
		return f, bad("%q cannot be a source.", f.Source)
	}
	return f, nil
}

func (c *Console) approvals(q *request) error {
	r, err := c.hub.open()
	if err != nil {
		return err
	}
	f, err := listFilter(q)
	if err != nil {
		return err
	}
	rows, err := r.Waiting(q.Context(), f)
	if err != nil {
		return err
	}
	p, err := paged(rows, q)
	if err != nil {
		return err
	}
	return q.show(answer{template: "approvals", title: "Waiting for approval", live: true, data: p})
}

func (c *Console) held(q *request) error {
	r, err := c.hub.open()
	if err != nil {
		return err
	}
	f, err := listFilter(q)
	if err != nil {
		return err
	}
	rows, err := r.Held(q.Context(), f)
	if err != nil {
		return err
	}
	p, err := paged(rows, q)
	if err != nil {
		return err
	}
	p.Groups = heldGroups(rows)
	said, err := statements.List(q.Context(), r.Stores().Control, "op.*.allow.>", true)
	if err != nil {
		return err
	}
	p.Allowances = policy.Allowances(said, c.cfg.SecondOperatorAbove, q.now)
	return q.show(answer{template: "held", title: "Held by the policy", live: true, data: p})
}

// heldGroups says what each allowance would release.
func heldGroups(rows []status.Row) []heldGroup {
	type thing struct{ incident, source string }
	orders := map[thing]map[int64]bool{}
	groups := map[thing]*heldGroup{}
	for _, r := range rows {
		t := thing{incident: r.Incident}
		if r.Incident == "" {
			t.source = r.Source
		}
		g := groups[t]
		if g == nil {
			g = &heldGroup{Incident: t.incident, Source: t.source, Limit: r.HeldBy, Oldest: r.Since}
			groups[t], orders[t] = g, map[int64]bool{}
		}
		orders[t][r.OrderID] = true
		g.Commands++
		if r.Since.Before(g.Oldest) {
			g.Oldest = r.Since
		}
	}
	out := []heldGroup{}
	for t, g := range groups {
		g.Orders = len(orders[t])
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b heldGroup) int { return a.Oldest.Compare(b.Oldest) })
	return out
}

func (c *Console) audit(q *request) error {
	f, err := listFilter(q)
	if err != nil {
		return err
	}
	since := time.Time{}
	if text := q.URL.Query().Get("since"); text != "" {
		back, err := duration(text)
		if err != nil {
			return err
		}
		since = q.now.Add(-back)
	}
	all, err := c.statements(q.Context(), f.Incident, since)
	if err != nil {
		return err
	}
	slices.Reverse(all)
	const most = 500
	shown := all[:min(len(all), most)]
	return q.show(answer{
		template: "audit", title: "Audit", live: true, data: map[string]any{"All": shown, "More": len(all) - len(shown), "Incident": f.Incident, "Since": q.URL.Query().Get("since"), "Now": q.now},
		document: map[string]any{"total": len(all), "statements": documents(shown)},
	})
}

// spoken is a statement as JSON.
type spoken struct {
	Time     time.Time       `json:"time"`
	Operator string          `json:"operator"`
	Verb     statements.Verb `json:"verb"`
	What     string          `json:"what"`
	statements.Words
}

func documents(all []statements.Statement) []spoken {
	out := []spoken{}
	for _, s := range all {
		out = append(out, spoken{s.Stamp.UTC(), s.Operator, s.Verb, s.What, s.Words})
	}
	return out
}

// statements reads what operators said.
func (c *Console) statements(ctx context.Context, incident string, since time.Time) ([]statements.Statement, error) {
	n := c.cfg.Names
	return statements.Read(ctx, c.js, n.AuditStream(), n.ControlBucket(), statements.Filter{Incident: incident, Since: since})
}
