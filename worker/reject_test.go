package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// Each is wrong in one way; the answer names the field.
func TestInvalidCommandsAreRejectedByField(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		long := strings.Repeat("x", 1001)
		rejected := map[string]struct {
			lane messages.Lane
			body string
		}{
			"order_id":          {messages.LaneRevoke, `{"id":"%s","comments":"c"}`},
			"comments":          {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"` + long + `"}`},
			"revocation_reason": {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","revocation_reason":"keycompromise"}`},
			"skipApproval":      {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","skipApproval":true}`},
			"skip_approval":     {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","skip_approval":"yes"}`},
			"certificate_id":    {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","certificate_id":-1}`},
			"dry_run":           {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","dry_run":1}`},
			"show_archived":     {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","show_archived":true}`},
			"incident":          {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","incident":"a b"}`},
			"deadline":          {messages.LaneRevokeUrgent, `{"id":"%s","order_id":1,"comments":"c","deadline":"tomorrow"}`},
			"expires":           {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","expires":7}`},
			"requested_by":      {messages.LaneRevoke, `{"id":"%s","order_id":1,"comments":"c","requested_by":"` + long + `"}`},
			"context":           {messages.LaneListDuplicates, `{"id":"%s","order_id":1,"context":[]}`},
			"comment":           {messages.LaneListDuplicates, `{"id":"%s","order_id":1,"comment":"c"}`},
		}
		for field, c := range rejected {
			id := "no-" + strings.ReplaceAll(field, "_", "-")
			w.publish(c.lane, "soar", fmt.Appendf(nil, c.body, id))
			e := w.waitFor("soar", id, messages.EventCommandRejected, time.Minute)
			if e.Error.Type != messages.ErrorInvalidCommand || !strings.Contains(e.Error.Detail, field) || e.Lane != c.lane {
				t.Errorf("%s: says %v", field, e.data)
			}
		}
		w.pass(time.Second)
		if n := len(w.deadLetters()); n != len(rejected) {
			t.Errorf("%d dead letters for %d rejections", n, len(rejected))
		}
		for _, m := range w.deadLetters() {
			if m.Header.Get("certrecall-error-type") != "invalid-command" || len(m.Data) == 0 {
				t.Errorf("dead letter %v", m.Header)
			}
		}
		// The id is free for the corrected command.
		w.publish(messages.LaneRevoke, "soar", revocation("no-comments", 4711))
		w.waitFor("soar", "no-comments", messages.EventRevokeRequested, time.Minute)
		wantEvents(t, w.events("soar", "no-comments"), messages.EventCommandRejected, messages.EventRevokeAccepted, messages.EventRevokeRequested)
		w.publish(messages.LaneListDuplicates, "soar", fields{"id": "no-context", "order_id": 4711})
		w.waitFor("soar", "no-context", messages.EventDuplicatesListed, time.Minute)
	})
}

func TestUnreadableIDsAreAnsweredByTheirPlace(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		for name, body := range map[string]string{
			"no JSON": "revoke it!", "no id": `{"order_id":1,"comments":"c"}`, "reserved": `{"id":"seq-1","order_id":1,"comments":"c"}`,
			"replay": `{"id":"a-replay-7","order_id":1,"comments":"c"}`, "empty": "",
		} {
			sequence := w.publish(messages.LaneRevoke, "soar", []byte(body))
			suffix := fmt.Sprintf("-%d", sequence)
			w.wait(name, time.Minute, func() bool {
				for _, e := range w.read(w.names.EventSubject(messages.EventCommandRejected, messages.CommandName{Source: "soar", ID: "*"})) {
					if strings.HasPrefix(e.ID, "seq-") && strings.HasSuffix(e.ID, suffix) {
						return true
					}
				}
				return false
			})
		}
		if _, err := w.js.Publish(t.Context(), w.names.CommandSubject(messages.LaneRevoke, "so$ar"), []byte(`{"id":"x","order_id":1,"comments":"c"}`)); err != nil {
			t.Fatal(err)
		}
		w.wait("the answer to a bad source", time.Minute, func() bool {
			return len(w.read(w.names.EventSubject(messages.EventCommandRejected, messages.CommandName{Source: "invalid", ID: "*"}))) == 1
		})
		w.pass(time.Second)
		w.quiet()
	})
}

func TestConflictAndRepeat(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": true}))
		w.waitFor("soar", "a", messages.EventRevoked, time.Minute)
		calls := w.sim.CallCount()
		// The same content in other bytes, on another lane: the same command.
		w.publish(messages.LaneRevokeUrgent, "soar", []byte(`{ "order_id":"004711", "id":"a", "skip_approval":true, "comments":"INC-1: key leaked", "revocation_reason":"keyCompromise", "dry_run":false }`))
		// Other content: a conflict.
		sequence := w.publish(messages.LaneRevoke, "soar", revocation("a", 4712))
		w.pass(10 * time.Second)
		wantEvents(t, w.events("soar", "a"), messages.EventRevokeAccepted, messages.EventRevoked)
		if n := w.sim.CallCount(); n != calls {
			t.Errorf("%d more calls", n-calls)
		}
		answers := w.read(w.names.EventSubject(messages.EventCommandRejected, messages.CommandName{Source: "soar", ID: "*"}))
		if len(answers) != 1 || !strings.HasSuffix(answers[0].ID, fmt.Sprint("-", sequence)) || answers[0].CommandID != "a" ||
			answers[0].Error.Type != messages.ErrorCommandConflict || answers[0].Error.ConflictsWith != "a" || answers[0].OrderID != 4712 {
			t.Errorf("answers %v", namesOf(answers))
		}
		if dead := w.deadLetters(); len(dead) != 1 || dead[0].Header.Get("certrecall-error-type") != "command-conflict" {
			t.Errorf("%d dead letters", len(dead))
		}
		w.quiet()
	})
}

// A redelivery of a rejected message repeats nothing, also after the corrected
// command took the id.
func TestRedeliveredRejectionRepeatsNothing(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		worker := w.start()
		w.publish(messages.LaneRevoke, "soar", []byte(`{"id":"a","order_id":4711}`))
		w.waitFor("soar", "a", messages.EventCommandRejected, time.Minute)
		first := w.read(w.names.EventSubjects())[0]
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711))
		w.waitFor("soar", "a", messages.EventRevokeRequested, time.Minute)
		d := &delivery{
			msg: rejectedMsg{subject: w.names.CommandSubject(messages.LaneRevoke, "soar"), data: []byte(`{"id":"a","order_id":4711}`)},
			ctx: t.Context(), lane: messages.LaneRevoke, deliveries: 2, origin: first.Origin, sequence: 1,
		}
		if v := worker.carry(d, suspicion{}); v.do != done || v.outcome != string(messages.EventCommandRejected) {
			t.Errorf("verdict %+v", v)
		}
		if n := len(w.read(w.names.EventSubject(messages.EventCommandRejected, messages.CommandName{Source: "soar", ID: "*"}))); n != 1 || len(w.deadLetters()) != 1 {
			t.Errorf("%d rejections, %d dead letters", n, len(w.deadLetters()))
		}
	})
}

// rejectedMsg is a message that nobody settles.
type rejectedMsg struct {
	jetstream.Msg
	subject string
	data    []byte
}

func (m rejectedMsg) Subject() string      { return m.subject }
func (m rejectedMsg) Data() []byte         { return m.data }
func (m rejectedMsg) Headers() nats.Header { return nil }
