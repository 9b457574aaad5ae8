package worker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"certrecall/worker/streams/kv"
)

// errFull says which store has no room.
type errFull struct {
	store string
	err   error
}

func (e errFull) Error() string { return e.store + " has no room: " + e.err.Error() }
func (e errFull) Unwrap() error { return e.err }

// fullFor is how long a store that refused a write is called full if nobody
// writes to it: longer than whoever was refused waits to try again.
func (w *Worker) fullFor() time.Duration { return w.cfg.RetryMaxInterval + time.Minute }

// rooms remembers the stores that had no room. The zero value is ready.
type rooms struct {
	mu   sync.Mutex
	full map[string]refusedWrite
}

type refusedWrite struct {
	at  time.Time // local clock
	err error
}

// noRoom names the store in an error that says there is no room, and remembers
// it for /readyz; other errors come back as they are.
func (w *Worker) noRoom(store string, err error) error {
	err = kv.Judge(err)
	if !errors.Is(err, kv.ErrNoRoom) {
		return err
	}
	if _, named := errors.AsType[errFull](err); named {
		return err
	}
	w.rooms.mu.Lock()
	defer w.rooms.mu.Unlock()
	if w.rooms.full == nil {
		w.rooms.full = map[string]refusedWrite{}
	}
	w.rooms.full[store] = refusedWrite{time.Now(), err}
	return errFull{store, err}
}

// hasRoom hears that a write to the store went well.
func (w *Worker) hasRoom(store string) {
	w.rooms.mu.Lock()
	defer w.rooms.mu.Unlock()
	if refused, full := w.rooms.full[store]; full {
		refused.at = time.Time{}
		w.rooms.full[store] = refused
	}
}

// roomPause is how long a command waits whose write found no room.
func (w *Worker) roomPause(deliveries uint64) time.Duration {
	return time.Second + w.backoffDelay(int(min(max(deliveries, 2), 6)))
}

// lookAtRooms says which stores have no room, once, and when they have again.
func (w *Worker) lookAtRooms() {
	w.rooms.mu.Lock()
	defer w.rooms.mu.Unlock()
	for store, refused := range w.rooms.full {
		key := "room " + store
		if time.Since(refused.at) > w.fullFor() {
			delete(w.rooms.full, store)
			if w.health.clear(key) {
				w.log.Info("a store refuses no writes any more", zap.String("store", store))
			}
			continue
		}
		detail := fmt.Sprintf("%s has no room: raise its limits, or remove what is not needed; commands wait meanwhile (%v)", store, refused.err)
		if w.health.set(key, gateStreams, detail) {
			w.log.Error("a store has no room; commands wait until it has", zap.String("store", store), zap.Error(refused.err))
		}
	}
}
