package nats_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

// stored are the streams of certrecall, those behind the buckets among them, and the admin in whose account each is.
var stored = map[string]string{
	"CERTRECALL_EVENTS": "admin", "CERTRECALL_DLQ": "admin", "KV_CERTRECALL_ORDERS": "admin", "KV_CERTRECALL_BUDGET": "admin",
	"OBJ_CERTRECALL_RESULTS": "admin", "CERTRECALL_COMMANDS": "admin-queue", "KV_CERTRECALL_CONTROL": "admin-words",
	"CERTRECALL_AUDIT": "admin-words",
}

// everybody outside, and the subjects that each may cause a message under.
var everybody = map[string]string{
	"worker":     `certrecall\.(evt|dlq)\.v1\..*|\$KV\.CERTRECALL_(ORDERS|BUDGET)\..*|\$O\.CERTRECALL_RESULTS\..*`,
	"setup":      `none`,
	"ada":        `certrecall\.cmd\.v1\..*|\$KV\.CERTRECALL_CONTROL\.op\.ada\..*`,
	"bob":        `certrecall\.cmd\.v1\..*|\$KV\.CERTRECALL_CONTROL\.op\.bob\..*`,
	"viewer":     `none`,
	"gateway":    `certrecall\.cmd\.v1\.(revoke|list-duplicates)\.jira`,
	"servicenow": `certrecall\.cmd\.v1\.[^.]*\.servicenow`,
	"soar":       `certrecall\.cmd\.v1\.(revoke|list-duplicates)\.soar`,
	"cli":        `certrecall\.cmd\.v1\.[^.]*\.cli`,
	"notifier":   `none`,
}

// planted are subjects that somebody would like to write: forged answers and commands, the memory of orders, another's
// word, an acknowledgement of what another holds, the removal of a stream.
func planted(ack string) []string {
	return []string{
		"certrecall.evt.v1.revoked.soar.INC-1.forged", "certrecall.cmd.v1.revoke-urgent.victim", "certrecall.dlq.v1.revoke.soar.INC-1",
		"$KV.CERTRECALL_ORDERS.order.1", "$KV.CERTRECALL_BUDGET.budget", "$O.CERTRECALL_RESULTS.C.forged",
		"$KV.CERTRECALL_CONTROL.op.eve.pause.revocations", "$KV.CERTRECALL_CONTROL.op.ada.pause.revocations", "$KV.CERTRECALL_CONTROL.op.bob.pause.revocations",
		ack, "$JS.API.STREAM.DELETE.CERTRECALL_EVENTS", "$JS.API.STREAM.PURGE.CERTRECALL_DLQ",
	}
}

// asked are requests that are answered with bytes which a caller can choose, or with none.
var asked = map[string]string{
	"$JS.API.DIRECT.GET.CERTRECALL_COMMANDS":                        `{"seq":1}`,
	"$JS.API.DIRECT.GET.KV_CERTRECALL_ORDERS":                       `{"seq":1}`,
	"$JS.API.DIRECT.GET.KV_CERTRECALL_CONTROL":                      `{"seq":1,"batch":10}`,
	"$JS.API.DIRECT.GET.CERTRECALL_DLQ":                             `{"seq":999}`,
	"$JS.API.STREAM.MSG.GET.CERTRECALL_EVENTS":                      `{"seq":1}`,
	"$JS.API.STREAM.INFO.CERTRECALL_EVENTS":                         ``,
	"$JS.API.CONSUMER.MSG.NEXT.CERTRECALL_COMMANDS.revoke=soar":     `{"batch":1,"no_wait":true}`,
	"$JS.API.CONSUMER.MSG.NEXT.CERTRECALL_EVENTS.notifier":          `{"batch":1,"no_wait":true}`,
	"$JS.API.CONSUMER.MSG.NEXT.CERTRECALL_EVENTS.servicenow":        `{"batch":1,"no_wait":true}`,
	"certrecall.api.CONSUMER.MSG.NEXT.CERTRECALL_EVENTS.servicenow": `{"batch":1,"no_wait":true}`,
	"certrecall.cmd.v1.revoke.soar":                                 `{}`, // its publish acknowledgement
	"certrecall.cmd.v1.revoke.servicenow":                           `{}`,
	"$KV.CERTRECALL_CONTROL.op.ada.pause.all":                       `{}`,
	"certrecall.evt.v1.revoked.soar.INC-1.a":                        `{}`,
}

// attack is one way to do what a user may not. It may be refused or come to nothing; what counts is what is stored.
type attack struct {
	name string
	try  func(nc *nats.Conn, ack string)
}

// try publishes with a reply subject of one's own, as any client may.
func try(nc *nats.Conn, subject, body string, header nats.Header) {
	_ = nc.PublishMsg(&nats.Msg{Subject: subject, Reply: nc.NewRespInbox(), Header: header, Data: []byte(body)}) // refused is what it should be
}

var attacks = []attack{
	{"plant by an answer under a reply subject", func(nc *nats.Conn, ack string) {
		for subject, body := range asked {
			for _, reply := range planted(ack) {
				_ = nc.PublishRequest(subject, reply, []byte(body))
			}
		}
	}},
	{"write it directly", func(nc *nats.Conn, ack string) {
		for _, subject := range planted(ack) {
			try(nc, subject, "forged", nil)
		}
	}},
	{"roll up", func(nc *nats.Conn, ack string) {
		for _, how := range []string{"sub", "all"} {
			for _, subject := range planted(ack) {
				try(nc, subject, "forged", nats.Header{"Nats-Rollup": {how}})
			}
		}
	}},
	{"write one's own with a roll-up of all", func(nc *nats.Conn, _ string) {
		for _, subject := range []string{"$KV.CERTRECALL_CONTROL.op.ada.pause.x", "$KV.CERTRECALL_CONTROL.op.bob.pause.x", "certrecall.cmd.v1.revoke.soar"} {
			try(nc, subject, "forged", nats.Header{"Nats-Rollup": {"all"}})
		}
	}},
	{"have a consumer deliver it", func(nc *nats.Conn, ack string) {
		for stream := range stored {
			for i, to := range planted(ack) {
				name := fmt.Sprintf("x%d", i)
				body := fmt.Sprintf(`{"stream_name":%q,"config":{"name":%q,"deliver_subject":%q,"ack_policy":"none"}}`, stream, name, to)
				try(nc, "$JS.API.CONSUMER.CREATE."+stream+"."+name, body, nil)
				try(nc, "$JS.API.CONSUMER.CREATE."+stream+"."+name+".>", body, nil)
				try(nc, "$JS.API.CONSUMER.DURABLE.CREATE."+stream+"."+name, body, nil)
			}
		}
	}},
	{"delete a message", everyStream("STREAM.MSG.DELETE.%s", `{"seq":1}`)},
	{"purge", everyStream("STREAM.PURGE.%s", ``)},
	{"delete a stream", everyStream("STREAM.DELETE.%s", ``)},
	{"update a stream to republish", everyStream("STREAM.UPDATE.%[1]s", `{"name":%[1]q,"republish":{"src":">","dest":"certrecall.evt.v1.>"}}`)},
	{"make a stream again, unlike", everyStream("STREAM.CREATE.%[1]s", `{"name":%[1]q,"subjects":["certrecall.>"],"republish":{"src":">","dest":"x.>"}}`)},
	{"make a mirror, a source", everyStream("STREAM.CREATE.EVIL", `{"name":"EVIL","mirror":{"name":%q},"subjects":["evil.>"]}`)},
	{"restore over it, take a snapshot", func(nc *nats.Conn, _ string) {
		for stream := range stored {
			try(nc, "$JS.API.STREAM.RESTORE."+stream, fmt.Sprintf(`{"config":{"name":%q},"state":{}}`, stream), nil)
			try(nc, "$JS.API.STREAM.SNAPSHOT."+stream, `{"deliver_subject":"$KV.CERTRECALL_ORDERS.order.1"}`, nil)
		}
	}},
	{"settle what another holds", func(nc *nats.Conn, ack string) {
		for _, word := range []string{"", "+ACK", "-NAK", "+TERM", "+WPI"} {
			try(nc, ack, word, nil)
		}
	}},
	{"park pulls at another's consumer", func(nc *nats.Conn, _ string) {
		for _, c := range []string{"CERTRECALL_COMMANDS.revoke=soar", "CERTRECALL_EVENTS.notifier"} {
			for _, prefix := range []string{"$JS.API.", "certrecall.api."} {
				try(nc, prefix+"CONSUMER.MSG.NEXT."+c, `{"batch":1000,"expires":60000000000}`, nil)
			}
		}
	}},
	{"remove, pause, reset another's consumer", func(nc *nats.Conn, _ string) {
		for _, c := range []string{"CERTRECALL_COMMANDS.revoke=soar", "CERTRECALL_EVENTS.notifier"} {
			for _, how := range []string{"DELETE", "PAUSE", "RESET", "UNPIN", "LEADER.STEPDOWN"} {
				try(nc, "$JS.API.CONSUMER."+how+"."+c, `{"pause_until":"2100-01-01T00:00:00Z"}`, nil)
			}
		}
	}},
}

// everyStream makes an attack on each stream out of a request.
func everyStream(subject, body string) func(*nats.Conn, string) {
	return func(nc *nats.Conn, _ string) {
		for stream := range stored {
			on, text := fmt.Sprintf(subject, stream), body
			if strings.Contains(body, "%") {
				text = fmt.Sprintf(body, stream)
			}
			try(nc, "$JS.API."+strings.TrimSuffix(on, "%!(EXTRA string="+stream+")"), text, nil)
		}
	}
}

// held is what an attacker would like to change.
type held struct {
	Messages  map[string]map[uint64]string // of each stream, by sequence
	Configs   map[string]string
	Consumers map[string]string
}

func (s *site) held(t *testing.T) held {
	t.Helper()
	words := s.jetstream(t, "admin-words")
	last := func(stream string) uint64 {
		handle, err := words.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		return handle.CachedInfo().State.LastSeq
	}
	waitFor(t, "the audit of what was said", func() bool { return last("CERTRECALL_AUDIT") == last("KV_CERTRECALL_CONTROL") })
	h := held{map[string]map[uint64]string{}, map[string]string{}, map[string]string{}}
	for stream, admin := range stored {
		handle, err := s.jetstream(t, admin).Stream(t.Context(), stream)
		if err != nil {
			t.Fatalf("stream %s: %v", stream, err)
		}
		info := handle.CachedInfo()
		config, err := json.Marshal(info.Config)
		if err != nil {
			t.Fatal(err)
		}
		h.Configs[stream], h.Messages[stream] = string(config), map[uint64]string{}
		for n := max(info.State.FirstSeq, 1); n <= info.State.LastSeq; n++ {
			if m, err := handle.GetMsg(t.Context(), n); err == nil {
				h.Messages[stream][n] = m.Subject + " " + string(m.Data)
			}
		}
		list := handle.ListConsumers(t.Context())
		for c := range list.Info() {
			h.Consumers[stream+"."+c.Name] = fmt.Sprintf("delivered %d, pending %d, waiting %d, paused %v", c.Delivered.Stream, c.NumAckPending, c.NumWaiting, c.Paused)
		}
		if list.Err() != nil {
			t.Fatal(list.Err())
		}
	}
	return h
}

func (h held) clone() held {
	c := held{map[string]map[uint64]string{}, h.Configs, maps.Clone(h.Consumers)}
	for stream, messages := range h.Messages {
		c.Messages[stream] = maps.Clone(messages)
	}
	return c
}

func TestAttacks(t *testing.T) {
	s := newSite(t)
	worker := s.jetstream(t, "worker")
	publish := func(js jetstream.JetStream, subject, body string) {
		t.Helper()
		if _, err := js.Publish(t.Context(), subject, []byte(body)); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	publish(worker, "certrecall.evt.v1.revoked.soar.INC-1.a", `{"event":"a"}`)
	publish(worker, "certrecall.evt.v1.revoked.servicenow.INC-1.b", `{"event":"b"}`)
	publish(worker, "certrecall.dlq.v1.revoke.soar.INC-1", "+TERM")
	publish(worker, "$KV.CERTRECALL_ORDERS.order.1", "the memory")
	publish(worker, "$KV.CERTRECALL_BUDGET.budget", "the budget")
	publish(worker, "$O.CERTRECALL_RESULTS.C.x", "a chunk")
	for _, o := range []string{"ada", "bob"} {
		publish(s.jetstream(t, o), "$KV.CERTRECALL_CONTROL.op."+o+".pause.all", `{"stop":true}`)
	}
	publish(s.jetstream(t, "soar"), s.names.CommandSubject(messages.LaneRevoke, "soar"), "+ACK")
	publish(s.jetstream(t, "servicenow"), s.names.CommandSubject(messages.LaneRevoke, "servicenow"), "")

	// A worker holds a command. Whoever could settle it would lose it.
	lane, err := streams.EnsureConsumer(t.Context(), worker, s.names, messages.LaneRevoke, "soar", 0)
	if err != nil {
		t.Fatal(err)
	}
	command, err := lane.Next(jetstream.FetchMaxWait(nextWait))
	if err != nil {
		t.Fatal(err)
	}

	for user, mayWrite := range everybody {
		own, last := regexp.MustCompile("^("+mayWrite+") "), s.held(t)
		for _, a := range attacks {
			t.Run(user+"/"+a.name, func(t *testing.T) {
				before := last // not anew: what comes late counts for the next attack
				nc := s.connect(t, user)
				a.try(nc, command.Reply())
				settled(t, nc)
				after := s.held(t)
				last = after.clone()
				for stream := range after.Messages {
					writes(own, stream, before, after)
				}
				excuse(user, before, after)
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("%s changed something (-before +after):\n%s", user, diff)
				}
			})
		}
	}
	if err := command.DoubleAck(t.Context()); err != nil {
		t.Errorf("the worker's command was taken from it: %v", err)
	}
}

// settled waits until the server has answered what was sent before.
func settled(t *testing.T, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// excuse leaves out what a role may do: see docs/threat-model.md.
func excuse(user string, before, after held) {
	remove := func(stream string) {
		delete(before.Messages, stream)
		delete(after.Messages, stream)
	}
	switch user {
	case "ada", "bob": // drops dead letters
		remove("CERTRECALL_DLQ")
	case "worker": // keeps memory and budget, takes commands and makes the consumers for that
		remove("KV_CERTRECALL_ORDERS")
		remove("KV_CERTRECALL_BUDGET")
		remove("OBJ_CERTRECALL_RESULTS")
		remove("CERTRECALL_COMMANDS")
		for _, h := range []held{before, after} {
			for name := range h.Consumers {
				if strings.HasPrefix(name, "CERTRECALL_COMMANDS.") {
					delete(h.Consumers, name)
				}
			}
		}
	case "notifier", "servicenow": // takes from its own consumer
		for _, h := range []held{before, after} {
			delete(h.Consumers, "CERTRECALL_EVENTS."+user)
		}
	}
}

// writes leaves out what a role may write: what is new, and in a bucket the same key before.
func writes(own *regexp.Regexp, stream string, before, after held) {
	for n, m := range maps.Clone(after.Messages[stream]) {
		if _, was := before.Messages[stream][n]; was || !own.MatchString(m) {
			continue
		}
		delete(after.Messages[stream], n)
		if subject, _, _ := strings.Cut(m, " "); strings.HasPrefix(stream, "KV_") {
			for _, h := range []held{before, after} {
				maps.DeleteFunc(h.Messages[stream], func(_ uint64, old string) bool { return strings.HasPrefix(old, subject+" ") })
			}
		}
	}
}

// The threat model names each attack, and no other.
func TestThreatModelNamesTheAttacks(t *testing.T) {
	text, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Attacks tried")
	section, _, _ = strings.Cut(section, "## What remains")
	var named, tried []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		named = append(named, m[1])
	}
	for _, a := range attacks {
		tried = append(tried, a.name)
	}
	if diff := cmp.Diff(tried, named); diff != "" {
		t.Errorf("docs/threat-model.md (-tried +named):\n%s", diff)
	}
}
