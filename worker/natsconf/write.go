package natsconf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// generator writes one file.
type generator struct {
	site          Site
	prefix, upper string
	out           strings.Builder
}

// Config gives the configuration of a NATS server for a site that was read.
func (s Site) Config() string {
	g := &generator{site: s, prefix: s.Prefix, upper: strings.ToUpper(s.Prefix)}
	roles := g.roles()
	g.line("%s", head)
	for where, about := range []string{
		records: "Events, dead letters, the memory of orders, the budget, large results.",
		queue:   "Commands. Workers may make consumers here, and nowhere else. A flood of commands fills this account's share of the disk only.",
		words:   "What operators say, and its audit.",
	} {
		g.streams(where, about, roles)
	}
	g.line("  # %s", strings.ReplaceAll(outside, "\n", "\n  # "))
	for _, r := range roles {
		g.role(r)
	}
	g.line("}")
	return g.out.String()
}

func (g *generator) line(format string, args ...any) {
	fmt.Fprintf(&g.out, format+"\n", args...)
}

// accounts of the streams, by their index, and who keeps each.
func (g *generator) account(where int) string {
	return g.upper + [3]string{"", "_QUEUE", "_WORDS"}[where]
}

var admins = [3]string{"admin", "admin-queue", "admin-words"}

// room is what an account's streams may take of the disk. The first and the last are small beside it and must always find room.
var room = [3]string{records: "enabled", queue: "{max_file: 16G, max_mem: 0, max_streams: 1}", words: "{max_file: 2G, max_mem: 0, max_streams: 2}"}

func (g *generator) streams(where int, about string, roles []role) {
	g.line("")
	g.line("  # %s", about)
	g.line("  %s {", g.account(where))
	g.line("    jetstream: %s", room[where])
	g.line("    users: [{user: %s, password: $NATS_%s_PASSWORD}]", admins[where], variable(admins[where]))
	g.line("    exports: [")
	services, heard := map[string][]string{}, map[string][]string{}
	for _, r := range roles {
		for _, s := range r.services[where] {
			services[s] = append(services[s], r.account)
		}
		for _, s := range r.listens[where] {
			heard[s] = append(heard[s], r.account)
		}
	}
	for _, s := range sortedKeys(services) {
		answers := ""
		if strings.Contains(s, ".MSG.NEXT.") || strings.HasPrefix(s, api+"DIRECT.GET.") {
			answers = ", response_type: stream"
		}
		g.line("      {service: %q%s, accounts: [%s]}", s, answers, strings.Join(services[s], ", "))
	}
	for _, s := range sortedKeys(heard) {
		g.line("      {stream: %q, accounts: [%s]}", s, strings.Join(heard[s], ", "))
	}
	g.line("    ]")
	g.line("  }")
}

func (g *generator) role(r role) {
	g.line("")
	g.line("  # %s", r.about)
	g.line("  %s {", r.account)
	g.line("    users: [{user: %s, password: $NATS_%s_PASSWORD}]", r.user, variable(r.user))
	g.line("    limits: {max_connections: %d, max_subscriptions: 2000, max_payload: 1048576}", r.connections)
	g.line("    imports: [")
	for where := range r.services {
		for _, s := range r.services[where] {
			to := ""
			if r.api[s] != "" {
				to = fmt.Sprintf(", to: %q", r.api[s])
			}
			g.line("      {service: {account: %s, subject: %q}%s}", g.account(where), s, to)
		}
		for _, s := range r.listens[where] {
			g.line("      {stream: {account: %s, subject: %q}}", g.account(where), s)
		}
	}
	g.line("    ]")
	g.line("  }")
}

// account names the account of a user.
func account(kind, user string) string {
	name := variable(user)
	if kind != "" {
		name = kind + "_" + name
	}
	return name
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

const head = `# NATS for certrecall: durable JetStream, and an account for each role that reaches exactly what it needs.
# Written by ` + "`certrecall nats-conf`" + ` from deploy/nats/site.yml: change that list and write this file anew. nats-tls.conf and
# nats-cluster.conf include it and add TLS or two more servers. Tests start a server with this very file and try what
# each role may do, and the attacks of docs/threat-model.md.
#
# Passwords come from environment variables ($NAME; the server does not start without them). One that could be read as
# a number or as true, yes, on has to be in quotes inside the variable too. In production prefer nkeys:
#   {nkey: "UD…"}   instead of   {user: …, password: …}

listen: "0.0.0.0:4222"
http: "127.0.0.1:8222" # health and monitoring, from this host (container) only
max_payload: 1048576
max_control_line: 4096

jetstream {
  store_dir: "/data"
  # An acknowledged write is on disk. The default syncs every two minutes, and a power cut takes what was acknowledged
  # since: commands that somebody believes queued, and the record of revocations already sent. It costs little at a few
  # calls a second.
  sync_interval: always
}

system_account: SYS

accounts {
  SYS {
    users: [{user: sys, password: $NATS_SYS_PASSWORD}]
  }

  # 1. Where the streams are ---------------------------------------------------------------------------------------------
  # Nobody lives here but NATS itself and the users admin, for backup, restore, limits and the consumers of readers:
  # keep them in a safe, use them for nothing else. JetStream answers a request on the reply subject that the caller
  # chose, without asking whether the caller may write there. From an account outside, an answer goes nowhere but back
  # into that account: so whoever is not trusted with everything lives outside, and reaches what is exported to it.
  # The exports say who may do what.`

const outside = `2. Who lives outside ------------------------------------------------------------------------------------------------
An account each, also for each operator and each system: in one account everybody reads everybody's answers.
To read events a system needs a consumer, which an admin makes once, since a consumer may deliver anywhere in its account:
  nats consumer add CERTRECALL_EVENTS servicenow --pull --filter 'certrecall.evt.v1.*.servicenow.>' --ack explicit --deliver all --defaults
  nats consumer add CERTRECALL_EVENTS notifier --pull --ack explicit --deliver all --defaults
The system's client uses the API prefix certrecall.api to read it.`
