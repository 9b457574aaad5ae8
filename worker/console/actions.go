package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/worker/statements"
	"certrecall/worker/status"
)

// field is one of the form.
type field struct{ Name, Value string }

// plan is what an action would do.
type plan struct {
	Verb  string `json:"action"`
	Title string `json:"title"` // what is about to be done
	// Lines say it in numbers; Examples name some of what it is about.
	Lines    []string     `json:"would"`
	Examples []status.Row `json:"examples,omitempty"`
	Letters  []letterPage `json:"dead_letters,omitempty"`
	More     int          `json:"more,omitempty"` // that are not named
	// Nothing: there is nothing to be done.
	Nothing bool `json:"nothing,omitempty"`
	Danger  bool `json:"-"` // it cannot be undone
	// Ask are further fields that a person fills in.
	Ask     []asked `json:"-"`
	Fields  []field `json:"-"`
	Reason  string  `json:"-"`
	Wrong   string  `json:"problem,omitempty"`
	Button  string  `json:"-"`
	Back    string  `json:"-"`
	Confirm bool    `json:"confirmed"`

	// do does it and says what was done.
	do func(ctx context.Context, operator, reason string) ([]string, error)
	// mayBeSilent: no reason is needed.
	mayBeSilent bool
}

type asked struct{ Name, Label, Value, Hint, Kind string }

const (
	// sayWithin bounds one statement: a write that NATS does not allow is not answered.
	sayWithin = 4 * time.Second
	// examplesNamed is how many of what an action is about are named.
	examplesNamed = 10
)

// act shows what an action would do, and with confirm=yes does it.
func (c *Console) act(q *request) error {
	if err := q.ParseForm(); err != nil {
		return bad("The form cannot be read: %v.", err)
	}
	verb := q.PathValue("action")
	planned := map[string]func(*request) (plan, error){
		"pause": c.planPause, "resume": c.planPause, "cancel": c.planCancel, "allow": c.planAllow, "replay": c.planReplay, "drop": c.planDrop,
	}[verb]
	if planned == nil {
		return problem{http.StatusNotFound, "There is no such action.", nil}
	}
	if err := statements.ValidOperator(q.who.Name); err != nil {
		return problem{http.StatusForbidden, "Under this name nobody can speak as an operator.", err}
	}
	p, err := planned(q)
	if err != nil {
		return err
	}
	p.Verb, p.Reason, p.Back = verb, strings.TrimSpace(q.PostForm.Get("reason")), backTo(q.PostForm.Get("back"))
	confirmed := q.PostForm.Get("confirm") == "yes"
	code := http.StatusOK
	if confirmed && !p.Nothing {
		if p.Reason != "" || !p.mayBeSilent {
			if err := statements.ValidReason(p.Reason); err != nil {
				p.Wrong = "Reason: " + err.Error() + "."
			}
		}
		if p.Wrong == "" {
			return c.done(q, p)
		}
		code = http.StatusUnprocessableEntity
	}
	for name, values := range q.PostForm {
		if slices.Contains([]string{"confirm", "reason"}, name) || slices.ContainsFunc(p.Ask, func(a asked) bool { return a.Name == name }) ||
			slices.ContainsFunc(p.Fields, func(f field) bool { return f.Name == name }) {
			continue
		}
		for _, v := range values {
			p.Fields = append(p.Fields, field{name, v})
		}
	}
	slices.SortFunc(p.Fields, func(a, b field) int { return strings.Compare(a.Name+" "+a.Value, b.Name+" "+b.Value) })
	c.metrics.actions.WithLabelValues(verb, "shown").Inc()
	return q.show(answer{template: "action", title: p.Title, data: p, status: code})
}

// done does it and says what was done.
func (c *Console) done(q *request, p plan) error {
	lines, err := p.do(q.Context(), q.who.Name, p.Reason)
	if err != nil {
		c.metrics.actions.WithLabelValues(p.Verb, "refused").Inc()
		c.cfg.Log.Warn("an action was not done", zap.String("action", p.Verb), zap.String("operator", q.who.Name), zap.Error(err))
		return c.refused(q, err)
	}
	c.metrics.actions.WithLabelValues(p.Verb, "done").Inc()
	c.cfg.Log.Info("an action was done", zap.String("action", p.Verb), zap.String("operator", q.who.Name), zap.String("what", p.Title))
	return q.show(answer{
		template: "done", title: "Done: " + p.Title, data: map[string]any{"Title": p.Title, "Lines": lines, "Back": p.Back},
		document: map[string]any{"action": p.Verb, "title": p.Title, "confirmed": true, "done": lines},
	})
}

// refused says why an action was not done: it is the server that refuses.
func (c *Console) refused(q *request, err error) error {
	if _, known := errors.AsType[problem](err); known {
		return err
	}
	c.rights.forget(q.who.Name)
	if c.cfg.Conn.IsConnected() && !c.rights.mayAct(context.WithoutCancel(q.Context()), q.who.Name) {
		return problem{http.StatusForbidden, fmt.Sprintf("NATS refused it: this console's NATS user may not speak as the operator %s.", q.who.Name), err}
	}
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrPermissionViolation) {
		return problem{http.StatusForbidden, "NATS refused it: this console's NATS user may not do that.", err}
	}
	return problem{http.StatusServiceUnavailable, "NATS did not take it. Look at the audit whether it is stored, and try again.", err}
}

// backTo is where the person came from: a page of this console.
func backTo(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, "\\") {
		return "/"
	}
	return path
}

// say stores one statement.
func (c *Console) say(ctx context.Context, s statements.Statement) (statements.Statement, error) {
	r, err := c.hub.open()
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, sayWithin)
	defer cancel()
	return statements.Say(ctx, r.Stores().Control, s)
}

// plural counts things, with an s behind what is more than one, or another word.
func plural(n int, one string, more ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(more) > 0:
		return thousands(n) + " " + more[0]
	}
	return thousands(n) + " " + one + "s"
}
