package worker

import (
	"bytes"
	"context"
	"encoding/json"

	"certrecall/client"
	"certrecall/messages"
)

// plan answers a dry run: every certificate that would die. It works on a
// [client.Reader], which has no operation that changes anything.
func (w *Worker) plan(ctx context.Context, d *delivery, j *job) verdict {
	return w.readOnly(ctx, d, j, func(ctx context.Context) (messages.Event, error) {
		return w.planEvent(ctx, j, w.reader(j))
	})
}

func (w *Worker) planEvent(ctx context.Context, j *job, r client.Reader) (messages.Event, error) {
	s, err := w.look(ctx, r, j.cmd.OrderID, j.cmd.CertificateID, nobodys)
	if err != nil {
		return messages.Event{}, err
	}
	if o, wrong := mistaken(j.cmd, s); wrong {
		return messages.Event{}, errEnded{w.failure(j, messages.ErrorType(o.Type), o.Detail)}
	}
	certificates, err := doomed(ctx, r, s.order, j.cmd.CertificateID)
	if err != nil {
		return messages.Event{}, err
	}
	e := w.event(j, messages.EventRevokePlanned)
	e.Certificates, e.Count = joinArray(certificates), new(len(certificates))
	e.OrderStatus, e.ApprovalNeeded = s.order.Status, new(!j.cmd.SkipApproval)
	for _, q := range s.Requests {
		if q.Waits() {
			e.RequestID, e.Status, e.Request = q.ID, q.Status, q.Raw
		}
	}
	return e, nil
}

// doomed are the certificates that the revocation would end: the order's own,
// its duplicates, archived ones too, and its reissues; or the one that is named.
func doomed(ctx context.Context, r client.Reader, order client.Order, only int64) ([]json.RawMessage, error) {
	all := []client.Certificate{order.Certificate}
	for _, list := range []func(context.Context, int64, bool) (client.Certificates, error){r.ListDuplicates, r.ListReissues} {
		found, err := list(ctx, order.ID, true)
		if err != nil && !orderMissing(err) {
			return nil, err
		}
		all = append(all, found.Items...)
	}
	var raw []json.RawMessage
	seen := map[int64]bool{}
	for _, c := range all {
		if len(c.Raw) == 0 || c.ID != 0 && seen[c.ID] || only != 0 && c.ID != only {
			continue
		}
		seen[c.ID] = true
		raw = append(raw, c.Raw)
	}
	return raw, nil
}

// joinArray makes a JSON array of objects, each byte for byte.
func joinArray(objects []json.RawMessage) json.RawMessage {
	parts := make([][]byte, len(objects))
	for i, o := range objects {
		parts[i] = o
	}
	return append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']')
}
