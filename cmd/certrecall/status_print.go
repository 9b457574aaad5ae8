package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"certrecall/worker/gate"
	"certrecall/worker/status"
)

// shortList is how many rows of a long list a terminal gets.
const shortList = 20

func (n standing) print(p *process, all bool) {
	short := isTerminal(p.stdout) && !all
	sections := fleetSections(n.fleet)
	if n.filter == (status.Filter{}) {
		sections = append(sections, n.incidents(short))
	}
	sections = append(sections, n.states())
	if n.filter.ID != "" || n.filter.OrderID != 0 {
		for _, r := range n.rows {
			sections = append(sections, details(r, n.fleet.At))
		}
	} else {
		sections = append(sections, n.waiting(short), n.overdue(short), failures(n.rows, short))
	}
	if all || !isTerminal(p.stdout) && n.filter != (status.Filter{}) {
		sections = append(sections, commands(n.rows))
	}
	p.print(sections...)
}

// fleetSections tell what concerns everybody.
func fleetSections(f status.Fleet) []section {
	lanes := section{
		tag: "lane", title: "QUEUE", header: []string{"lane", "queued", "in hand", "pulls waiting", "oldest"}, right: []int{1, 2, 3},
	}
	gates := gateSection(f)
	var still []string // lanes in which nothing moves
	idle := true
	for _, l := range f.Lanes {
		lanes.add(string(l.Lane), strconv.FormatUint(l.Pending, 10), strconv.Itoa(l.InHand), strconv.Itoa(l.Asking), since(l.Oldest, f.At))
		moves := l.Asking > 0 || l.InHand > 0
		if idle = idle && !moves; !moves && l.Pending > 0 {
			still = append(still, string(l.Lane))
		}
	}
	switch {
	case len(gates.rows) > 0:
	case idle:
		lanes.note("no worker asks for commands: does one run? its /readyz tells what keeps it (NATS, the key, DigiCert)")
	case len(still) > 0:
		lanes.note("nothing moves in %s: the /readyz of a worker tells what keeps it (the key, DigiCert)", strings.Join(still, ", "))
	}
	used := section{
		tag: "budget", title: "BUDGET", header: []string{"calls", "per", "used", "left"}, right: []int{0, 1, 2, 3},
	}
	for _, w := range f.Budget {
		used.add(strconv.Itoa(w.Calls), span(time.Duration(w.Seconds*float64(time.Second))), strconv.Itoa(w.Used), strconv.Itoa(w.Left))
	}
	return []section{lanes, used, gates}
}

func gateSection(f status.Fleet) section {
	s := section{tag: "gate", title: "CLOSED GATES", header: []string{"gate", "what", "since", "by", "reason"}}
	for _, p := range f.Pauses {
		s.add(string(gate.Paused), orAll(p.Kind), stamp(p.Since), p.By, p.Reason)
	}
	if !f.NotBefore.IsZero() {
		s.add(string(gate.NotBefore), orAll(gate.Both), "-", "DigiCert", "429: no call before "+stamp(f.NotBefore))
	}
	return s
}

// incidents tells of each incident, the latest first.
func (n standing) incidents(short bool) section {
	type group struct {
		name   string
		counts map[status.State]int
		latest time.Time
	}
	groups := map[string]*group{}
	for _, r := range n.rows {
		g := groups[r.Incident]
		if g == nil {
			g = &group{name: r.Incident, counts: map[status.State]int{}}
			groups[r.Incident] = g
		}
		g.counts[r.State]++
		if r.Received.After(g.latest) {
			g.latest = r.Received
		}
	}
	var sorted []*group
	for _, g := range groups {
		sorted = append(sorted, g)
	}
	slices.SortFunc(sorted, func(a, b *group) int { return cmp.Or(b.latest.Compare(a.latest), cmp.Compare(a.name, b.name)) })
	s := section{
		tag: "incident", title: "INCIDENTS",
		header: []string{"incident", "commands", "queued", "accepted", "waiting", "done", "failed", "cancelled", "latest"}, right: []int{1, 2, 3, 4, 5, 6, 7},
	}
	for i, g := range sorted {
		if short && i == shortList {
			s.note("and %d older ones: --all names them", len(sorted)-i)
			break
		}
		t := totals(g.counts)
		s.add(orDash(g.name), strconv.Itoa(t.all), strconv.Itoa(g.counts[status.Queued]), strconv.Itoa(g.counts[status.Accepted]),
			strconv.Itoa(g.counts[status.Waiting]), strconv.Itoa(t.well), strconv.Itoa(t.failed),
			strconv.Itoa(g.counts[status.Cancelled]), stamp(g.latest))
	}
	return s
}

// sums are the sums of counts that matter to people.
type sums struct{ all, final, well, failed int }

func totals(counts map[status.State]int) sums {
	var t sums
	for s, n := range counts {
		t.all += n
		if s.Final() {
			t.final += n
		}
		if s.Well() {
			t.well += n
		}
		if s.Failed() {
			t.failed += n
		}
	}
	return t
}

// states counts the commands, and tells how long the rest takes.
func (n standing) states() section {
	s := section{tag: "state", title: "COMMANDS", header: []string{"state", "commands"}, right: []int{1}}
	if n.filter.Incident != "" {
		s.title += " OF INCIDENT " + n.filter.Incident
	}
	for _, state := range status.States() {
		if c := n.counts[state]; c > 0 {
			s.add(string(state), strconv.Itoa(c))
		}
	}
	switch calls := n.calls + n.listings; {
	case len(n.rows) == 0:
		s.note("none is known")
	case calls > 0:
		s.note("%s before the queue is through with them: at best %s under the budget", counted(calls, "call"), span(n.timeLeft()))
	case n.counts[status.Waiting] > 0:
		s.note("nothing is queued; %d wait for an administrator", n.counts[status.Waiting])
	}
	return s
}

// waiting names what an administrator has to decide, the longest first.
func (n standing) waiting(short bool) section {
	s := section{
		tag: "waiting", title: "WAITING FOR AN ADMINISTRATOR IN CERTCENTRAL",
		header: []string{"order", "certificate", "request", "status", "for", "deadline", "command"}, right: []int{0, 1, 2},
	}
	rows := keep(n.rows, func(r status.Row) bool { return r.State == status.Waiting })
	slices.SortStableFunc(rows, func(a, b status.Row) int { return a.Since.Compare(b.Since) })
	for i, r := range rows {
		if short && i == shortList {
			s.note("and %d more, for a shorter time: --all names them", len(rows)-i)
			break
		}
		s.add(number(r.OrderID), number(r.CertificateID), number(r.RequestID), orDash(r.Status), since(r.Since, n.fleet.At), stamp(r.Deadline), r.Key())
	}
	return s
}

// overdue names what should be done by now.
func (n standing) overdue(short bool) section {
	s := section{
		tag: "overdue", title: "OVERDUE", header: []string{"order", "certificate", "state", "deadline", "late by", "command"}, right: []int{0, 1},
	}
	rows := keep(n.rows, func(r status.Row) bool { return r.Overdue && !r.State.Final() })
	for i, r := range rows {
		if short && i == shortList {
			s.note("and %d more: --all names them", len(rows)-i)
			break
		}
		s.add(number(r.OrderID), number(r.CertificateID), string(r.State), stamp(r.Deadline), since(r.Deadline, n.fleet.At), r.Key())
	}
	return s
}

// failures names what ended otherwise than asked, and how to try it again.
func failures(all []status.Row, short bool) section {
	s := section{
		tag: "failed", title: "FAILED", header: []string{"order", "certificate", "error", "detail", "dead letter", "command"}, right: []int{0, 1, 4}, wrap: 4,
	}
	rows := keep(all, func(r status.Row) bool { return r.State.Failed() })
	for i, r := range rows {
		if short && i == shortList {
			s.note("and %d more: --all names them", len(rows)-i)
			break
		}
		kind, detail := problemOf(r)
		s.add(number(r.OrderID), number(r.CertificateID), kind, detail, number(r.DeadLetter), r.Key())
	}
	if slices.ContainsFunc(rows, func(r status.Row) bool { return r.DeadLetter != 0 }) {
		s.note("look at one with  certrecall dlq show N  and try it again with  certrecall dlq replay N")
	}
	return s
}

func problemOf(r status.Row) (kind, detail string) {
	if r.Error == nil {
		return string(r.State), "-"
	}
	return string(r.Error.Type), r.Error.Detail
}

// commands names every command.
func commands(rows []status.Row) section {
	s := section{
		tag: "command", title: "ALL COMMANDS",
		header: []string{"order", "certificate", "state", "since", "request", "status", "attempts", "error", "command"}, right: []int{0, 1, 4, 6},
	}
	for _, r := range rows {
		kind := ""
		if r.Error != nil {
			kind = string(r.Error.Type)
		}
		s.add(number(r.OrderID), number(r.CertificateID), string(r.State), stamp(r.Since), number(r.RequestID), orDash(r.Status),
			strconv.Itoa(r.Attempts), orDash(kind), r.Key())
	}
	return s
}

// details tells everything of one command.
func details(r status.Row, now time.Time) section {
	s := section{tag: "command", title: "COMMAND " + r.Key(), header: []string{"", ""}, wrap: 2}
	add := func(name, value string) {
		if value != "" && value != "-" {
			s.add(name, value)
		}
	}
	state := string(r.State)
	if !r.State.Final() {
		state += ", for " + since(r.Since, now)
	}
	if r.Overdue {
		state += ", overdue"
	}
	add("command", r.Key())
	add("state", state)
	add("order", number(r.OrderID))
	add("certificate", number(r.CertificateID))
	add("incident", r.Incident)
	add("lane", string(r.Lane))
	add("requested by", r.RequestedBy)
	add("comments", r.Comments)
	add("reason", string(r.Reason))
	if r.SkipApproval {
		add("approval", "skipped")
	}
	add("deadline", stamp(r.Deadline))
	add("expires", stamp(r.Expires))
	add("replay of", r.ReplayOf)
	add("retried as", r.RetriedAs)
	add("claimed id", r.ClaimedID)
	for _, e := range []struct {
		name string
		at   time.Time
	}{{"received", r.Received}, {"accepted", r.Accepted}, {"requested", r.Requested}, {"finished", r.Finished}} {
		add(e.name, stamp(e.at))
	}
	add("request", number(r.RequestID))
	add("status", r.Status)
	add("decided by", r.Decision.By)
	add("decided", stamp(r.Decision.At))
	add("decision", r.Decision.Comment)
	if r.Already {
		add("already", "another command, or somebody outside, had caused it")
	}
	add("attempts", strconv.Itoa(r.Attempts))
	if r.Certificates != nil {
		add("certificates", strconv.Itoa(*r.Certificates))
	}
	add("order status", r.OrderStatus)
	if e := r.Error; e != nil {
		add("error", string(e.Type))
		add("detail", e.Detail)
		add("DigiCert said", strings.TrimSpace(fmt.Sprintf("%s %s", number(e.Status), e.Code)))
		add("retryable", strconv.FormatBool(e.Retryable))
	}
	add("dead letter", number(r.DeadLetter))
	return s
}

// keep gives the rows for which is holds.
func keep(rows []status.Row, is func(status.Row) bool) []status.Row {
	var out []status.Row
	for _, r := range rows {
		if is(r) {
			out = append(out, r)
		}
	}
	return out
}

// orAll names a kind of calls.
func orAll(k gate.Kind) string { return cmp.Or(string(k), "everything") }
