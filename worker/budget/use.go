package budget

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/worker/streams/kv"
)

// WindowUse is how much of a window is used, the guard included: permits count half a second longer than the window is long.
type WindowUse struct {
	Window
	Used int // may be above Calls where other workers have wider limits
	Left int
}

// use applies the limits to a record; no record means that nothing is used.
func use(rec *record, limits Limits, now time.Time) []WindowUse {
	var all []WindowUse
	for _, w := range limits {
		used := 0
		if rec != nil {
			used, _ = rec.cells.used(max(rec.last, now.UnixMilli()), w.Per)
		}
		all = append(all, WindowUse{Window: w, Used: used, Left: max(0, w.Calls-used)})
	}
	return all
}

// ReadUse reads from the control bucket how much of each window is used at now (server time), and the not-before. Keys
// that are not there mean that nothing is used and none is set; one that cannot be read is an error.
func ReadUse(ctx context.Context, bucket jetstream.KeyValue, limits Limits, now time.Time) ([]WindowUse, NotBefore, error) {
	keys := kv.Raw(bucket)
	e, err := keys.Get(ctx, recordKey)
	if err != nil {
		return nil, NotBefore{}, fmt.Errorf("reading budget: %w", err)
	}
	var rec *record
	if !e.Gone {
		if rec, err = decodeRecord(e.Value); err != nil {
			return nil, NotBefore{}, fmt.Errorf("reading budget: %w", err)
		}
	}
	e, err = keys.Get(ctx, notBeforeKey)
	if err != nil {
		return nil, NotBefore{}, fmt.Errorf("reading not-before: %w", err)
	}
	var nb NotBefore
	if !e.Gone {
		if nb, err = decodeNotBefore(e.Value); err != nil {
			return nil, NotBefore{}, fmt.Errorf("reading not-before: %w", err)
		}
	}
	return use(rec, limits, now), nb, nil
}
