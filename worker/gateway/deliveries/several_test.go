package deliveries

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"certrecall/worker/natstest"
)

func TestReplaySendsAgainWithTheSameIDs(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		r.start(r.endpoint("tickets"))
		r.both("soar", "c-0")
		time.Sleep(time.Hour) // synctest
		since := time.Now()
		r.both("soar", "c-1")
		time.Sleep(time.Minute) // synctest
		if _, err := Replay(t.Context(), r.js, r.names, "tickets", since); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // synctest
		got := r.arrivals()
		if len(got) != 6 {
			t.Fatalf("%d requests, want 4 and 2 again", len(got))
		}
		for i := range 2 {
			if got[2+i].id != got[4+i].id {
				t.Errorf("repetition %d: id %q, want %q", i, got[4+i].id, got[2+i].id)
			}
		}
		if _, err := Replay(t.Context(), r.js, r.names, "nobody", since); err == nil {
			t.Error("a delivery that does not exist is replayed")
		}
	})
}

// TestTwoGatewaysDeliverEachEventOnce, also when one of them goes.
func TestTwoGatewaysDeliverEachEventOnce(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		r.answers(func(http.ResponseWriter, *http.Request) {
			time.Sleep(50 * time.Millisecond) // synctest
		})
		_, stopFirst := r.start(r.endpoint("tickets"))
		r.start(r.endpoint("tickets"))
		const commands = 60
		for i := range commands {
			r.both("soar", fmt.Sprintf("c-%d", i))
			if i == commands/2 {
				stopFirst()
			}
			time.Sleep(100 * time.Millisecond) // synctest
		}
		time.Sleep(5 * time.Minute) // synctest
		r.inOrder(commands)
		if got := len(r.arrivals()); got > 2*commands+2 { // what was on its way when the first went
			t.Errorf("%d requests for %d events", got, 2*commands)
		}
	})
}

// TestConsumerThatVanishedGoesOnWhereItWas.
func TestConsumerThatVanishedGoesOnWhereItWas(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		r.start(r.endpoint("tickets"))
		r.both("soar", "c-0")
		time.Sleep(time.Minute) // synctest
		if err := r.js.DeleteConsumer(t.Context(), r.names.EventsStream(), ConsumerName("tickets")); err != nil {
			t.Fatal(err)
		}
		r.both("soar", "c-1")
		time.Sleep(time.Minute) // synctest
		r.inOrder(2)
		if got := len(r.arrivals()); got != 4 {
			t.Errorf("%d requests for 4 events", got)
		}
	})
}
