package status

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
)

// Order of the rows of a page.
type Order string

// The orders of rows.
const (
	ByReceipt  Order = "received" // oldest first
	ByChange   Order = "changed"  // what changed last first
	ByOrderID  Order = "order"
	ByDeadline Order = "deadline" // earliest first, those without last
)

// Orders returns all orders of rows.
func Orders() []Order { return []Order{ByReceipt, ByChange, ByOrderID, ByDeadline} }

// Query selects rows of a view for a page. The zero Query is all of them by
// receipt, on one page.
type Query struct {
	State State
	// Text must stand in the command's name, its order or certificate id, its
	// common name or its error, in whatever case.
	Text string
	Sort Order
	// Page counts from 1; below is 1. Size is how many rows a page has; 0 is all.
	Page, Size int
}

// Page is a part of the rows of a view.
type Page struct {
	Rows  []Row
	Total int // of the query, on all pages
	Page  int
	Pages int // at least 1
}

// Page returns the rows of a query as of now. A page beyond the last is the last.
func (v *View) Page(now time.Time, q Query) Page {
	var all []uint32
	v.mu.Lock()
	defer v.mu.Unlock()
	text := strings.ToLower(q.Text)
	for _, i := range v.inOrder() {
		if r := v.row(i, now); (q.State == "" || r.State == q.State) && (text == "" || r.mentions(text)) {
			all = append(all, i)
		}
	}
	if by := v.order(q.Sort); by != nil {
		slices.SortStableFunc(all, by)
	}
	p := Page{Total: len(all), Pages: 1, Page: 1}
	if q.Size > 0 {
		p.Pages = max(1, (len(all)+q.Size-1)/q.Size)
		p.Page = min(max(1, q.Page), p.Pages)
		all = all[(p.Page-1)*q.Size : min(p.Page*q.Size, len(all))]
	}
	for _, i := range all {
		p.Rows = append(p.Rows, v.row(i, now))
	}
	return p
}

// order compares places; nil is the order that they have.
func (v *View) order(by Order) func(a, b uint32) int {
	switch by {
	case ByChange:
		return func(a, b uint32) int { return cmp.Compare(v.rows.at(b).since, v.rows.at(a).since) }
	case ByOrderID:
		return func(a, b uint32) int { return cmp.Compare(v.rows.at(a).order, v.rows.at(b).order) }
	case ByDeadline:
		return func(a, b uint32) int {
			return cmp.Compare(uint64(v.rows.at(a).deadline)-1, uint64(v.rows.at(b).deadline)-1)
		}
	case ByReceipt:
	}
	return nil
}

// mentions reports whether a row has a text, in lower case, somewhere that
// people look for.
func (r *Row) mentions(text string) bool {
	in := []string{r.Key(), strconv.FormatInt(r.OrderID, 10), r.CommonName, r.Serial, r.RequestedBy}
	if r.CertificateID != 0 {
		in = append(in, strconv.FormatInt(r.CertificateID, 10))
	}
	if r.Error != nil {
		in = append(in, string(r.Error.Type), r.Error.Detail)
	}
	return slices.ContainsFunc(in, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}

// Failures are the commands that failed for one reason.
type Failures struct {
	Type  messages.ErrorType `json:"type"`
	Title string             `json:"title"`
	Count int                `json:"count"`
	// First are the first of them, in order of receipt.
	First []Row `json:"first"`
}

// Failures groups what failed by the type of its error, the largest group
// first, with at most n commands of each.
func (v *View) Failures(now time.Time, n int) []Failures {
	return GroupFailures(v.Each(now), n)
}

// GroupFailures groups those of the rows that failed: see [View.Failures].
func GroupFailures(rows iter.Seq[Row], n int) []Failures {
	groups := map[messages.ErrorType]*Failures{}
	for r := range rows {
		if !r.State.Failed() {
			continue
		}
		kind := messages.ErrorType(r.State)
		if r.Error != nil {
			kind = r.Error.Type
		}
		g := groups[kind]
		if g == nil {
			g = &Failures{Type: kind, Title: kind.Title()}
			groups[kind] = g
		}
		if g.Count++; len(g.First) < n {
			g.First = append(g.First, r)
		}
	}
	out := make([]Failures, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Failures) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Type, b.Type)) })
	return out
}
