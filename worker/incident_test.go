package worker

import (
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// An id is unique within its incident: the same id in two incidents, and in
// none, are three commands. Each has its own answer; the order is revoked once.
func TestSameIDInTwoIncidents(t *testing.T) {
	inWorld(t, digicertsim.Options{}, func(t *testing.T, w *world) {
		w.start()
		incidents := []string{"INC-1", "INC-2", ""}
		for _, incident := range incidents {
			more := fields{"skip_approval": true}
			if incident != "" {
				more["incident"] = incident
			}
			w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, more))
		}
		acted := 0
		for _, id := range []string{"INC-1/a", "INC-2/a", "a"} {
			e := w.waitFor("soar", id, messages.EventRevoked, time.Minute)
			if e.CommandID != "a" || !e.Already && e.Attempts != 1 {
				t.Errorf("%s: says %v", id, e.data)
			}
			if !e.Already {
				acted++
			}
		}
		if n := len(w.puts(4711)); n != 1 || acted != 1 {
			t.Errorf("%d PUTs, %d commands say that it was theirs; want 1 and 1", n, acted)
		}
		for _, incident := range incidents {
			of := w.read(w.names.IncidentSubject(incident))
			wantEvents(t, of, messages.EventRevokeAccepted, messages.EventRevoked)
			for _, e := range of {
				if e.Incident != incident {
					t.Errorf("under incident %q: %v", incident, e.data)
				}
			}
		}
		// Sent again, each is known under its own name; another content conflicts with its own alone.
		before := len(w.read(w.names.EventSubjects()))
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4711, fields{"skip_approval": true, "incident": "INC-2"}))
		w.pass(time.Minute)
		if n := len(w.read(w.names.EventSubjects())); n != before {
			t.Errorf("%d events more for a command sent again", n-before)
		}
		w.publish(messages.LaneRevoke, "soar", revocation("a", 4712, fields{"incident": "INC-2"}))
		w.pass(time.Minute)
		answers := w.read(w.names.EventNameSubject(messages.EventCommandRejected))
		if len(answers) != 1 || answers[0].Error.Type != messages.ErrorCommandConflict || answers[0].Incident != "INC-2" {
			t.Fatalf("answers to the conflict: %+v", answers)
		}
		letters := w.deadLetters()
		if want := w.names.DeadLetterSubject(messages.LaneRevoke, "soar", "INC-2"); len(letters) != 1 || letters[0].Subject != want {
			t.Errorf("dead letters %v, want one under %s", letters, want)
		}
		w.pass(time.Second)
		w.quiet()
	})
}
