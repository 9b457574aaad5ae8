package deliveries

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// verdict is what is to become of a message of an endpoint's consumer.
type verdict struct {
	kind  verdictKind
	delay time.Duration // of again
}

type verdictKind int

const (
	done     verdictKind = iota // never again
	again                       // after the delay
	setAside                    // never again, though it was not delivered
)

// settle is the one place that acknowledges events. An error says nothing: the
// message comes again, and memory or the endpoint knows it.
func settle(m jetstream.Msg, v verdict) error {
	switch v.kind {
	case done:
		return m.Ack()
	case setAside:
		return m.TermWithReason("the endpoint did not take it for three days")
	case again:
	}
	return m.NakWithDelay(max(v.delay, time.Millisecond))
}

// keep tells the server that a message is in work, until the returned function
// is called.
func keep(m jetstream.Msg) (stop func()) {
	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(ackWait / 3)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				_ = m.InProgress() // without it the message comes again, which memory knows
			}
		}
	}()
	return func() {
		close(ended)
		<-stopped
	}
}
