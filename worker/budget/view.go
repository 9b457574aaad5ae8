package budget

import (
	"sync"

	"certrecall/worker/streams/kv"
)

// An entry is a key of the bucket as it was read.
type entry = kv.Entry[[]byte]

// A view is the record as it was seen last, by the watch or in a write of this process.
type view struct {
	mu    sync.Mutex
	seen  entry // by the watch
	fresh bool  // seen was not taken yet
	e     entry // by either
}

// put takes note of what the watch saw.
func (v *view) put(e entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seen, v.fresh = e, true
	if e.Gone || e.Anew || e.Revision > v.e.Revision {
		v.e = e
	}
}

// take returns what the watch saw since the last call, if anything.
func (v *view) take() (entry, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fresh := v.fresh
	v.fresh = false
	return v.seen, fresh
}

// wrote takes note of a write of this process.
func (v *view) wrote(value []byte, rev uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rev > v.e.Revision {
		v.e = entry{Key: recordKey, Value: value, Revision: rev}
	}
}

// last returns the record as it was seen last.
func (v *view) last() entry {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.e
}
