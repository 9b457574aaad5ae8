package streams

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// removalMarkerTTL is how long the marker of a removed key stays: watchers
// that are away for a moment still learn of it, and the markers of a million
// commands do not pile up.
const removalMarkerTTL = time.Hour

// codeTTLDisabled is the server's "per-message TTL is disabled".
const codeTTLDisabled jetstream.ErrorCode = 10166

// Remove removes a key for good. The marker it leaves goes away by itself,
// unless the bucket was made without that (by somebody else).
func Remove(ctx context.Context, kv jetstream.KeyValue, key string) error {
	err := kv.Purge(ctx, key, jetstream.PurgeTTL(removalMarkerTTL))
	if isCode(err, codeTTLDisabled) {
		err = kv.Purge(ctx, key)
	}
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	return err
}
