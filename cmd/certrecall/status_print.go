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

// firstOfGroup is how many commands of one kind of failure a terminal gets.
const firstOfGroup = 5

func (n standing) print(p *process, all bool) {
	short := isTerminal(p.stdout) && !all
	sections := fleetSections(n.fleet)
	if n.filter.ID != "" || n.filter.OrderID != 0 {
		for r := range n.view.Each(n.fleet.At) {
			sections = append(sections, details(r, n.fleet.At))
		}
		p.show(append(sections, n.states())...)
		return
	}
	sections = append(sections, n.waiting(short), n.held(short), n.overdue(short))
	if short {
		sections = append(sections, failureGroups(n.view.Failures(n.fleet.At, firstOfGroup))...)
	} else {
		sections = append(sections, n.failures())
	}
	if !isTerminal(p.stdout) {
		p.show(append(sections, n.states())...)
		p.lines("command", n.view.Each(n.fleet.At), commandCells)
		return
	}
	if all {
		sections = append(sections, n.commands())
	}
	p.show(append(sections, n.states())...)
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
	if line := holdLine(f); line != "" {
		lanes.note("held: %s", line)
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

// incidentSection tells of each incident with something new, the latest first.
func incidentSection(all []status.Summary, since time.Duration, short bool) section {
	s := section{
		tag: "incident", title: "INCIDENTS WITH SOMETHING NEW WITHIN " + strings.ToUpper(span(since)),
		header: []string{"incident", "commands", "queued", "accepted", "waiting", "done", "failed", "cancelled", "latest", "held"},
		right:  []int{1, 2, 3, 4, 5, 6, 7, 9},
	}
	for i, one := range all {
		if short && i == shortList {
			s.note("and %d older ones: --all names them", len(all)-i)
			break
		}
		t := totals(one.States)
		s.add(orDash(one.Incident), strconv.Itoa(t.all), strconv.Itoa(one.States[status.Queued]), strconv.Itoa(one.States[status.Accepted]),
			strconv.Itoa(one.States[status.Waiting]), strconv.Itoa(t.well), strconv.Itoa(t.failed),
			strconv.Itoa(one.States[status.Cancelled]), stamp(one.Latest), strconv.Itoa(one.States[status.Held]))
	}
	if len(all) == 0 {
		s.note("none; --since looks further back")
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
	counts := n.view.Counts()
	for _, state := range status.States() {
		if c := counts[state]; c > 0 {
			s.add(string(state), strconv.Itoa(c))
		}
	}
	switch calls := n.calls + n.listings; {
	case n.view.Len() == 0:
		s.note("none is known")
	case calls > 0 && holdLine(n.fleet) != "":
		s.note("%s before the queue is through with them: %s", counted(calls, "call"), holdLine(n.fleet))
	case calls > 0:
		s.note("%s before the queue is through with them: at best %s under the budget", counted(calls, "call"), span(n.timeLeft()))
	case counts[status.Waiting] > 0:
		s.note("nothing is queued; %d wait for an administrator", counts[status.Waiting])
	}
	return s
}

// waiting names what an administrator has to decide, the longest first.
func (n standing) waiting(short bool) section {
	s := section{
		tag: "waiting", title: "WAITING FOR AN ADMINISTRATOR IN CERTCENTRAL",
		header: []string{"order", "certificate", "request", "status", "for", "deadline", "command"}, right: []int{0, 1, 2},
	}
	rows := n.view.Select(n.fleet.At, func(r *status.Row) bool { return r.State == status.Waiting })
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

// held names what the policy keeps back, the longest first.
func (n standing) held(short bool) section {
	s := section{
		tag: "held", title: "HELD BY THE POLICY", header: []string{"order", "certificate", "limit", "counted", "for", "command"}, right: []int{0, 1, 3},
	}
	rows := n.view.Select(n.fleet.At, func(r *status.Row) bool { return r.State == status.Held })
	slices.SortStableFunc(rows, func(a, b status.Row) int { return a.Since.Compare(b.Since) })
	for i, r := range rows {
		if short && i == shortList {
			s.note("and %d more: --all names them", len(rows)-i)
			break
		}
		s.add(number(r.OrderID), number(r.CertificateID), orDash(r.HeldBy), strconv.Itoa(r.HeldCount), since(r.Since, n.fleet.At), r.Key())
	}
	if len(rows) > 0 {
		s.note("they go on when operators allow it: certrecall allow --help")
	}
	return s
}

// overdue names what should be done by now.
func (n standing) overdue(short bool) section {
	s := section{
		tag: "overdue", title: "OVERDUE", header: []string{"order", "certificate", "state", "deadline", "late by", "command"}, right: []int{0, 1},
	}
	rows := n.view.Select(n.fleet.At, func(r *status.Row) bool { return r.Overdue && !r.State.Final() })
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
func (n standing) failures() section {
	s := section{
		tag: "failed", title: "FAILED", header: []string{"order", "certificate", "error", "detail", "dead letter", "command"}, right: []int{0, 1, 4}, wrap: 4,
	}
	for r := range n.view.Each(n.fleet.At) {
		if !r.State.Failed() {
			continue
		}
		kind, detail := problemOf(r)
		s.add(number(r.OrderID), number(r.CertificateID), kind, detail, number(r.DeadLetter), r.Key())
	}
	if len(s.rows) > 0 {
		s.note("%s", tryAgain)
	}
	return s
}

const tryAgain = "try again with  certrecall dlq replay  or  certrecall submit revoke --failed-of INCIDENT; one is shown by  certrecall status --command NAME"

// failureGroups name failures by their reason, the most frequent first, with
// the first orders of each.
func failureGroups(groups []status.Failures) []section {
	var all []section
	for _, g := range groups {
		s := section{
			tag: "failed", title: fmt.Sprintf("FAILED: %d %s (%s)", g.Count, g.Type, g.Title), header: []string{"order", "certificate", "detail", "dead letter", "command"},
			right: []int{0, 1, 3}, wrap: 3, alarm: true,
		}
		for _, r := range g.First {
			_, detail := problemOf(r)
			s.add(number(r.OrderID), number(r.CertificateID), detail, number(r.DeadLetter), r.Key())
		}
		if more := g.Count - len(g.First); more > 0 {
			s.note("and %d more: --all names them", more)
		}
		all = append(all, s)
	}
	if len(all) > 0 {
		all[len(all)-1].note("%s", tryAgain)
	}
	return all
}

func problemOf(r status.Row) (kind, detail string) {
	if r.Error == nil {
		return string(r.State), "-"
	}
	return string(r.Error.Type), r.Error.Detail
}

// commands names every command.
func (n standing) commands() section {
	s := section{
		tag: "command", title: "ALL COMMANDS",
		header: []string{"order", "certificate", "state", "since", "request", "status", "attempts", "error", "command"}, right: []int{0, 1, 4, 6},
	}
	for r := range n.view.Each(n.fleet.At) {
		s.add(commandCells(r)...)
	}
	return s
}

func commandCells(r status.Row) []string {
	kind := ""
	if r.Error != nil {
		kind = string(r.Error.Type)
	}
	return []string{
		number(r.OrderID), number(r.CertificateID), string(r.State), stamp(r.Since), number(r.RequestID), orDash(r.Status),
		strconv.Itoa(r.Attempts), orDash(kind), r.Key(),
	}
}

// orAll names a kind of calls.
func orAll(k gate.Kind) string { return cmp.Or(string(k), "everything") }

// holdLine says in one line what keeps everything, or all revocations, from
// going on; "" is nothing.
func holdLine(f status.Fleet) string {
	var parts []string
	for _, h := range f.Holds() {
		switch h.Gate {
		case gate.Paused:
			parts = append(parts, fmt.Sprintf("%s paused by %s: %s", orAll(h.Kind), h.By, h.Reason))
		case gate.NotBefore:
			parts = append(parts, "DigiCert answered 429: no call before "+stamp(h.Until))
		case status.BudgetSpent:
			parts = append(parts, "budget spent ("+h.Reason+"), next calls at "+h.Until.UTC().Format(time.TimeOnly)+" UTC")
		default:
			parts = append(parts, strings.TrimSpace(string(h.Gate)+" "+h.Reason))
		}
	}
	return strings.Join(parts, "; ")
}
