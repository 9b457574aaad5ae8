package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoJetStream says that no server answers for JetStream: it is off, or off
// for this account, or the servers that have it are away.
var ErrNoJetStream = errors.New("JetStream does not answer: set `jetstream` in the server's configuration and enable it for this account")

// ErrNotPermitted says that the server refused a request of ours for want of a right.
var ErrNotPermitted = errors.New("not permitted")

const (
	// requestTimeout bounds one request to the JetStream API.
	requestTimeout = 5 * time.Second
	// denialPoll is how often a request looks whether it was denied.
	denialPoll = 50 * time.Millisecond
)

// Refusal says that something in NATS contradicts what the promises rest on.
// Waiting does not mend it; somebody must change it.
type Refusal struct {
	Asset   string // as "stream CERTRECALL_COMMANDS"
	Problem string // what is wrong, and with what consequence
	Remedy  string // what to change
}

func (r *Refusal) Error() string { return r.Asset + ": " + r.Problem + ". " + r.Remedy }

// ask makes one request to the JetStream API within requestTimeout, and turns
// its error into one that an operator can act on. doing is in the gerund;
// subject is where the request goes, without the API prefix, as
// "STREAM.INFO.CERTRECALL_EVENTS".
func ask[T any](ctx context.Context, js jetstream.JetStream, doing, subject string, request func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ctx, deny := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	before := js.Conn().LastError()
	wg.Go(func() { watchDenial(ctx, js.Conn(), before, subject, deny) })
	v, err := request(ctx)
	denial := context.Cause(ctx)
	deny(nil)
	wg.Wait()
	switch {
	case err == nil:
		return v, nil
	case errors.Is(denial, ErrNotPermitted):
		return v, fmt.Errorf("%s: %w", doing, denial)
	case errors.Is(err, nats.ErrNoResponders):
		return v, fmt.Errorf("%s: %w, or let it import $JS.API.%s from the account that has it (%w)", doing, ErrNoJetStream, subject, err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return v, fmt.Errorf("%s: %w (%w)", doing, ErrNoJetStream, err)
	}
	return v, fmt.Errorf("%s: %w", doing, err)
}

// watchDenial ends a request that the server refuses for want of a right. Such
// a request gets no answer: the complaint comes on the connection, which
// remembers the last one. One that was there before says nothing.
func watchDenial(ctx context.Context, nc *nats.Conn, before error, subject string, deny context.CancelCauseFunc) {
	tick := time.NewTicker(denialPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := nc.LastError()
		if err != before && errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), subject) { //nolint:errorlint // is it the same complaint?
			deny(fmt.Errorf("%w: give the NATS user this right: %w", ErrNotPermitted, err))
			return
		}
	}
}

// isCode tells whether the server answered with an error code of JetStream.
func isCode(err error, code jetstream.ErrorCode) bool {
	e, ok := errors.AsType[jetstream.JetStreamError](err)
	return ok && e.APIError() != nil && e.APIError().ErrorCode == code
}

// Codes of the server that the client library does not name.
const (
	codeSubjectsOverlap   jetstream.ErrorCode = 10065
	codeConsumerNotUnique jetstream.ErrorCode = 10100 // another consumer of the work queue takes the same subjects
	codeConsumerOnlyOne   jetstream.ErrorCode = 10099 // a consumer without filter takes them all
	codeNoPeers           jetstream.ErrorCode = 10005 // no place for the replicas; the text says why
	codeNoLeader          jetstream.ErrorCode = 10008 // the cluster has no leader at the moment
)
