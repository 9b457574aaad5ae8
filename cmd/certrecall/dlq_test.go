package main

import (
	"testing"
	"time"

	"certrecall/messages"
)

func dead(c messages.Command, sequence uint64) letter {
	return letter{number: 1, lane: c.Lane, source: c.Source, incident: c.Incident, command: c, about: messages.DeadLetter{ErrorType: messages.ErrorGaveUp, Sequence: sequence}}
}

func TestReplayIsANewCommandOfTheSameSource(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := messages.Command{ID: "a", Source: "soar", Lane: messages.LaneRevokeUrgent, OrderID: 7, Comments: "x", Expires: now.Add(time.Hour)}
	got, err := dead(c, 17).replay(now)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "a-replay-17" || got.ReplayOf != "a" || got.Source != "soar" || got.Lane != c.Lane || got.OrderID != 7 {
		t.Errorf("%+v", got)
	}
	again, err := dead(got, 29).replay(now)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != "a-replay-29" || again.ReplayOf != "a-replay-17" {
		t.Errorf("a replay of a replay: %+v", again)
	}
	p := prepare([]letter{dead(c, 17)}, now)
	if len(p.messages) != 1 || p.messages[0].header[messages.HeaderReplayOf][0] != "a" {
		t.Fatalf("%+v", p.messages)
	}
	sent, err := messages.DecodeCommand(c.Lane, c.Source, p.messages[0].header, p.messages[0].body)
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
	_, broken.invalid = messages.DecodeCommand(messages.LaneRevoke, "cli", nil, []byte("{"))
	nobody := dead(good, 1)
	nobody.source = messages.InvalidSource
	unreadable := dead(good, 1)
	_, unreadable.unreadable = messages.ParseDeadLetter(nil)
	p := prepare([]letter{dead(expired, 1), broken, nobody, unreadable, dead(good, 1)}, now)
	for i, r := range p.results {
		if wrong := i < 4; (r.Problem != "") != wrong || (r.Command == "") != wrong {
			t.Errorf("letter %d: %+v", i, r)
		}
	}
	if len(p.messages) != 1 || p.problems() == nil {
		t.Errorf("%d messages, problems %v; want one, and an error", len(p.messages), p.problems())
	}
}

func TestLettersArePicked(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := dead(messages.Command{ID: "a", Source: "cli", Lane: messages.LaneRevoke, Incident: "INC-1"}, 1)
	l.stored = now.Add(-time.Hour)
	for _, test := range []struct {
		filter letterFilter
		want   bool
	}{
		{letterFilter{}, true},
		{letterFilter{Lane: "revoke", Source: "cli", ErrorType: "gave-up", Incident: "INC-1", Older: "30m", Newer: "2h"}, true},
		{letterFilter{Lane: "revoke-urgent"}, false},
		{letterFilter{Source: "soar"}, false},
		{letterFilter{ErrorType: "refused"}, false},
		{letterFilter{Incident: "INC-2"}, false},
		{letterFilter{Older: "2h"}, false},
		{letterFilter{Newer: "30m"}, false},
	} {
		s := &settings{}
		pick := test.filter.read(s)
		if err := s.err(); err != nil {
			t.Errorf("%+v: %v", test.filter, err)
		}
		if got := pick.takes(l, now); got != test.want {
			t.Errorf("%+v: %v, want %v", test.filter, got, test.want)
		}
	}
}
