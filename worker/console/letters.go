package console

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"certrecall/messages"
	"certrecall/worker/deadletters"
)

// lettersPage are the dead letters, grouped by what went wrong.
type lettersPage struct {
	Total   int           `json:"total"`
	Groups  []letterGroup `json:"groups"`
	Letters []letterPage  `json:"dead_letters"`
	Page    int           `json:"page"`
	Pages   int           `json:"pages"`

	Filter deadletters.Filter `json:"-"`
	Older  string             `json:"-"`
	Newer  string             `json:"-"`
	Now    time.Time          `json:"-"`
}

// letterGroup are those with one error.
type letterGroup struct {
	Type   messages.ErrorType `json:"error_type"`
	Title  string             `json:"title"`
	Count  int                `json:"count"`
	Oldest time.Time          `json:"oldest"`
}

// letterFilter reads the fields of the subcommand dlq.
func letterFilter(get func(string) string) (deadletters.Filter, error) {
	f := deadletters.Filter{
		Lane: messages.Lane(get("lane")), Source: get("source"), Incident: get("incident"), ErrorType: messages.ErrorType(get("error-type")),
	}
	switch {
	case f.Lane != "" && f.Lane.Action() == "":
		return f, bad("There is no lane %q.", f.Lane)
	case f.Source != "" && !messages.ValidSource(f.Source):
		return f, bad("%q cannot be a source.", f.Source)
	case f.Incident == "-":
		f.Incident, f.WithoutIncident = "", true
	case f.Incident != "" && !messages.ValidIncident(f.Incident):
		return f, bad("%q cannot be an incident.", f.Incident)
	case f.ErrorType != "" && !slices.Contains(messages.ErrorTypes(), f.ErrorType):
		return f, bad("There is no error type %q.", f.ErrorType)
	}
	var err error
	if text := get("older"); text != "" {
		if f.Older, err = duration(text); err != nil {
			return f, err
		}
	}
	if text := get("newer"); text != "" {
		f.Newer, err = duration(text)
	}
	return f, err
}

func (c *Console) letters(q *request) error {
	v := q.URL.Query()
	f, err := letterFilter(v.Get)
	if err != nil {
		return err
	}
	query, err := queryOf(q)
	if err != nil {
		return err
	}
	d, err := deadletters.Open(q.Context(), c.js, c.cfg.Names)
	if err != nil {
		return err
	}
	p := lettersPage{Groups: []letterGroup{}, Letters: []letterPage{}, Filter: f, Older: v.Get("older"), Newer: v.Get("newer"), Now: q.now}
	groups := map[messages.ErrorType]*letterGroup{}
	var all []uint64
	for l, err := range d.All(q.Context(), f) {
		if err != nil {
			return err
		}
		g := groups[l.About.ErrorType]
		if g == nil {
			g = &letterGroup{Type: l.About.ErrorType, Title: l.About.ErrorType.Title(), Oldest: l.Stored.UTC()}
			groups[l.About.ErrorType] = g
		}
		g.Count++
		all = append(all, l.Number)
	}
	for _, g := range groups {
		p.Groups = append(p.Groups, *g)
	}
	slices.SortFunc(p.Groups, func(a, b letterGroup) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Type, b.Type)) })
	slices.Reverse(all) // the latest first
	p.Total, p.Pages = len(all), max(1, (len(all)+incidentPageSize-1)/incidentPageSize)
	p.Page = min(query.Page, p.Pages)
	if len(all) > 0 {
		for _, number := range all[(p.Page-1)*incidentPageSize : min(p.Page*incidentPageSize, len(all))] {
			l, err := d.Get(q.Context(), number)
			if err != nil {
				continue // dropped meanwhile
			}
			p.Letters = append(p.Letters, letterOf(l, false))
		}
	}
	return q.show(answer{template: "letters", title: "Dead letters", live: true, data: p})
}

// chosen gives the dead letters that a form selects: by number, or by filter up
// to the last one that was shown.
func (c *Console) chosen(ctx context.Context, d *deadletters.DeadLetters, get func(string) string, numbers []string, all bool) ([]deadletters.Letter, error) {
	f, err := letterFilter(get)
	if err != nil {
		return nil, err
	}
	filtered := f != (deadletters.Filter{}) || all
	if filtered == (len(numbers) > 0) {
		return nil, bad("Name dead letters by number, or by a filter, or all of them.")
	}
	var ids []uint64
	for _, text := range numbers {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, bad("%q is no number of a dead letter.", text)
		}
		ids = append(ids, n)
	}
	letters, err := d.Choose(ctx, ids, f)
	if err != nil {
		return nil, problem{404, err.Error(), nil}
	}
	if last, err := strconv.ParseUint(get("through"), 10, 64); err == nil {
		letters = slices.DeleteFunc(letters, func(l deadletters.Letter) bool { return l.Number > last })
	}
	return letters, nil
}
