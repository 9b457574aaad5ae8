package nats_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

// nextWait bounds a read of a message that is there.
const nextWait = 5 * time.Second

// everyStream of certrecall, those behind the buckets included.
var everyStream = []string{
	"CERTRECALL_COMMANDS", "CERTRECALL_EVENTS", "CERTRECALL_DLQ",
	"KV_CERTRECALL_ORDERS", "KV_CERTRECALL_BUDGET", "KV_CERTRECALL_CONTROL", "OBJ_CERTRECALL_RESULTS",
}

func TestProducerSpeaksForItselfOnly(t *testing.T) {
	s := newSite(t)
	lanes := func(source string, lanes ...messages.Lane) (subjects []string) {
		for _, l := range lanes {
			subjects = append(subjects, s.names.CommandSubject(l, source))
		}
		return subjects
	}
	everything := slices.Concat(
		lanes("servicenow", messages.Lanes()...), lanes("soar", messages.Lanes()...), lanes("cli", messages.Lanes()...),
		[]string{
			s.names.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: "INC-1"}), s.names.DeadLetterSubject(messages.LaneRevoke, "soar", ""),
			"$KV.CERTRECALL_ORDERS.order.1", "$KV.CERTRECALL_BUDGET.budget", "$KV.CERTRECALL_CONTROL.pause.revocations", "$O.CERTRECALL_RESULTS.C.x",
			"$JS.ACK.CERTRECALL_COMMANDS.revoke.1.1.1.1.0", "$JS.API.STREAM.INFO.CERTRECALL_COMMANDS", "$JS.API.STREAM.DELETE.CERTRECALL_COMMANDS",
			"$JS.API.CONSUMER.MSG.NEXT.CERTRECALL_COMMANDS.revoke", "$JS.API.DIRECT.GET.KV_CERTRECALL_ORDERS.$KV.CERTRECALL_ORDERS.order.1",
			"certrecall.api.CONSUMER.CREATE.CERTRECALL_EVENTS.mine", "certrecall.api.CONSUMER.MSG.NEXT.CERTRECALL_EVENTS.other",
		})
	for user, may := range map[string][]string{
		"servicenow": lanes("servicenow", messages.Lanes()...),
		"soar":       lanes("soar", messages.LaneRevoke, messages.LaneListDuplicates),
		"cli":        lanes("cli", messages.Lanes()...),
		"notifier":   nil,
	} {
		nc := s.connect(t, user)
		var answered []string
		for _, subject := range everything {
			reply, err := nc.Request(subject, []byte(`{}`), nextWait)
			switch {
			case errors.Is(err, nats.ErrNoResponders):
			case err != nil:
				t.Errorf("%s on %s: %v", user, subject, err)
			case strings.Contains(string(reply.Data), "not enabled for account"): // the server says so for every account without streams
			default:
				answered = append(answered, subject)
			}
		}
		if diff := cmp.Diff(may, answered); diff != "" {
			t.Errorf("what %s reaches (-want +got):\n%s", user, diff)
		}
	}
}

// JetStream answers on whatever reply subject a publisher names. A producer must not get a message under another
// system's subject that way.
func TestReplySubjectReachesNothing(t *testing.T) {
	s := newSite(t)
	nc := s.connect(t, "servicenow")
	own := s.names.CommandSubject(messages.LaneRevoke, "servicenow")
	for _, reply := range []string{
		s.names.EventSubject(messages.EventRevokeAccepted, messages.CommandName{Source: "soar", ID: "INC-1"}),
		s.names.CommandSubject(messages.LaneRevoke, "soar"),
		"$KV.CERTRECALL_ORDERS.order.1",
		"$JS.API.STREAM.DELETE.CERTRECALL_EVENTS",
	} {
		if err := nc.PublishRequest(own, reply, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	// The answers went out in the order of the commands: when this one is here, theirs have gone.
	if _, err := nc.Request(own, []byte(`{}`), nextWait); err != nil {
		t.Fatal(err)
	}
	operator := s.jetstream(t, "operator")
	got := map[string]uint64{}
	for _, name := range everyStream {
		stream, err := operator.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.Msgs; n > 0 {
			got[name] = n
		}
	}
	if diff := cmp.Diff(map[string]uint64{"CERTRECALL_COMMANDS": 5}, got); diff != "" {
		t.Errorf("stored messages (-want +got):\n%s", diff)
	}
}

func TestSystemReadsItsEvents(t *testing.T) {
	s := newSite(t)
	worker := s.jetstream(t, "worker")
	for _, source := range []string{"soar", "servicenow", "cli"} {
		if _, err := worker.Publish(t.Context(), s.names.EventSubject(messages.EventRevoked, messages.CommandName{Source: source, ID: "INC-1"}), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[string][]string{
		"servicenow": {"certrecall.evt.v1.revoked.servicenow.-.INC-1"},
		"notifier":   {"certrecall.evt.v1.revoked.soar.-.INC-1", "certrecall.evt.v1.revoked.servicenow.-.INC-1", "certrecall.evt.v1.revoked.cli.-.INC-1"},
	} {
		c, err := s.outside(t, user).Consumer(t.Context(), s.names.EventsStream(), user)
		if err != nil {
			t.Fatalf("%s looks up its consumer: %v", user, err)
		}
		messages, err := c.Messages()
		if err != nil {
			t.Fatal(err)
		}
		defer messages.Stop()
		var got []string
		for range want {
			m, err := messages.Next(jetstream.NextMaxWait(nextWait))
			if err != nil {
				t.Fatalf("%s reads: %v", user, err)
			}
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatalf("%s acknowledges: %v", user, err)
			}
			got = append(got, m.Subject())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events of %s (-want +got):\n%s", user, diff)
		}
		if info, err := c.Info(t.Context()); err != nil || info.NumPending+uint64(info.NumAckPending) != 0 {
			t.Errorf("%s: %d unread, %d not acknowledged, %v; want none", user, info.NumPending, info.NumAckPending, err)
		}
	}
}

// What goes on in certrecall's account stays there, also for somebody who listens to everything.
func TestSystemOverhearsNothing(t *testing.T) {
	s := newSite(t)
	for _, user := range []string{"servicenow", "soar", "cli", "notifier"} {
		nc := s.connect(t, user)
		all, err := nc.SubscribeSync(">")
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := streams.Verify(t.Context(), s.jetstream(t, "worker"), s.names); err != nil { // some requests and answers
			t.Fatal(err)
		}
		if _, err := s.jetstream(t, "operator").Publish(t.Context(), s.names.CommandSubject(messages.LaneRevoke, "soar"), nil); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if n, _, err := all.Pending(); err != nil || n != 0 {
			t.Errorf("%s overheard %d messages, %v", user, n, err)
		}
	}
}

func TestNobodyTakesAwayOrRewrites(t *testing.T) {
	s := newSite(t)
	for _, user := range []string{"worker", "setup", "operator"} {
		nc := s.connect(t, user)
		for _, stream := range everyStream {
			denied(t, nc, "$JS.API.STREAM.DELETE."+stream)
			denied(t, nc, "$JS.API.STREAM.RESTORE."+stream)
			denied(t, nc, "$JS.API.STREAM.SNAPSHOT."+stream)
			denied(t, nc, "$JS.API.STREAM.PURGE."+stream)
			if user != "operator" || stream != "CERTRECALL_DLQ" {
				denied(t, nc, "$JS.API.STREAM.MSG.DELETE."+stream)
			}
			if user != "setup" {
				denied(t, nc, "$JS.API.STREAM.CREATE."+stream)
				denied(t, nc, "$JS.API.STREAM.UPDATE."+stream)
			}
		}
		denied(t, nc, "$JS.API.STREAM.CREATE.OTHER")
		for _, lane := range messages.Lanes() {
			denied(t, nc, "$JS.API.CONSUMER.DELETE.CERTRECALL_COMMANDS."+string(lane))
			denied(t, nc, "$JS.API.CONSUMER.PAUSE.CERTRECALL_COMMANDS."+string(lane))
		}
	}
}

func TestEachRoleStaysInItsRole(t *testing.T) {
	s := newSite(t)
	event := s.names.EventSubject(messages.EventRevoked, messages.CommandName{Source: "soar", ID: "INC-1"})
	deadLetter := s.names.DeadLetterSubject(messages.LaneRevoke, "soar", "")
	command := s.names.CommandSubject(messages.LaneRevoke, "soar")
	for user, subjects := range map[string][]string{
		"worker": { // it answers commands and sends none
			command, "$JS.API.CONSUMER.CREATE.CERTRECALL_COMMANDS.mine", "$JS.ACK.CERTRECALL_EVENTS.notifier.1.1.1.1.0",
		},
		"setup": { // it makes the streams and touches nothing in them
			command, event, deadLetter, "$KV.CERTRECALL_ORDERS.order.1", "$KV.CERTRECALL_BUDGET.budget", "$KV.CERTRECALL_CONTROL.pause.revocations", "$O.CERTRECALL_RESULTS.C.x",
			"$JS.API.CONSUMER.MSG.NEXT.CERTRECALL_COMMANDS.revoke", "$JS.ACK.CERTRECALL_COMMANDS.revoke.1.1.1.1.0",
			"$JS.API.CONSUMER.CREATE.CERTRECALL_EVENTS.mine",
		},
		"operator": { // it says no event, writes no memory and no budget, takes no command
			event, deadLetter, "$KV.CERTRECALL_ORDERS.order.1", "$KV.CERTRECALL_BUDGET.budget", "$O.CERTRECALL_RESULTS.C.x",
			"$JS.API.CONSUMER.MSG.NEXT.CERTRECALL_COMMANDS.revoke", "$JS.ACK.CERTRECALL_COMMANDS.revoke.1.1.1.1.0",
			"$JS.API.CONSUMER.CREATE.CERTRECALL_COMMANDS.mine",
		},
	} {
		nc := s.connect(t, user)
		for _, subject := range subjects {
			denied(t, nc, subject)
		}
		if _, err := nc.SubscribeSync("certrecall.>"); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := nc.LastError(); !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), "Subscription") {
			t.Errorf("%s listens to certrecall.>: %v, want a permissions violation", user, err)
		}
	}
}
