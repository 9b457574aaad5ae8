package console

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/status"
)

func itoa(n int) string { return strconv.Itoa(n) }

func contextFor(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), answerWithin)
}

// functions are what templates may call.
func (p *pages) functions() template.FuncMap {
	return template.FuncMap{
		"u":        func(path string) string { return p.base + path },
		"at":       with,
		"incident": incidentPath,
		"command":  commandPath,
		"name": func(source, incident, id string) messages.CommandName {
			return messages.CommandName{Source: source, Incident: incident, ID: id}
		},
		"time":    stamp,
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":     ago,
		"span":    span,
		"n":       thousands,
		"kind":    kindText,
		"percent": percent,
		"width":   func(part, of, width any) int { return scaled(integer(part), integer(of), integer(width)) },
		"tone":    func(s status.State) string { return tone(s) },
		"states":  status.States,
		"list":    func(all ...any) []any { return all },
		"bar":     barOf,
		"rows":    func(all []status.Row, now time.Time) map[string]any { return map[string]any{"Rows": all, "Now": now} },
		"pager": func(path string, page, pages int) map[string]any {
			return map[string]any{"Path": path, "Page": page, "Pages": pages}
		},
		"add":     func(a, b int) int { return a + b },
		"advice":  advice,
		"orders":  status.Orders,
		"seconds": func(s float64) string { return span(time.Duration(s * float64(time.Second))) },
	}
}

func integer(n any) int {
	switch n := n.(type) {
	case int:
		return n
	case int64:
		return int(n)
	case uint64:
		return int(n)
	}
	return 0
}

// scaled is the width of a bar; what is there at all is seen.
func scaled(part, of, width int) int {
	if of <= 0 || part <= 0 {
		return 0
	}
	return max(2, min(width, part*width/of))
}

// bar is the states of an incident side by side.
type bar struct {
	States map[status.State]int
	Total  int
	Parts  []part
}

type part struct {
	State       status.State
	Tone        string
	N, X, Width int
}

const barWidth = 600

func barOf(states map[status.State]int, total int) bar {
	b := bar{States: states, Total: total}
	x := 0
	for _, tones := range []string{"good", "bad", "off", "wait", "open"} {
		for _, s := range status.States() {
			n := states[s]
			if n == 0 || tone(s) != tones {
				continue
			}
			w := min(scaled(n, total, barWidth), barWidth-x)
			b.Parts = append(b.Parts, part{s, tones, n, x, w})
			x += w
		}
	}
	return b
}

func percent(part, of int) string {
	switch {
	case of <= 0:
		return "0 %"
	case part < of && part*100/of == 100, part < of && part*1000/of >= 995:
		return strconv.FormatFloat(float64(part*1000/of)/10, 'f', 1, 64) + " %"
	}
	return itoa(part*100/of) + " %"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// ago says how long before (or after) now a moment is.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "–"
	case d < 0:
		return "in " + span(-d)
	case d < time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

// span writes a duration in its two largest units.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d == 0:
		return "0 s"
	case d < time.Minute:
		return strconv.Itoa(max(1, int(d.Round(time.Second)/time.Second))) + " s"
	case d < time.Hour:
		return two(int(d/time.Minute), "min", int(d%time.Minute/time.Second), "s")
	case d < 48*time.Hour:
		return two(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "min")
	}
	return two(int(d/(24*time.Hour)), "d", int(d%(24*time.Hour)/time.Hour), "h")
}

func two(a int, unit string, b int, smaller string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, unit)
	}
	return fmt.Sprintf("%d %s %d %s", a, unit, b, smaller)
}

// thousands writes a number with thin spaces between thousands.
func thousands(n any) string {
	s := strconv.Itoa(integer(n))
	var out []string
	for len(s) > 3 {
		out = append([]string{s[len(s)-3:]}, out...)
		s = s[:len(s)-3]
	}
	return strings.Join(append([]string{s}, out...), "\u202f")
}

func kindText(k gate.Kind) string {
	if k == gate.Both {
		return "all"
	}
	return string(k)
}

// tone is how a state is meant.
func tone(s status.State) string {
	switch s {
	case status.Revoked, status.Planned, status.Listed:
		return "good"
	case status.Failed, status.Rejected, status.Invalid:
		return "bad"
	case status.Waiting, status.Held:
		return "wait"
	case status.Queued, status.Accepted:
		return "open"
	case status.Cancelled, status.Retried:
		return "off"
	}
	return "open"
}

// advice says what to do about a kind of failure.
func advice(t messages.ErrorType) string {
	switch t {
	case messages.ErrorInvalidCommand:
		return "Mend the message at its producer and send it again; the id is still free."
	case messages.ErrorCommandConflict:
		return "The id stands for another command already: send this one under a new id."
	case messages.ErrorOrderNotFound:
		return "Check the order id, and that the key belongs to the account of the order."
	case messages.ErrorCertificateNotInOrder:
		return "Check the certificate id against the order's list of duplicates."
	case messages.ErrorOrderNotRevocable:
		return "Look at the order in CertCentral: it is neither issued nor revoked."
	case messages.ErrorRefused:
		return "Read DigiCert's answer below, mend what it names, then replay."
	case messages.ErrorApprovalRejected:
		return "An administrator said no in CertCentral: ask who did, then send it anew if it still has to be."
	case messages.ErrorGaveUp:
		return "Nothing was changed at DigiCert: replay once it answers again."
	case messages.ErrorOutcomeUnknown:
		return "Look at the order in CertCentral before anything else: it may be revoked."
	case messages.ErrorProtectedOrder:
		return "The order is on the list of protected orders: take it off there if it really has to go."
	case messages.ErrorExpired:
		return "It was not to be done any more by then: send it anew if it still has to be."
	case messages.ErrorPoison:
		return "Workers ended over this command again and again: keep it for whoever maintains certrecall."
	case messages.ErrorNotAllowed:
		return "The policy forbids this source that field or lane: change the command or the policy."
	case messages.ErrorNotExpected:
		return "The order is for another name than was expected: check the list before sending it again."
	}
	return "Look at the commands one by one."
}
