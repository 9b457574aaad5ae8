package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/status"
)

// overviewPage is what the first page shows and answers.
type overviewPage struct {
	status.Fleet
	Holds     []status.Hold    `json:"holds"`
	Waiting   int              `json:"waiting"` // for an administrator
	Held      int              `json:"held"`    // by the policy
	Since     string           `json:"since"`
	Incidents []status.Summary `json:"incidents"`
}

func (c *Console) overview(q *request) error {
	since := q.URL.Query().Get("since")
	if since == "" {
		since = "24h"
	}
	back, err := duration(since)
	if err != nil {
		return err
	}
	r, err := c.hub.open()
	if err != nil {
		return err
	}
	ctx := q.Context()
	p := overviewPage{Since: since}
	if p.Fleet, err = c.hub.Fleet(ctx); err != nil {
		return err
	}
	p.Holds = p.Fleet.Holds()
	open, err := c.hub.opened(ctx, r)
	if err != nil {
		return err
	}
	p.Waiting, p.Held = open[status.Waiting], open[status.Held]
	if p.Incidents, err = c.hub.incidents(ctx, r, q.now.Add(-back).Truncate(time.Minute)); err != nil {
		return err
	}
	if p.Incidents == nil {
		p.Incidents = []status.Summary{}
	}
	return q.show(answer{template: "overview", title: "Overview", live: true, data: p})
}

// duration reads one as 24h or 7d.
func duration(text string) (time.Duration, error) {
	days, found := strings.CutSuffix(text, "d")
	if n, err := strconv.Atoi(days); found && err == nil && n > 0 && n <= 36500 {
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, bad("%q is no duration: give one as 24h or 7d.", text)
	}
	return d, nil
}

// incidentPageSize is how many commands one page shows.
const incidentPageSize = 50

// incidentPage is what the page of an incident shows.
type incidentPage struct {
	Incident string               `json:"incident"`
	Total    int                  `json:"total"`
	States   map[status.State]int `json:"states"`
	Commands []status.Row         `json:"commands"`
	Page     int                  `json:"page"`
	Pages    int                  `json:"pages"`
	// Matching is how many commands the filter takes, on all pages.
	Matching int               `json:"matching"`
	Overdue  int               `json:"overdue"`
	Failures []status.Failures `json:"failures"`
	// SecondsLeft at best, for what is queued; Rate is of the last minutes.
	SecondsLeft float64 `json:"seconds_left_at_best"`
	Rate        float64 `json:"final_per_minute"`
	Unreadable  int     `json:"unreadable,omitempty"`

	Final  int               `json:"-"`
	Plans  int               `json:"-"`
	Chart  chart             `json:"-"`
	Holds  []status.Hold     `json:"-"`
	Query  status.Query      `json:"-"`
	Open   int               `json:"-"` // what cancel would stop at best
	HeldN  int               `json:"-"`
	Done   time.Time         `json:"-"`
	First  time.Time         `json:"-"`
	Orders []status.Order    `json:"-"`
	Here   map[string]string `json:"-"`
}

func (c *Console) incident(q *request) error {
	name := q.PathValue("incident")
	suffix := ""
	for _, s := range []string{".csv", ".json"} {
		if before, ok := strings.CutSuffix(name, s); ok {
			name, suffix = before, s
		}
	}
	incident, err := incidentOf(name)
	if err != nil {
		return err
	}
	s, err := c.hub.views.get(q.Context(), incident)
	if err != nil {
		return err
	}
	if s.view.Len() == 0 {
		return c.unknown(q, status.Filter{Incident: incident, WithoutIncident: incident == ""})
	}
	switch suffix {
	case ".csv":
		return c.exportCSV(q, name, s)
	case ".json":
		return c.exportJSON(q, name, s)
	}
	p, err := c.incidentPage(q, name, s)
	if err != nil {
		return err
	}
	return q.show(answer{template: "incident", title: titleOf(incident), live: true, data: p})
}

func titleOf(incident string) string {
	if incident == "" {
		return "Commands without an incident"
	}
	return incident
}

func incidentOf(name string) (string, error) {
	if name == "-" {
		return "", nil
	}
	if !messages.ValidIncident(name) {
		return "", problem{http.StatusNotFound, "That cannot be an incident: 1 to 64 characters of A-Z, a-z, 0-9, _ and -.", nil}
	}
	return name, nil
}

// unknown is the error where nobody knows anything under a name.
func (c *Console) unknown(q *request, f status.Filter) error {
	r, err := c.hub.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(q.Context(), lookWithin)
	defer cancel()
	if u := r.Unknown(ctx, f); u != nil && f.Incident != "" {
		return problem{http.StatusNotFound, u.Error(), nil}
	}
	return problem{http.StatusNotFound, "There is no command of that kind.", nil}
}

func (c *Console) incidentPage(q *request, name string, s *shared) (incidentPage, error) {
	query, err := queryOf(q)
	if err != nil {
		return incidentPage{}, err
	}
	fleet, err := c.hub.Fleet(q.Context())
	if err != nil {
		return incidentPage{}, err
	}
	query.Size = incidentPageSize
	page := s.view.Page(q.now, query)
	d := s.summary(q.now)
	p := incidentPage{
		Incident: name, States: s.view.Counts(), Commands: page.Rows, Page: page.Page, Pages: page.Pages, Matching: page.Total,
		Overdue: d.Overdue, Failures: d.Failures, Rate: d.Rate, Chart: d.Chart, Plans: d.Plans, Done: d.Done, First: d.First,
		Query: query, Unreadable: s.view.Unreadable(), Orders: status.Orders(),
	}
	if p.Commands == nil {
		p.Commands = []status.Row{}
	}
	p.Total = sum(p.States)
	for state, n := range p.States {
		if state.Final() {
			p.Final += n
		}
	}
	p.Open, p.HeldN = p.States[status.Queued]+p.States[status.Accepted]+p.States[status.Held], p.States[status.Held]
	p.Holds = fleet.Holds()
	if p.States[status.Queued] > 0 {
		p.SecondsLeft = fleet.Estimate(s.view.Calls()).Seconds()
	}
	return p, nil
}

func queryOf(q *request) (status.Query, error) {
	v := q.URL.Query()
	query := status.Query{State: status.State(v.Get("state")), Text: v.Get("q"), Sort: status.Order(v.Get("sort")), Page: 1}
	if query.State != "" && !slices.Contains(status.States(), query.State) {
		return query, bad("There is no state %q.", query.State)
	}
	if query.Sort != "" && !slices.Contains(status.Orders(), query.Sort) {
		return query, bad("Commands cannot be sorted by %q.", query.Sort)
	}
	if len(query.Text) > 200 {
		return query, bad("What is looked for is longer than 200 bytes.")
	}
	if text := v.Get("page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return query, bad("%q is no page.", text)
		}
		query.Page = n
	}
	return query, nil
}

// report is the incident on one sheet, to be printed or kept.
func (c *Console) report(q *request) error {
	name := q.PathValue("incident")
	incident, err := incidentOf(name)
	if err != nil {
		return err
	}
	s, err := c.hub.views.get(q.Context(), incident)
	if err != nil {
		return err
	}
	if s.view.Len() == 0 {
		return c.unknown(q, filterOf(incident))
	}
	p, err := c.incidentPage(q, name, s)
	if err != nil {
		return err
	}
	said, err := c.statements(q.Context(), incident, time.Time{})
	if err != nil {
		return err
	}
	return q.show(answer{template: "report", title: "Report on " + titleOf(incident), data: map[string]any{"Incident": p, "Said": said}, document: p})
}

// find goes to the page of what somebody typed: an order, a command, an incident.
func (c *Console) find(q *request) error {
	text := strings.TrimSpace(q.URL.Query().Get("q"))
	to := ""
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		to = "/orders/" + strconv.FormatInt(n, 10)
	} else if name, err := messages.ParseCommandName(text); err == nil {
		to = commandPath(name)
	} else if messages.ValidIncident(text) {
		to = incidentPath(text)
	}
	if to == "" {
		return problem{http.StatusNotFound, "That is neither an order id, nor an incident, nor a command as cli/INC-42/id.", nil}
	}
	http.Redirect(q.w, q.Request, c.cfg.BasePath+to, http.StatusSeeOther)
	return nil
}

// isUnknown gives what is said where nothing is known under a name.
func isUnknown(err error) error {
	if u, ok := errors.AsType[*status.Unknown](err); ok {
		return problem{http.StatusNotFound, u.Error(), nil}
	}
	return err
}
