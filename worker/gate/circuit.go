package gate

import (
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"

	"certrecall/client"
)

const (
	// failingOrders is how many different orders must fail before the circuit
	// opens: one or two bad ones are no outage.
	failingOrders = 3

	firstCircuitDelay = time.Second
	maxCircuitDelay   = 15 * time.Second
)

// circuit opens (in the language of breakers; the gate closes) when calls for
// several orders fail in a row. It is not safe for concurrent use.
type circuit struct {
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	failing map[target]struct{} // since the last success
	delay   time.Duration       // of the next opening
}

// target is what a call was about: the order, or a certificate alone.
type target struct{ order, certificate int64 }

func newCircuit() circuit {
	failing := make(map[target]struct{})
	return circuit{
		failing: failing,
		delay:   firstCircuitDelay,
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			ReadyToTrip: func(gobreaker.Counts) bool { return len(failing) >= failingOrders },
			// The delay before a probe grows, which the breaker's own time-out
			// cannot: it is kept here, and the breaker is ready at once.
			Timeout: time.Nanosecond,
		}),
	}
}

// weight is what a call says about DigiCert as a whole.
type weight int

const (
	saysNothing weight = iota // refused by something in front, throttled, or ended by ourselves
	works                     // DigiCert answered to the point
	fails                     // it did not, or could not be reached
)

func weigh(c client.Call) weight {
	if c.Canceled {
		return saysNothing
	}
	switch c.Class {
	case "", client.ClassNotFound, client.ClassRefused:
		return works
	case client.ClassUnavailable, client.ClassOutcomeUnknown, client.ClassNeverSent:
		return fails
	case client.ClassThrottled, client.ClassKeyRefused, client.ClassForbidden:
	}
	return saysNothing
}

// report takes one call of a command or a sweep. It returns why the circuit
// opened, or "". While it is open nothing that ends counts: the neutral probe
// alone closes it.
func (c *circuit) report(call client.Call) string {
	if c.breaker.State() != gobreaker.StateClosed {
		return ""
	}
	w := weigh(call)
	if w == saysNothing {
		return ""
	}
	done, err := c.breaker.Allow()
	if err != nil {
		return ""
	}
	if w == works {
		clear(c.failing)
		c.delay = firstCircuitDelay
		done(nil)
		return ""
	}
	t := target{call.OrderID, call.CertificateID}
	if t.order != 0 {
		t.certificate = 0
	}
	if t != (target{}) {
		c.failing[t] = struct{}{}
	}
	done(errFailed)
	if c.breaker.State() == gobreaker.StateClosed {
		return ""
	}
	answer := "no answer"
	if call.Status != 0 {
		answer = fmt.Sprintf("HTTP %d", call.Status)
	}
	return fmt.Sprintf("calls for %d different orders failed one after another, the last one %s (%s): waiting for DigiCert to answer again",
		len(c.failing), call.Class, answer)
}

var errFailed = errors.New("the call failed")

// probed takes the outcome of a probe while the circuit is open, and tells
// whether that closed it.
func (c *circuit) probed(answered bool) bool {
	done, err := c.breaker.Allow()
	if err != nil {
		return false
	}
	if !answered {
		done(errFailed)
		return false
	}
	clear(c.failing)
	done(nil)
	return true
}

// nextDelay gives how long to wait before the next probe.
func (c *circuit) nextDelay() time.Duration {
	d := c.delay
	c.delay = min(2*d, maxCircuitDelay)
	return d
}
