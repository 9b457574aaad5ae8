package submission

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"certrecall/messages"
	"certrecall/worker/status"
)

// FailedOf returns a row for each command of a source and incident that failed
// and that no later one stands in for: refused, rejected by an administrator,
// given up, expired. What an operator cancelled was not to be done, and what was
// no command has no order to name. again is the number of the next try.
func FailedOf(ctx context.Context, r *status.Reader, incident, source string, action messages.Action) (rows []Row, again int, err error) {
	view, err := r.Load(ctx, status.Filter{Incident: incident, Source: source})
	if err != nil {
		return nil, 0, err
	}
	if view.Len() == 0 {
		return nil, 0, r.Unknown(ctx, status.Filter{Incident: incident})
	}
	again = 2
	for row := range view.Each(r.Now()) {
		if n := tryOf(row.ID); n >= again {
			again = n + 1
		}
		if !row.State.Failed() || row.Action != action || row.OrderID == 0 || row.DryRun {
			continue
		}
		fields := []Field{Number(orderField, row.OrderID)}
		if row.CertificateID != 0 {
			fields = append(fields, Number("certificate_id", row.CertificateID))
		}
		if action == messages.ActionRevoke {
			fields = append(fields, Text("comments", row.Comments))
			if row.Reason != "" {
				fields = append(fields, Text("revocation_reason", string(row.Reason)))
			}
			if row.SkipApproval {
				fields = append(fields, True("skip_approval"))
			}
		}
		rows = append(rows, Fields(fields...))
	}
	if len(rows) == 0 {
		return nil, 0, &NothingFailed{incident}
	}
	return rows, again, nil
}

// NothingFailed is the error where nothing is to be tried again.
type NothingFailed struct{ Incident string }

// Error names the incident.
func (n *NothingFailed) Error() string {
	return fmt.Sprintf("nothing of incident %s has failed: there is nothing to send again", n.Incident)
}

// tryOf is the number of a try by its id; 0 is the first.
func tryOf(id string) int {
	_, number, found := strings.Cut(id, "-again")
	if !found {
		return 0
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	return n
}
