package deadletters

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
)

func dead(c messages.Command, sequence uint64) Letter {
	return Letter{
		Number: 1, Lane: c.Lane, Source: c.Source, Incident: c.Incident, Command: c,
		About: messages.DeadLetter{ErrorType: messages.ErrorGaveUp, Sequence: sequence},
	}
}

func TestReplayIsANewCommandOfTheSameSource(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := messages.Command{ID: "a", Source: "soar", Lane: messages.LaneRevokeUrgent, OrderID: 7, Comments: "x", Expires: now.Add(time.Hour)}
	got, err := dead(c, 17).Replay(now)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "a-replay-17" || got.ReplayOf != "a" || got.Source != "soar" || got.Lane != c.Lane || got.OrderID != 7 {
		t.Errorf("%+v", got)
	}
	again, err := dead(got, 29).Replay(now)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != "a-replay-29" || again.ReplayOf != "a-replay-17" {
		t.Errorf("a replay of a replay: %+v", again)
	}
	p := Prepare([]Letter{dead(c, 17)}, now)
	commands, at := p.Commands()
	if len(commands) != 1 || at[0] != 0 || p[0].Command != "soar/a-replay-17" {
		t.Fatalf("%+v", p)
	}
	body, err := messages.EncodeCommand(commands[0])
	if err != nil {
		t.Fatal(err)
	}
	sent, err := messages.DecodeCommand(c.Lane, c.Source, nats.Header(messages.CommandHeader(commands[0])), body)
	if err != nil || sent.ID != "a-replay-17" || sent.ReplayOf != "a" {
		t.Errorf("the workers read %+v, %v", sent, err)
	}
}

func TestWhatCannotBeReplayedIsNamedAndStays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	good := messages.Command{ID: "a", Source: "cli", Lane: messages.LaneRevoke, OrderID: 7, Comments: "x"}
	expired := good
	expired.Expires = now
	broken := dead(good, 1)
	_, broken.Invalid = messages.DecodeCommand(messages.LaneRevoke, "cli", nil, []byte("{"))
	nobody := dead(good, 1)
	nobody.Source = messages.InvalidSource
	unreadable := dead(good, 1)
	_, unreadable.Unreadable = messages.ParseDeadLetter(nil)
	p := Prepare([]Letter{dead(expired, 1), broken, nobody, unreadable, dead(good, 1)}, now)
	for i, r := range p {
		if wrong := i < 4; (r.Problem != "") != wrong || (r.Command == "") != wrong {
			t.Errorf("letter %d: %+v", i, r)
		}
	}
	if commands, _ := p.Commands(); len(commands) != 1 || p.Problems() != 4 {
		t.Errorf("%d commands, %d problems; want one, and four", len(commands), p.Problems())
	}
	for l, want := range map[*Letter]Why{&broken: NoCommand, &nobody: Nobody, &unreadable: Broken} {
		_, err := l.Replay(now)
		if no, ok := errors.AsType[*NotReplayable](err); !ok || no.Why != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestLettersArePicked(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := dead(messages.Command{ID: "a", Source: "cli", Lane: messages.LaneRevoke, Incident: "INC-1"}, 1)
	l.Stored = now.Add(-time.Hour)
	for _, test := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{Lane: "revoke", Source: "cli", ErrorType: "gave-up", Incident: "INC-1", Older: 30 * time.Minute, Newer: 2 * time.Hour}, true},
		{Filter{Lane: "revoke-urgent"}, false},
		{Filter{Source: "soar"}, false},
		{Filter{ErrorType: "refused"}, false},
		{Filter{Incident: "INC-2"}, false},
		{Filter{WithoutIncident: true}, false},
		{Filter{Older: 2 * time.Hour}, false},
		{Filter{Newer: 30 * time.Minute}, false},
	} {
		if got := test.filter.Takes(l, now); got != test.want {
			t.Errorf("%+v: %v, want %v", test.filter, got, test.want)
		}
	}
}
