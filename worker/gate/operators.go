package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/statements"
)

// Order is an operator's word: who gives it, and why. Both are shown wherever
// the pause or the cancellation is.
type Order struct{ By, Reason string }

func (o Order) validate() error {
	return errors.Join(statements.ValidOperator(o.By), statements.ValidReason(o.Reason))
}

// PauseInfo is a pause in force.
type PauseInfo struct {
	Kind       Kind
	By, Reason string
	At         time.Time // when the server stored it
}

// Cancellation stops what was received at or before At.
type Cancellation struct {
	Selector
	By, Reason string
	At         time.Time // when the server stored it
}

// Pause stops the calls of a kind, in the whole fleet, until Resume. Both
// pauses both kinds. A pause in force is given anew.
func Pause(ctx context.Context, kv jetstream.KeyValue, k Kind, o Order) error {
	kinds, err := kindsOf(k)
	if err := errors.Join(err, o.validate()); err != nil {
		return err
	}
	for _, what := range kinds {
		if err := say(ctx, kv, what, o, false); err != nil {
			return err
		}
	}
	return nil
}

// kindsOf gives what a statement on a kind is about.
func kindsOf(k Kind) ([]string, error) {
	switch k {
	case Revocations, Listings:
		return []string{string(k)}, nil
	case Both:
		return []string{string(Revocations), string(Listings)}, nil
	}
	return nil, fmt.Errorf("unknown kind %q: want %s, %s or both", k, Revocations, Listings)
}

func say(ctx context.Context, kv jetstream.KeyValue, what string, o Order, open bool) error {
	_, err := statements.Say(ctx, kv, statements.Statement{
		Operator: o.By, Verb: statements.Pause, What: what, Words: statements.Words{Reason: o.Reason, Open: open},
	})
	return err
}

// Resume says that a kind is open again, whoever paused it. Both ends every
// pause, also one made by other means. It needs no reason; what is not paused
// is left alone.
func Resume(ctx context.Context, kv jetstream.KeyValue, k Kind, o Order) error {
	kinds, err := kindsOf(k)
	if o.Reason == "" {
		o.Reason = "resumed"
	}
	if err := errors.Join(err, o.validate()); err != nil {
		return err
	}
	said, err := listWords(ctx, kv, statements.Pause)
	if err != nil {
		return err
	}
	for what := range said.pauses {
		if k != Both && !slices.Contains(kinds, what) {
			continue
		}
		if err := say(ctx, kv, what, o, true); err != nil {
			return err
		}
	}
	return nil
}

// Pauses lists the pauses in force, revocations first.
func Pauses(ctx context.Context, kv jetstream.KeyValue) ([]PauseInfo, error) {
	said, err := listWords(ctx, kv, statements.Pause)
	if err != nil {
		return nil, err
	}
	var all []PauseInfo
	for _, p := range said.pauses {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b PauseInfo) int { return cmp.Or(cmp.Compare(b.Kind, a.Kind), a.At.Compare(b.At)) })
	return all, nil
}

// Cancel cancels what the selector selects and the commands stream has stored
// up to now. Given again, it takes in what came since. What was already sent
// to DigiCert is not called back.
func Cancel(ctx context.Context, kv jetstream.KeyValue, s Selector, by, reason string) (Cancellation, error) {
	o := Order{by, reason}
	if err := errors.Join(s.validate(), o.validate()); err != nil {
		return Cancellation{}, err
	}
	said, err := statements.Say(ctx, kv, statements.Statement{
		Operator: by, Verb: statements.Cancel, What: s.what(), Words: statements.Words{Reason: reason},
	})
	return cancellationOf(s, said), err
}

func (s Selector) validate() error {
	given := 0
	for _, b := range []bool{s.Incident != "" && s.Command == "", s.Source != "" || s.Command != "", s.Order != 0} {
		if b {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("want exactly one of incident, source, order, or source and command id together")
	case s.Incident != "" && !messages.ValidIncident(s.Incident):
		return fmt.Errorf("%q cannot be an incident", s.Incident)
	case s.Command != "" && s.Source == "":
		return errors.New("a command id needs its source, and its incident if it has one, since it is unique only there")
	case s.Source != "" && !messages.ValidSource(s.Source):
		return fmt.Errorf("%q cannot be a source", s.Source)
	case s.Command != "" && !messages.ValidID(s.Command):
		return fmt.Errorf("%q cannot be a command id", s.Command)
	case s.Order < 0:
		return fmt.Errorf("%d cannot be an order id", s.Order)
	}
	return nil
}

// Cancellations lists every cancellation, oldest first.
func Cancellations(ctx context.Context, kv jetstream.KeyValue) ([]Cancellation, error) {
	said, err := listWords(ctx, kv, statements.Cancel)
	if err != nil {
		return nil, err
	}
	var latest []statements.Statement
	for _, what := range said.book.Things(statements.Cancel) {
		if s, stands := said.book.Latest(statements.Cancel, what); stands {
			latest = append(latest, s)
		}
	}
	slices.SortFunc(latest, statements.Later)
	var all []Cancellation
	for _, s := range latest {
		if selector, ok := parseSelector(s.What); ok {
			all = append(all, said.cancels[selector])
		}
	}
	return all, nil
}

// listWords reads what was said with one verb.
func listWords(ctx context.Context, kv jetstream.KeyValue, v statements.Verb) (words, error) {
	all, err := statements.List(ctx, kv, "op.*."+string(v)+".>", false)
	if err != nil {
		return words{}, err
	}
	w := newWords()
	for _, s := range all {
		w.apply(s)
	}
	return w, nil
}
