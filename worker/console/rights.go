package console

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/statements"
)

// rights finds out what the NATS user may say, so that a page has no buttons
// that would be refused. The server is asked by a write that can not succeed: it
// expects a revision that no key has. Who may write is told "wrong last
// sequence"; who may not is told nothing.
type rights struct {
	js    jetstream.JetStream
	names messages.Names

	mu    sync.Mutex
	known map[string]known
}

type known struct {
	may bool
	at  time.Time
}

const (
	// rightsAge is how long an answer holds.
	rightsAge = time.Minute
	// rightsWithin bounds the question: a write that is refused is not answered.
	rightsWithin = time.Second
	// neverRevision is one that no key will have.
	neverRevision = math.MaxUint32 * 1024
	// wrongSequence is the server's code for a revision that is not the last.
	wrongSequence = 10071
)

// mayAct reports whether statements under the operator's name are taken.
func (r *rights) mayAct(ctx context.Context, operator string) bool {
	if statements.ValidOperator(operator) != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.known[operator]
	if !k.at.IsZero() && time.Since(k.at) < rightsAge {
		return k.may
	}
	ctx, cancel := context.WithTimeout(ctx, rightsWithin)
	defer cancel()
	subject := "$KV." + r.names.ControlBucket() + ".op." + operator + ".probe"
	_, err := r.js.Publish(ctx, subject, nil, jetstream.WithExpectLastSequencePerSubject(neverRevision), jetstream.WithRetryAttempts(0))
	api, answered := errors.AsType[*jetstream.APIError](err)
	may := answered && api.ErrorCode == wrongSequence
	if !may && !r.js.Conn().IsConnected() {
		return k.may // nothing was learnt
	}
	if len(r.known) > maxPeople {
		clear(r.known)
	}
	r.known[operator] = known{may, time.Now()}
	return may
}

// maxPeople bounds what is kept of those who look.
const maxPeople = 1000

// forget asks anew at the next time.
func (r *rights) forget(operator string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, operator)
}
