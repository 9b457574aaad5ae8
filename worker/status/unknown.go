package status

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Unknown is the error where nothing is known under a name.
type Unknown struct {
	What string // "incident", "source", "command", "order"
	Name string
	// Like are the known names that are nearest to it, the nearest first.
	Like []string
}

// Error says what is not known, and what was probably meant.
func (u *Unknown) Error() string {
	text := fmt.Sprintf("no %s %s is known", u.What, u.Name)
	if len(u.Like) > 0 {
		text += "; did you mean " + strings.Join(u.Like, ", ") + "?"
	}
	return text
}

// Unknown explains why a view is empty: it looks for the names that are nearest
// to what the filter names. It walks the subjects of the events, which costs
// what the history costs, so it is for mistakes only.
func (r *Reader) Unknown(ctx context.Context, f Filter) *Unknown {
	if c, one := f.one(); one {
		return r.unknownCommand(ctx, c)
	}
	u := &Unknown{What: "command", Name: "that is selected"}
	switch {
	case f.OrderID != 0:
		return &Unknown{What: "command for order", Name: fmt.Sprint(f.OrderID)}
	case f.Incident != "":
		u.What, u.Name = "incident", f.Incident
		u.Like = nearest(f.Incident, r.tokens(ctx, Filter{}, func(c messages.CommandName) string { return c.Incident }))
	case f.Source != "":
		u.What, u.Name = "source", f.Source
		u.Like = nearest(f.Source, r.tokens(ctx, Filter{}, func(c messages.CommandName) string { return c.Source }))
	}
	return u
}

func (r *Reader) unknownCommand(ctx context.Context, c messages.CommandName) *Unknown {
	u := &Unknown{What: "command", Name: c.String()}
	in := Filter{Incident: c.Incident, WithoutIncident: c.Incident == ""}
	u.Like = nearest(c.String(), r.tokens(ctx, in, func(c messages.CommandName) string { return c.String() }))
	if len(u.Like) == 0 { // the incident itself may be misspelt, or left out
		same := r.tokens(ctx, Filter{Source: c.Source}, func(n messages.CommandName) string {
			if n.ID == c.ID {
				return n.String()
			}
			return ""
		})
		u.Like = same[:min(len(same), maxLike)]
	}
	return u
}

const (
	// maxLike is how many names are proposed.
	maxLike = 3
	// lookForLike bounds how long names are looked for: it is a courtesy.
	lookForLike = 5 * time.Second
)

// tokens returns different texts of the names of the commands with events, and
// of those in the queue; "" is none.
func (r *Reader) tokens(ctx context.Context, f Filter, of func(messages.CommandName) string) []string {
	ctx, cancel := context.WithTimeout(ctx, lookForLike)
	defer cancel()
	found := map[string]bool{}
	add := func(c messages.CommandName) {
		if text := of(c); text != "" {
			found[text] = true
		}
	}
	// What is there when the time is over is proposed; an error proposes nothing.
	_ = r.run(ctx, scan{
		stream: r.names.EventsStream(), subjects: []string{f.events(r.names)}, from: 1,
		take: func(m *jetstream.RawStreamMsg) bool {
			if _, c, err := r.names.ParseEventSubject(m.Subject); err == nil {
				add(c)
			}
			return true
		},
	})
	v := newView(r.names, f)
	_ = r.readQueue(ctx, v)
	for row := range v.Each(time.Time{}) {
		add(row.Name())
	}
	var all []string
	for text := range found {
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// nearest returns those that differ from a name in case, hyphens and
// underscores only, or in few letters, the nearest first.
func nearest(name string, all []string) []string {
	type near struct {
		text     string
		distance int
	}
	var found []near
	for _, text := range all {
		if d := distance(loosely(name), loosely(text)); d <= max(1, len(name)/4) {
			found = append(found, near{text, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.distance - b.distance })
	var out []string
	for _, n := range found[:min(len(found), maxLike)] {
		out = append(out, n.text)
	}
	return out
}

func loosely(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
}

// distance counts the letters to add, drop or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(a)+1)
	for i := range row {
		row[i] = i
	}
	for j := 1; j <= len(b); j++ {
		diagonal := row[0]
		row[0] = j
		for i := 1; i <= len(a); i++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[i]
			row[i] = min(cost, row[i]+1, row[i-1]+1)
		}
	}
	return row[len(a)]
}
