package natsconf

import (
	"slices"
	"strings"
)

// The accounts where streams are. Nobody lives there but NATS itself and the users admin.
//
// There are three, since whoever may make a consumer may have it deliver any message under any subject of its account,
// a request to JetStream among them. Only workers may make consumers, and only of commands: commands stand alone. What
// operators say stands alone too, so that no worker can say it.
const (
	records = iota // events, dead letters, orders, budget, results
	queue          // commands
	words          // what operators say, and its audit
)

// role is an account outside, and what it reaches of the three.
type role struct {
	account, user, about string
	connections          int
	services             [3][]string       // subjects to send to, as they are called there
	api                  map[string]string // of services: imported under another subject
	listens              [3][]string       // subjects to hear
}

// add grants subjects of one of the three accounts.
func (r *role) add(where int, subjects ...string) {
	r.services[where] = append(r.services[where], subjects...)
}

// assets are the streams of each account, as JetStream calls them.
func (g *generator) assets() [3][]string {
	return [3][]string{
		records: {g.upper + "_EVENTS", g.upper + "_DLQ", "KV_" + g.upper + "_ORDERS", "KV_" + g.upper + "_BUDGET", "OBJ_" + g.upper + "_RESULTS"},
		queue:   {g.upper + "_COMMANDS"},
		words:   {"KV_" + g.upper + "_CONTROL", g.upper + "_AUDIT"},
	}
}

const api = "$JS.API."

// info lets an account ask JetStream what it is.
func (r *role) info() { r.add(records, api+"INFO") }

// looks lets a role see how a stream is made and what it counts.
func (r *role) looks(where int, stream string) { r.add(where, api+"STREAM.INFO."+stream) }

// gets lets a role read messages by request and answer: that makes nothing in NATS.
func (r *role) gets(where int, stream string) {
	r.looks(where, stream)
	r.add(where, api+"STREAM.MSG.GET."+stream)
	r.add(where, api+"DIRECT.GET."+stream, api+"DIRECT.GET."+stream+".>")
}

// leader is gets for a stream without direct gets.
func (r *role) leader(where int, stream string) {
	r.looks(where, stream)
	r.add(where, api+"STREAM.MSG.GET."+stream)
}

func (g *generator) worker() role {
	commands, events := g.upper+"_COMMANDS", g.upper+"_EVENTS"
	r := role{account: "WORKER", user: "worker", connections: 200,
		about: "`certrecall worker --provision=false`: takes commands, remembers, answers. It writes no word of an operator."}
	r.info()
	r.gets(queue, commands)
	r.add(queue, api+"CONSUMER.CREATE."+commands+".>", api+"CONSUMER.DELETE."+commands+".*",
		api+"CONSUMER.INFO."+commands+".*", api+"CONSUMER.NAMES."+commands, api+"CONSUMER.LIST."+commands,
		api+"CONSUMER.MSG.NEXT."+commands+".*", "$JS.ACK."+commands+".>")
	r.leader(records, events)
	r.looks(records, g.upper+"_DLQ")
	for _, s := range []string{"KV_" + g.upper + "_ORDERS", "KV_" + g.upper + "_BUDGET", "OBJ_" + g.upper + "_RESULTS"} {
		r.gets(records, s)
	}
	r.add(records, g.prefix+".evt.v1.>", g.prefix+".dlq.v1.>",
		"$KV."+g.upper+"_ORDERS.>", "$KV."+g.upper+"_BUDGET.>", "$O."+g.upper+"_RESULTS.>")
	r.listens[records] = []string{g.heard("BUDGET")}
	r.gets(words, "KV_"+g.upper+"_CONTROL")
	r.leader(words, g.upper+"_AUDIT")
	r.listens[words] = []string{g.heard("CONTROL")}
	return r
}

func (g *generator) setup() role {
	r := role{account: "SETUP", user: "setup", connections: 10,
		about: "`certrecall setup`, once and at an upgrade: makes what is absent. It can change, purge or delete nothing."}
	r.info()
	for where, streams := range g.assets() {
		for _, s := range streams {
			r.add(where, api+"STREAM.CREATE."+s)
			r.looks(where, s)
		}
	}
	r.add(records, api+"STREAM.MSG.GET."+g.upper+"_EVENTS")
	r.add(queue, api+"CONSUMER.INFO."+g.upper+"_COMMANDS.*")
	return r
}

// viewer reads all and makes nothing.
func (g *generator) viewer(user string) role {
	r := role{account: account("VIEWER", user), user: user, connections: 20, about: "Reads everything and writes nothing: a console, a report."}
	r.info()
	for where, streams := range g.assets() {
		for _, s := range streams {
			r.gets(where, s)
		}
	}
	commands, events := g.upper+"_COMMANDS", g.upper+"_EVENTS"
	r.add(queue, api+"CONSUMER.INFO."+commands+".*", api+"CONSUMER.NAMES."+commands, api+"CONSUMER.LIST."+commands)
	r.add(records, api+"CONSUMER.INFO."+events+".*", api+"CONSUMER.NAMES."+events, api+"CONSUMER.LIST."+events)
	r.listens[words] = []string{g.heard("CONTROL")}
	return r
}

// operator is a viewer who speaks under his own name, sends again what failed, and drops it.
func (g *generator) operator(user string) role {
	r := g.viewer(user)
	r.account = account("OPERATOR", user)
	r.about = "An operator: reads everything, and says under this name alone: pause, cancel, allow, replay, drop."
	r.add(words, g.said(user))
	r.add(queue, g.prefix+".cmd.v1.*.*") // a replay goes out under the source that the dead letter had
	r.add(records, api+"STREAM.MSG.DELETE."+g.upper+"_DLQ")
	return r
}

// heard is where the server tells what was written to a bucket. What is sent by one account to another is told to no
// third one, so a write itself cannot be heard.
func (g *generator) heard(bucket string) string {
	return g.prefix + ".heard." + g.upper + "_" + bucket + ".>"
}

func (g *generator) said(operator string) string {
	return "$KV." + g.upper + "_CONTROL.op." + operator + ".>"
}

func (g *generator) gateway() role {
	r := role{account: "GATEWAY", user: "gateway", connections: 20,
		about: "`certrecall gateway`: sends for exactly these sources, reads events, has the consumers of its deliveries."}
	r.info()
	for _, source := range sortedKeys(g.site.Gateway.Sources) {
		r.add(queue, g.commands(source, g.site.Gateway.Sources[source])...)
	}
	r.leader(records, g.upper+"_EVENTS")
	for _, d := range g.site.Gateway.Deliveries {
		r.consumer(g.upper+"_EVENTS", "gateway-"+d)
		r.add(records, api+"CONSUMER.PAUSE."+g.upper+"_EVENTS.gateway-"+d) // to switch an endpoint off
	}
	return r
}

func (g *generator) producer(source string) role {
	p := g.site.Producers[source]
	r := role{account: account("", source), user: source, connections: 50, about: "Sends commands as the source " + source + "."}
	r.add(queue, g.commands(source, p.Lanes)...)
	if p.Events {
		r.about = "Sends commands as the source " + source + ", and reads the events of its own."
		r.reads(g, source)
	}
	return r
}

func (g *generator) reader(user string) role {
	r := role{account: account("", user), user: user, connections: 20, about: "Reads all events, for chat, tickets, archives; sends nothing."}
	r.reads(g, user)
	return r
}

// commands are the subjects of a source.
func (g *generator) commands(source string, lanes []string) (subjects []string) {
	if len(lanes) == 0 {
		return []string{g.prefix + ".cmd.v1.*." + source}
	}
	for _, l := range lanes {
		subjects = append(subjects, g.prefix+".cmd.v1."+l+"."+source)
	}
	return subjects
}

// reads gives a system its consumer of events, under an API prefix of its own.
func (r *role) reads(g *generator, name string) {
	r.consumer(g.upper+"_EVENTS", name)
	r.api = map[string]string{}
	for _, s := range r.services[records] {
		if after, ok := strings.CutPrefix(s, api); ok {
			r.api[s] = g.prefix + ".api." + after
		}
	}
}

// consumer lets a role use one consumer that is there.
func (r *role) consumer(stream, name string) {
	r.add(records, api+"CONSUMER.INFO."+stream+"."+name, api+"CONSUMER.MSG.NEXT."+stream+"."+name, "$JS.ACK."+stream+"."+name+".>")
}

// roles are all, in the order of the file.
func (g *generator) roles() []role {
	all := []role{g.worker(), g.setup()}
	for _, o := range g.site.Operators {
		all = append(all, g.operator(o))
	}
	for _, v := range g.site.Viewers {
		all = append(all, g.viewer(v))
	}
	if g.site.hasGateway() {
		all = append(all, g.gateway())
	}
	for _, p := range g.site.producers() {
		all = append(all, g.producer(p))
	}
	for _, u := range g.site.Readers {
		all = append(all, g.reader(u))
	}
	for i := range all {
		for where := range all[i].services {
			slices.Sort(all[i].services[where])
			all[i].services[where] = slices.Compact(all[i].services[where])
		}
	}
	return all
}
