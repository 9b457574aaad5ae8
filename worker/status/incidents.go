package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Summary is where one incident stands.
type Summary struct {
	// Incident is "" for the commands without one.
	Incident string        `json:"incident"`
	Total    int           `json:"total"`
	States   map[State]int `json:"states"`
	Latest   time.Time     `json:"latest"` // the latest event or command
}

// Incidents tells of the incidents with something new since a moment: an event,
// or a command in the queue. The latest is first. It costs what was said since
// then, and what those incidents cost; bodies of events are not read.
func (r *Reader) Incidents(ctx context.Context, since time.Time) ([]Summary, error) {
	queue := newView(r.names, Filter{})
	if err := r.readQueue(ctx, queue); err != nil {
		return nil, err
	}
	waiting, err := r.Open(ctx, Filter{})
	if err != nil {
		return nil, err
	}
	fresh := map[string]*tallied{}
	of := func(incident string) *tallied {
		t := fresh[incident]
		if t == nil {
			t = &tallied{commands: map[messages.CommandName]*standing{}}
			fresh[incident] = t
		}
		return t
	}
	for row := range queue.Each(r.Now()) {
		of(row.Incident).saw(row.Received)
	}
	err = r.headers(ctx, scan{subjects: []string{r.names.EventSubjects()}, since: since}, func(c messages.CommandName, _ messages.EventName, m *jetstream.RawStreamMsg, at time.Time) {
		of(c.Incident).saw(at)
	})
	if err != nil {
		return nil, err
	}
	var subjects []string
	for incident := range fresh {
		subjects = append(subjects, Filter{Incident: incident, WithoutIncident: incident == ""}.events(r.names))
	}
	for part := range slices.Chunk(subjects, maxSubjects) {
		err = r.headers(ctx, scan{subjects: part, from: 1}, func(c messages.CommandName, e messages.EventName, m *jetstream.RawStreamMsg, at time.Time) {
			of(c.Incident).say(c, e, first(m.Header, "ce-subject"))
		})
		if err != nil {
			return nil, err
		}
	}
	// What waits and what is queued says more than the events where these are behind.
	for _, v := range []*View{waiting, queue} {
		for row := range v.Each(r.Now()) {
			if t := fresh[row.Incident]; t != nil {
				t.reminds(row)
			}
		}
	}
	out := make([]Summary, 0, len(fresh))
	for incident, t := range fresh {
		s := Summary{Incident: incident, States: t.states(), Latest: t.latest.UTC()}
		for _, n := range s.States {
			s.Total += n
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Summary) int { return cmp.Or(b.Latest.Compare(a.Latest), cmp.Compare(a.Incident, b.Incident)) })
	return out, nil
}

// headers reads events by subject and headers alone.
func (r *Reader) headers(ctx context.Context, s scan, take func(messages.CommandName, messages.EventName, *jetstream.RawStreamMsg, time.Time)) error {
	s.stream = r.names.EventsStream()
	s.take = func(m *jetstream.RawStreamMsg) bool {
		if e, c, err := r.names.ParseEventSubject(m.Subject); err == nil {
			take(c, e, m, m.Time)
		}
		return true
	}
	if err := r.run(ctx, s); err != nil {
		return fmt.Errorf("reading stream %s: %w", r.names.EventsStream(), err)
	}
	return nil
}

// tallied counts the commands of one incident by what subjects and headers say.
type tallied struct {
	commands map[messages.CommandName]*standing
	latest   time.Time
	number   int
}

// standing is one command of a tally.
type standing struct {
	state  State
	about  string // source, kind and target: "" is not known, or no more than a plan
	number int    // in the order of first events
}

func (t *tallied) saw(at time.Time) {
	if at.After(t.latest) {
		t.latest = at
	}
}

func (t *tallied) say(c messages.CommandName, e messages.EventName, subject string) {
	s := t.commands[c]
	if s == nil {
		t.number++
		s = &standing{number: t.number}
		t.commands[c] = s
	}
	next := stateOf(e)
	if next == "" || s.state.Final() && s.state != Invalid || !next.Final() && next.rank() < s.state.rank() {
		return
	}
	if s.state = next; next == Planned || next == Invalid || subject == "" {
		return
	}
	kind := "revoke"
	if strings.Contains(string(e), "duplicates") {
		kind = "list"
	}
	s.about = c.Source + " " + kind + " " + subject
}

func (t *tallied) reminds(row Row) {
	s := t.commands[row.Name()]
	switch {
	case s == nil:
		t.number++
		t.commands[row.Name()] = &standing{state: row.State, number: t.number, about: aboutOf(row)}
	case s.state == Invalid && row.State == Queued, s.state.rank() != 0 && row.State.rank() > s.state.rank():
		s.state = row.State
	}
}

func aboutOf(r Row) string {
	if r.DryRun || r.OrderID == 0 {
		return ""
	}
	kind, subject := "revoke", fmt.Sprintf("order/%d", r.OrderID)
	if r.Action == messages.ActionListDuplicates {
		kind = "list"
	}
	if r.CertificateID != 0 {
		subject += fmt.Sprintf("/certificate/%d", r.CertificateID)
	}
	return r.Source + " " + kind + " " + subject
}

// states counts, with what a later command for the same stands in for as retried.
func (t *tallied) states() map[State]int {
	last := map[string]int{}
	for _, s := range t.commands {
		if s.about != "" {
			last[s.about] = max(last[s.about], s.number)
		}
	}
	counts := map[State]int{}
	for _, s := range t.commands {
		state := s.state
		if state == "" {
			state = Accepted
		}
		if state.Final() && !state.Well() && s.about != "" && last[s.about] > s.number {
			state = Retried
		}
		counts[state]++
	}
	return counts
}
