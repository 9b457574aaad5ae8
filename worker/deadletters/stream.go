package deadletters

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"certrecall/messages"
	"certrecall/worker/streams"
)

const (
	// askTimeout bounds one question to the server.
	askTimeout = 15 * time.Second
)

// Filter selects dead letters. The zero Filter is all of them; fields that are
// given must all match.
type Filter struct {
	Lane            messages.Lane
	Source          string
	Incident        string
	WithoutIncident bool // those without an incident; not with Incident
	ErrorType       messages.ErrorType
	Older, Newer    time.Duration // stored longer ago than this, within this; 0 is any
}

// subject is what can match, as a subject.
func (f Filter) subject(n messages.Names) string {
	t := [3]string{"*", "*", "*"}
	if f.Lane != "" {
		t[0] = string(f.Lane)
	}
	if f.Source != "" {
		t[1] = f.Source
	}
	if f.Incident != "" {
		t[2] = f.Incident
	} else if f.WithoutIncident {
		t[2] = "-"
	}
	return strings.TrimSuffix(n.DeadLetterSubjects(), ">") + strings.Join(t[:], ".")
}

// Takes reports whether the filter selects the dead letter.
func (f Filter) Takes(l Letter, now time.Time) bool {
	age := now.Sub(l.Stored)
	return (f.Lane == "" || l.Lane == f.Lane) && (f.Source == "" || l.Source == f.Source) &&
		(f.ErrorType == "" || l.About.ErrorType == f.ErrorType) &&
		(f.Incident == "" || l.Incident == f.Incident) && (!f.WithoutIncident || l.Incident == "") &&
		(f.Older == 0 || age > f.Older) && (f.Newer == 0 || age <= f.Newer)
}

// DeadLetters is the stream of them.
type DeadLetters struct {
	stream jetstream.Stream
	js     jetstream.JetStream
	names  messages.Names
}

// Open looks up the stream.
func Open(ctx context.Context, js jetstream.JetStream, n messages.Names) (*DeadLetters, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, n.DeadLettersStream())
	if err != nil {
		return nil, fmt.Errorf("opening stream %s: %w", n.DeadLettersStream(), err)
	}
	return &DeadLetters{stream, js, n}, nil
}

// Count is how many dead letters there are, of all kinds.
func (d *DeadLetters) Count(ctx context.Context) (uint64, error) {
	info, err := d.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading stream %s: %w", d.names.DeadLettersStream(), err)
	}
	return info.State.Msgs, nil
}

// All yields every dead letter of the filter that is stored now, oldest first.
// An error is the last element.
func (d *DeadLetters) All(ctx context.Context, f Filter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		goOn := true
		err := d.each(ctx, f, func(l Letter) bool {
			goOn = yield(l, nil)
			return goOn
		})
		if err != nil && goOn {
			yield(Letter{}, fmt.Errorf("reading stream %s: %w", d.names.DeadLettersStream(), err))
		}
	}
}

func (d *DeadLetters) each(ctx context.Context, f Filter, take func(Letter) bool) error {
	q, now := streams.Query{Stream: d.names.DeadLettersStream(), Subjects: []string{f.subject(d.names)}}, time.Now()
	if f.Newer > 0 {
		q.Since = now.Add(-f.Newer - time.Minute) // clocks differ; what is too old is left out below
	}
	return streams.Read(ctx, d.js, q, func(m *jetstream.RawStreamMsg) bool {
		l := d.letter(m.Sequence, m.Time, m.Subject, m.Header, m.Data)
		return !f.Takes(l, now) || take(l)
	})
}

// NoSuchLetter is the error where there is no dead letter of a number.
type NoSuchLetter struct{ Number uint64 }

// Error names the number.
func (n *NoSuchLetter) Error() string { return fmt.Sprintf("there is no dead letter %d", n.Number) }

// Get gives one dead letter by its number.
func (d *DeadLetters) Get(ctx context.Context, number uint64) (Letter, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, err := d.stream.GetMsg(ctx, number)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Letter{}, &NoSuchLetter{number}
	}
	if err != nil {
		return Letter{}, fmt.Errorf("reading dead letter %d: %w", number, err)
	}
	return d.letter(m.Sequence, m.Time, m.Subject, m.Header, m.Data), nil
}

// Choose gives the dead letters with the numbers, each once, or without numbers
// those of the filter.
func (d *DeadLetters) Choose(ctx context.Context, numbers []uint64, f Filter) ([]Letter, error) {
	var letters []Letter
	for _, n := range slices.Compact(slices.Sorted(slices.Values(numbers))) {
		l, err := d.Get(ctx, n)
		if err != nil {
			return nil, err
		}
		letters = append(letters, l)
	}
	if len(numbers) > 0 {
		return letters, nil
	}
	for l, err := range d.All(ctx, f) {
		if err != nil {
			return nil, err
		}
		letters = append(letters, l)
	}
	return letters, nil
}

// Remove takes a dead letter away for good. Its events stay.
func (d *DeadLetters) Remove(ctx context.Context, number uint64) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := d.stream.DeleteMsg(ctx, number); err != nil {
		return fmt.Errorf("removing dead letter %d: %w", number, err)
	}
	return nil
}

func (d *DeadLetters) letter(number uint64, stored time.Time, subject string, header nats.Header, body []byte) Letter {
	l := Letter{Number: number, Stored: stored.UTC(), Header: header, Body: body}
	var subjectErr, headerErr error
	l.Lane, l.Source, l.Incident, subjectErr = d.names.ParseDeadLetterSubject(subject)
	l.About, headerErr = messages.ParseDeadLetter(header)
	l.Unreadable = errors.Join(subjectErr, headerErr)
	l.Command, l.Invalid = messages.DecodeCommand(l.Lane, l.Source, header, body)
	return l
}
