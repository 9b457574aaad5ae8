package deliveries

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"certrecall/messages"
	"certrecall/worker/natstest"
)

func TestDeliversAsCloudEventInBinaryMode(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		r.both("soar", "before") // what was before the endpoint is not for it
		end := r.endpoint("tickets")
		end.Sources, end.Events = []string{"servicenow"}, []messages.EventName{messages.EventRevoked}
		r.start(end)
		r.both("servicenow", "c-0")
		r.both("soar", "c-1")
		time.Sleep(time.Second) // synctest
		got := r.arrivals()
		if len(got) != 1 {
			t.Fatalf("%d requests, want the one event that fits: %v", len(got), got)
		}
		for name, want := range map[string]string{
			"Ce-Specversion": "1.0", "Ce-Type": "certrecall.revoked.v1", "Ce-Source": "/certrecall/certrecall", "Content-Type": "application/json",
			"Ce-Causationid": "c-0", "Ce-Subject": "order/4711", "Webhook-Id": got[0].header.Get("Ce-Id"), "User-Agent": "test",
		} {
			if v := got[0].header.Get(name); v != want || v == "" {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
		if v := got[0].header.Get("Ce-Datacontenttype"); v != "" {
			t.Errorf("ce-datacontenttype is %q: in HTTP it is the Content-Type", v)
		}
		if left := r.left("tickets"); left != "" {
			t.Error(left)
		}
	})
}

func TestEndpointDownForAnHour(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		d, _ := r.start(r.endpoint("tickets"))
		r.net.SetDown(true)
		const commands = 50
		for i := range commands {
			r.both("soar", fmt.Sprintf("c-%d", i))
		}
		time.Sleep(time.Hour) // synctest: the endpoint is down
		tries := r.outcomes(Retried)
		if tries < 10 || tries > 60 {
			t.Errorf("%d tries in the hour: want some, and no storm", tries)
		}
		if s := d.State(); s.FailingSince.IsZero() || s.Off || !strings.Contains(s.Failure, "refused") {
			t.Errorf("state while it is down: %+v", s)
		}
		r.net.SetDown(false)
		time.Sleep(2 * time.Hour) // synctest: longer than the longest pause of an event
		r.inOrder(commands)
		if got := len(r.arrivals()); got != 2*commands {
			t.Errorf("%d requests for %d events", got, 2*commands)
		}
		if left := r.left("tickets"); left != "" {
			t.Error(left)
		}
		if s := d.State(); !s.FailingSince.IsZero() {
			t.Errorf("state when it is back: %+v", s)
		}
	})
}

// TestSlowEndpointDelaysNobody: one endpoint hangs, another gets its events at once.
func TestSlowEndpointDelaysNobody(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		slow := newRigAt(t, e, r)
		slow.answers(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
		slow.start(slow.endpoint("slow"))
		r.start(r.endpoint("quick"))
		const commands = 20
		for i := range commands {
			r.both("soar", fmt.Sprintf("c-%d", i))
		}
		time.Sleep(5 * time.Second) // synctest
		r.inOrder(commands)
		if n := slow.outcomes(Retried); n != 0 {
			t.Errorf("%d requests to the endpoint that hangs have ended after 5 s", n)
		}
		time.Sleep(20 * time.Second) // synctest
		if n := slow.outcomes(Retried); n == 0 {
			t.Error("a request that gets no answer does not end after 20 s")
		}
		if n := len(slow.arrivals()); n > slow.endpoint("slow").Concurrency+2 {
			t.Errorf("%d requests to an endpoint that hangs", n)
		}
		slow.answers(nil)
		time.Sleep(2 * time.Hour) // synctest
		slow.inOrder(commands)
	})
}

// newRigAt is a second endpoint at the same server.
func newRigAt(t *testing.T, e *natstest.Env, r *rig) *rig {
	t.Helper()
	other := &rig{t: t, e: e, js: r.js, names: r.names, net: e.PipeNet(), dir: r.dir}
	other.net.Serve(t, other)
	return other
}

func TestGoneSwitchesOffUntilResumed(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		r.answers(status(http.StatusGone))
		d, stop := r.start(r.endpoint("tickets"))
		r.both("soar", "c-0")
		time.Sleep(10 * time.Minute) // synctest
		if n := len(r.arrivals()); n < 1 || n > 4 {
			t.Errorf("%d requests to an endpoint that is gone, want no more than were on their way", n)
		}
		s := d.State()
		if !s.Off || !strings.Contains(s.OffReason, "410") || s.OffSince.IsZero() {
			t.Errorf("state: %+v", s.Standing)
		}
		if r.outcomes(SwitchedOff) == 0 {
			t.Error("nobody was told")
		}
		stop()
		before := len(r.arrivals())
		d, _ = r.start(r.endpoint("tickets")) // another gateway knows it, too
		r.answers(nil)
		r.both("soar", "c-1")
		time.Sleep(time.Hour) // synctest
		if n := len(r.arrivals()); n != before {
			t.Errorf("%d requests while it is switched off", n-before)
		}
		if s := d.State(); !s.Off {
			t.Error("the second gateway does not know that it is off")
		}
		all, err := List(t.Context(), r.js, r.names)
		if err != nil || len(all) != 1 || !all[0].Off || !strings.Contains(all[0].OffReason, "410") || all[0].Host != "tickets.example.com" {
			t.Errorf("ls: %+v, %v", all, err)
		}
		resumed, err := Resume(t.Context(), r.js, r.names, "tickets")
		if err != nil || resumed.Off {
			t.Fatalf("resume: %+v, %v", resumed, err)
		}
		time.Sleep(2 * time.Minute) // synctest
		r.inOrder(2)
		if s := d.State(); s.Off {
			t.Error("it is off after it was resumed")
		}
	})
}

func TestRedirectsAreNotFollowedAndSwitchOff(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		r.answers(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
			http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
		})
		d, _ := r.start(r.endpoint("tickets"))
		for i := range 5 {
			r.both("soar", fmt.Sprintf("c-%d", i))
		}
		time.Sleep(50 * time.Minute) // synctest
		if s := d.State(); s.Off {
			t.Errorf("it is off after 50 minutes of refusals: %s", s.OffReason)
		}
		time.Sleep(time.Hour) // synctest
		if s := d.State(); !s.Off || !strings.Contains(s.OffReason, "refused everything") {
			t.Errorf("it is not off after more than an hour of refusals: %+v", s)
		}
		if n := len(r.arrivals()); n < manyRefusals || n > 150 {
			t.Errorf("%d requests in the time", n)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		end := r.endpoint("tickets")
		end.Concurrency = 1
		r.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1800")
			w.WriteHeader(http.StatusTooManyRequests)
			go r.answers(nil)
		})
		r.start(end)
		r.both("soar", "c-0")
		time.Sleep(3 * time.Hour) // synctest
		got := r.arrivals()
		if len(got) != 3 {
			t.Fatalf("%d requests, want 3", len(got))
		}
		if wait := got[1].at.Sub(got[0].at); wait < 30*time.Minute || wait > 45*time.Minute {
			t.Errorf("it was asked again after %s, want 30m or a little more", wait)
		}
		if got[0].id != got[1].id {
			t.Errorf("webhook-id of the repetition: %q, want %q", got[1].id, got[0].id)
		}
		r.inOrder(1)
	})
}

// TestOneEventThatIsRefusedHoldsUpNoOther: the others of the endpoint go on, the later ones of its command wait for it,
// and after its time (three days, here six hours) it is set aside.
func TestOneEventThatIsRefusedHoldsUpNoOther(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		r.answers(func(w http.ResponseWriter, q *http.Request) {
			if q.Header.Get("Ce-Causationid") == "poison" && q.Header.Get("Ce-Type") == "certrecall.revoke-accepted.v1" {
				w.WriteHeader(http.StatusUnprocessableEntity)
			}
		})
		r.patience = 6 * time.Hour
		d, _ := r.start(r.endpoint("tickets"))
		r.both("soar", "poison")
		i := 0
		for began := time.Now(); time.Since(began) < 5*time.Hour; i++ {
			r.both("soar", fmt.Sprintf("c-%d", i))
			time.Sleep(30 * time.Minute) // synctest
		}
		poison := func(event string) int {
			return len(slices.DeleteFunc(r.arrivals(), func(a arrival) bool { return a.command != "poison" || a.event != event }))
		}
		if n := poison("certrecall.revoked.v1"); n != 0 {
			t.Error("an event arrived before an earlier one of its command")
		}
		if n := poison("certrecall.revoke-accepted.v1"); n < 12 || n > 40 {
			t.Errorf("%d tries of the event that is refused, in five hours", n)
		}
		for began := time.Now(); time.Since(began) < 5*time.Hour; i++ {
			r.both("soar", fmt.Sprintf("c-%d", i))
			time.Sleep(30 * time.Minute) // synctest
		}
		if r.outcomes(SetAside) != 1 || d.State().Off {
			t.Errorf("%d events set aside, want 1; off: %v", r.outcomes(SetAside), d.State().Off)
		}
		if n := poison("certrecall.revoked.v1"); n != 1 {
			t.Errorf("the event behind the one that was set aside arrived %d times", n)
		}
		if left := r.left("tickets"); left != "" {
			t.Error(left)
		}
	})
}

// TestNothingTakenForThreeDays switches off and drops nothing.
func TestNothingTakenForThreeDays(t *testing.T) {
	natstest.Bubble(t, func(t *testing.T, e *natstest.Env) {
		r := newRig(t, e)
		d, _ := r.start(r.endpoint("tickets"))
		r.answers(status(http.StatusInternalServerError))
		r.both("soar", "c-0")
		time.Sleep(70 * time.Hour) // synctest
		if d.State().Off {
			t.Fatal("it is off before three days are over")
		}
		time.Sleep(30 * time.Hour) // synctest
		if s := d.State(); !s.Off || !strings.Contains(s.OffReason, "three days") {
			t.Fatalf("it is not off: %+v", s)
		}
		r.answers(nil)
		if _, err := Resume(t.Context(), r.js, r.names, "tickets"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour) // synctest
		r.inOrder(1)
	})
}
