package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
)

// Bounds of what an operator says, in characters.
const (
	maxBy     = 256
	maxReason = 1000
)

// Order is an operator's word: who gives it, and why. Both are required; both
// are shown wherever the pause or the cancellation is.
type Order struct{ By, Reason string }

func (o Order) validate() error {
	return errors.Join(validText("who gives the order (by)", o.By, maxBy), validText("the reason", o.Reason, maxReason))
}

func validText(what, s string, longest int) error {
	switch {
	case strings.TrimSpace(s) == "":
		return fmt.Errorf("%s is missing", what)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s holds control characters or is not UTF-8", what)
	case utf8.RuneCountInString(s) > longest:
		return fmt.Errorf("%s is longer than %d characters", what, longest)
	}
	return nil
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
	keys, err := pauseKeys(k)
	if err := errors.Join(err, o.validate()); err != nil {
		return err
	}
	value, err := json.Marshal(word(o))
	if err != nil {
		return fmt.Errorf("encoding the pause: %w", err)
	}
	for _, key := range keys {
		if _, err := kv.Put(ctx, key, value); err != nil {
			return fmt.Errorf("storing %s: %w", key, err)
		}
	}
	return nil
}

// pauseKeys gives the keys that pause a kind.
func pauseKeys(k Kind) ([]string, error) {
	switch k {
	case Revocations, Listings:
		return []string{pausePrefix + string(k)}, nil
	case Both:
		return []string{pausePrefix + string(Revocations), pausePrefix + string(Listings)}, nil
	}
	return nil, fmt.Errorf("unknown kind %q: want %s, %s or both", k, Revocations, Listings)
}

// Resume ends the pause of a kind. Both ends every pause, also one made by
// other means. Without a pause it does nothing.
func Resume(ctx context.Context, kv jetstream.KeyValue, k Kind) error {
	keys, err := pauseKeys(k)
	if err != nil {
		return err
	}
	if k == Both {
		keys = nil
		err := list(ctx, kv, pausePrefix+">", func(e jetstream.KeyValueEntry) { keys = append(keys, e.Key()) })
		if err != nil {
			return fmt.Errorf("listing pauses: %w", err)
		}
	}
	for _, key := range keys {
		if _, err := kv.Get(ctx, key); errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		}
		if err := kv.Delete(ctx, key); err != nil {
			return fmt.Errorf("ending %s: %w", key, err)
		}
	}
	return nil
}

// Pauses lists the pauses in force, revocations first.
func Pauses(ctx context.Context, kv jetstream.KeyValue) ([]PauseInfo, error) {
	var all []PauseInfo
	err := list(ctx, kv, pausePrefix+">", func(e jetstream.KeyValueEntry) { all = append(all, pauseOf(e)) })
	if err != nil {
		return nil, fmt.Errorf("listing pauses: %w", err)
	}
	slices.SortFunc(all, func(a, b PauseInfo) int { return cmp.Compare(b.Kind, a.Kind) })
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
	value, err := json.Marshal(word(o))
	if err != nil {
		return Cancellation{}, fmt.Errorf("encoding the cancellation: %w", err)
	}
	revision, err := kv.Put(ctx, s.key(), value)
	if err != nil {
		return Cancellation{}, fmt.Errorf("storing the cancellation of %s: %w", s, err)
	}
	e, err := kv.GetRevision(ctx, s.key(), revision)
	if err != nil {
		return Cancellation{}, fmt.Errorf("reading back the cancellation of %s, which is stored: %w", s, err)
	}
	return cancellationOf(s, e), nil
}

func (s Selector) validate() error {
	given := 0
	for _, b := range []bool{s.Incident != "", s.Source != "" || s.Command != "", s.Order != 0} {
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
		return errors.New("a command id needs its source, since it is unique only there")
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
	var all []Cancellation
	err := list(ctx, kv, cancelPrefix+">", func(e jetstream.KeyValueEntry) {
		if s, ok := parseSelector(e.Key()); ok {
			all = append(all, cancellationOf(s, e))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing cancellations: %w", err)
	}
	slices.SortFunc(all, func(a, b Cancellation) int { return a.At.Compare(b.At) })
	return all, nil
}

// list calls each with the value of every key that matches.
func list(ctx context.Context, kv jetstream.KeyValue, keys string, each func(jetstream.KeyValueEntry)) error {
	ctx, cancel := context.WithCancel(ctx)
	w, err := kv.Watch(ctx, keys, jetstream.IgnoreDeletes())
	if err != nil {
		cancel()
		return err
	}
	defer drain(w, cancel)
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return errWatchEnded
			}
			if e == nil {
				return nil
			}
			each(e)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var errWatchEnded = errors.New("the connection to NATS was closed")

// drain ends a watch and waits until its subscription has ended.
func drain(w jetstream.KeyWatcher, cancel context.CancelFunc) {
	cancel()
	for range w.Updates() {
		continue
	}
}
