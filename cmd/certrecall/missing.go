package main

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// missing says of streams that are not there which they are and what to do: a
// prefix that nobody set up is mostly a misspelt one.
func (p *process) missing(s session, err error) error {
	if !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return err
	}
	return fmt.Errorf("%w\nnothing is set up at this NATS for %s %q: is that the prefix and the account? certrecall setup makes what is missing",
		err, p.settings().name("prefix"), s.names.Prefix())
}
