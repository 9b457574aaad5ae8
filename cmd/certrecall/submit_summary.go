package main

import (
	"fmt"
	"strconv"
	"strings"

	"certrecall/messages"
	"certrecall/worker/submission"
)

const (
	// namedOrders is up to how many orders a confirmation names each.
	namedOrders = 10
	// firstOrders is how many of more it names, beside the last.
	firstOrders = 3
)

// summarize says what is about to be revoked.
func (o outcome) summarize(p *process) {
	t := o.count()
	p.say("To be revoked at DigiCert, which cannot be undone:")
	if t.orders > 0 {
		p.say("  orders        %d, each with all its certificates, duplicates and reissues", t.orders)
	}
	if t.certificates > 0 {
		p.say("  certificates  %d", t.certificates)
	}
	for _, line := range o.named() {
		p.say("                %s", line)
	}
	p.say("  incident      %s", o.incident)
	p.say("  why           %s", several(t.comments))
	p.say("  reason        %s", several(t.reasons))
	p.say("  deadline      %s", several(t.deadlines))
	switch t.skip {
	case 0:
		p.say("  approval      by an administrator in CertCentral, each")
	case t.orders + t.certificates:
		p.say("  approval      skipped: they are revoked at once")
	default:
		p.say("  approval      skipped for %d of them: those are revoked at once", t.skip)
	}
	p.say("  lane          %s, as source %s at %s, prefix %s", o.lane, o.Source, o.redacted(), o.Prefix)
	o.remark(p)
}

// summed is what a submission revokes, counted.
type summed struct {
	orders, certificates, skip   int
	comments, reasons, deadlines map[string]bool
}

func (o outcome) count() summed {
	t := summed{comments: map[string]bool{}, reasons: map[string]bool{}, deadlines: map[string]bool{}}
	for _, it := range o.fresh.Items {
		c := it.Command
		if !submission.Revokes(c) {
			continue
		}
		if c.CertificateID == 0 {
			t.orders++
		} else {
			t.certificates++
		}
		if c.SkipApproval {
			t.skip++
		}
		t.comments[c.Comments], t.reasons[orDash(c.RevocationReason)], t.deadlines[stamp(c.Deadline)] = true, true, true
	}
	return t
}

// named names what goes: each order up to ten, else the file, the first and the
// last, with what a plan says of them.
func (o outcome) named() []string {
	var all []messages.Command
	for _, it := range o.fresh.Items {
		if submission.Revokes(it.Command) {
			all = append(all, it.Command)
		}
	}
	if len(all) <= namedOrders {
		lines := make([]string, len(all))
		for i, c := range all {
			lines[i] = o.describe(c)
		}
		return lines
	}
	from := "given by --order"
	switch {
	case o.FailedOf != "":
		from = "what failed of " + o.FailedOf
	case o.File == "-":
		from = "from standard input"
	case o.File != "":
		from = "from " + o.File
	}
	lines := []string{from + ":"}
	for _, c := range all[:firstOrders] {
		lines = append(lines, o.describe(c))
	}
	lines = append(lines, "…", o.describe(all[len(all)-1]))
	if planned, certificates := o.planned(all); planned > 0 {
		lines = append(lines, fmt.Sprintf("by the plan %s of %d of them; of %d there is no plan", counted(certificates, "certificate"), planned, len(all)-planned))
	}
	return lines
}

func (o outcome) describe(c messages.Command) string {
	text := strconv.FormatInt(c.OrderID, 10)
	if c.CertificateID != 0 {
		text += ", certificate " + strconv.FormatInt(c.CertificateID, 10)
	}
	if c.ExpectedCommonName != "" {
		text += "  only if it is " + c.ExpectedCommonName
	}
	plan, ok := o.past.Plans[c.OrderID]
	if ok && plan.CommonName != "" {
		text += "  " + plan.CommonName
	}
	if ok && c.CertificateID == 0 {
		text += ", " + counted(plan.Certificates, "certificate") + " by the plan"
	}
	return text
}

func (o outcome) planned(all []messages.Command) (orders, certificates int) {
	for _, c := range all {
		if plan, ok := o.past.Plans[c.OrderID]; ok {
			orders++
			certificates += plan.Certificates
		}
	}
	return orders, certificates
}

// remark says what is odd about the input, and what is known already.
func (o outcome) remark(p *process) {
	if len(o.all.Repeated) > 0 {
		p.say("  repeated      %s: said before in the same input, sent once", submission.Ranges(o.all.Repeated))
	}
	if len(o.all.Covered) > 0 {
		p.say("  covered       %s: another line revokes the whole order", submission.Ranges(o.all.Covered))
	}
	if n := len(o.past.Known); n > 0 {
		p.say("  known         %d of %d are stored already and not sent again", n, len(o.all.Items))
	}
}

// several gives the one text, or how many there are.
func several(texts map[string]bool) string {
	if len(texts) == 1 {
		for t := range texts {
			return t
		}
	}
	return strings.TrimSpace(strconv.Itoa(len(texts)) + " different ones")
}
