package submission

import (
	"context"
	"errors"
	"fmt"

	"github.com/synadia-io/orbit.go/jetstreamext"

	"certrecall/messages"
)

// MaxAtomic is how many commands are stored at once: as many as a server takes
// in one batch where its operator has not set less.
const MaxAtomic = 1000

// errNoAtomic: the stream takes no batches.
var errNoAtomic = errors.New("the stream does not take whole batches")

// atomic stores the commands in batches, and returns how many it has stored.
func (p *Publisher) atomic(ctx context.Context, all []messages.Command) (next int, err error) {
	size := MaxAtomic
	err = p.attempts(ctx, func() (progress, done bool, err error) {
		if next == len(all) {
			return false, true, nil
		}
		part := all[next:min(next+size, len(all))]
		err = p.storeWhole(ctx, part)
		if api := apiError(err); api != nil && api.ErrorCode == jetstreamext.JSErrCodeBatchPublishExceedsLimit && size > 1 {
			size /= 2 // the operator's limit is lower than the server's default
			return true, false, nil
		}
		if err != nil {
			return false, false, err
		}
		for i := range part {
			p.Stored(next + i)
		}
		next += len(part)
		return true, next == len(all), nil
	})
	return next, err
}

// storeWhole stores all commands of a part, or none of them. An error other
// than the server's own leaves open which.
func (p *Publisher) storeWhole(ctx context.Context, part []messages.Command) error {
	batch, err := jetstreamext.NewBatchPublisher(p.js)
	if err != nil {
		return err
	}
	expect := jetstreamext.WithBatchExpectStream(p.names.CommandsStream())
	for i, c := range part {
		m, err := p.message(c)
		if err != nil {
			return err
		}
		if i < len(part)-1 {
			if err := batch.AddMsg(m, expect); err != nil {
				return noAtomic(err)
			}
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, 2*ackTimeout) // a whole batch is written and synced
		defer cancel()
		if _, err = batch.CommitMsg(bounded, m, expect); err != nil {
			return noAtomic(err)
		}
	}
	return nil
}

// noAtomic tells the answer of a stream that takes no batches from the others.
func noAtomic(err error) error {
	if api := apiError(err); api != nil && api.ErrorCode == jetstreamext.JSErrCodeBatchPublishNotEnabled {
		return fmt.Errorf("%w (%s); an operator can allow it on the stream (allow_atomic)", errNoAtomic, api.Description)
	}
	return err
}
