package submission

import (
	"context"
	"fmt"
	"time"

	"certrecall/messages"
	"certrecall/worker/status"
)

// KnownItem is a command that was stored before.
type KnownItem struct {
	Item
	Row status.Row
}

// Past is what is known of the commands and orders of a batch.
type Past struct {
	Known map[messages.CommandName]KnownItem
	// Plans are the latest answers to dry runs in the same incidents, by order.
	Plans map[int64]Plan
}

// Plan is what a dry run has said of an order.
type Plan struct {
	Certificates int
	CommonName   string
}

// manyIncidents is from how many on the incidents of a batch are not looked at
// one by one, but through their source.
const manyIncidents = 50

// Known finds which commands were stored before with the same content: they
// need not be stored again. One whose name stands for another content is a
// mistake, which is found here and not by the workers: [Problems].
func Known(ctx context.Context, r *status.Reader, b Batch) (Past, error) {
	filters := map[status.Filter]bool{}
	for _, it := range b.Items {
		filters[status.Filter{Source: it.Command.Source, Incident: it.Command.Incident, WithoutIncident: it.Command.Incident == ""}] = true
	}
	if len(filters) > manyIncidents {
		filters = map[status.Filter]bool{{Source: b.Items[0].Command.Source}: true}
	}
	past := Past{map[messages.CommandName]KnownItem{}, map[int64]Plan{}}
	var problems Problems
	for f := range filters {
		f.Digests = true
		view, err := r.Load(ctx, f)
		if err != nil {
			return Past{}, err
		}
		for row := range view.Each(r.Now()) {
			if row.State == status.Planned && row.CertificateID == 0 && row.Certificates != nil {
				past.Plans[row.OrderID] = Plan{*row.Certificates, row.CommonName}
			}
		}
		for _, it := range b.Items {
			row, found := view.Get(it.Command.Name(), r.Now())
			switch {
			case !found || row.State == status.Invalid:
			case it.same(row):
				past.Known[it.Command.Name()] = KnownItem{it, row}
			default:
				problems = append(problems, Problem{Line: it.Line, Field: "id", Detail: fmt.Sprintf(
					"%s stands for another command since %s (%s): send the same content, or make it another try with --again",
					it.Command.ID, row.Received.Format(time.RFC3339), row.State)})
			}
		}
	}
	if len(problems) > 0 {
		return Past{}, problems
	}
	return past, nil
}

// same reports whether the command is the known one. Who asks for it is part of
// the content; a colleague who sends the same list means the same.
func (it Item) same(row status.Row) bool {
	if row.Digest == "" {
		return true
	}
	c := it.Command
	if c.Digest() == row.Digest {
		return true
	}
	c.RequestedBy = row.RequestedBy
	return c.Digest() == row.Digest
}
