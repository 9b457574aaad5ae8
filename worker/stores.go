package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// storeTimeout bounds a look at one store.
const storeTimeout = 2 * time.Second

// storeNames are the streams that the worker cannot do without, those of its
// buckets among them, each with what people call it.
func (w *Worker) storeNames() map[string]string {
	n := w.cfg.Names
	all := map[string]string{}
	for _, stream := range []string{n.CommandsStream(), n.EventsStream(), n.DeadLettersStream()} {
		all[stream] = "stream " + stream
	}
	for _, bucket := range []string{n.OrdersBucket(), n.BudgetBucket(), n.ControlBucket()} {
		all["KV_"+bucket] = "bucket " + bucket
	}
	all["OBJ_"+n.ResultsBucket()] = "bucket " + n.ResultsBucket()
	return all
}

// lookAtStores notices a store that is gone, or has not answered twice.
func (w *Worker) lookAtStores(ctx context.Context) {
	if !w.cfg.Conn.IsConnected() {
		return // that has a reason of its own, and tells nothing of the stores
	}
	for stream, name := range w.storeNames() {
		err := w.lookAtStore(ctx, stream)
		key := "store " + stream
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			w.silentStores[stream] = 0
			if w.health.clear(key) {
				w.log.Info("a store is there again", zap.String("store", name))
			}
			continue
		case errors.Is(err, jetstream.ErrStreamNotFound):
			w.silentStores[stream] = 0
			err = errors.New("is gone: run certrecall setup; what was stored in it is lost")
		default:
			if w.silentStores[stream]++; w.silentStores[stream] < 2 {
				continue
			}
			err = fmt.Errorf("does not answer: %w", err)
		}
		if w.health.set(key, gateStreams, name+" "+err.Error()) {
			w.log.Error("a store cannot be used", zap.String("store", name), zap.Error(err))
		}
	}
}

func (w *Worker) lookAtStore(ctx context.Context, stream string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	_, err := w.js.Stream(ctx, stream)
	return err
}
