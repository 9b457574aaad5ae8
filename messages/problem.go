package messages

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one thing that is wrong with a message.
type Problem struct {
	Field  string // the field, header or part of the message, such as "order_id" or "context.ticket"
	Detail string // what is wrong and what to do
}

// InvalidCommand is the error of a message that is not a valid command. It
// names every problem, in the order of the message.
type InvalidCommand struct {
	Problems []Problem
}

// Error returns all problems in one line.
func (e *InvalidCommand) Error() string { return "invalid command: " + e.Detail() }

// Detail returns all problems in one line, for the detail of an [Error].
func (e *InvalidCommand) Detail() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.Field)
		b.WriteString(": ")
		b.WriteString(p.Detail)
	}
	return b.String()
}

// maxProblems is how many problems of one message are told apart; the rest is
// counted.
const maxProblems = 40

// problems collects what is wrong with a message.
type problems struct {
	list []Problem
	more int
}

func (p *problems) add(field, detail string) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, Problem{field, detail})
	} else {
		p.more++
	}
}

func (p *problems) count() int { return len(p.list) + p.more }

// err returns the problems as an error, or nil if there are none.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	list := p.list
	if p.more > 0 {
		list = append(list, Problem{"message", "has " + strconv.Itoa(p.more) + " more problems; mend these first"})
	}
	return &InvalidCommand{Problems: list}
}

// maxClip is how many bytes of somebody else's text are repeated in an error.
const maxClip = 160

// clip makes text of a message fit to be repeated in an error: printable, and
// not long.
func clip(s string) string {
	if len(s) <= maxClip && utf8.ValidString(s) && strings.IndexFunc(s, notPrintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if b.Len()+utf8.RuneLen(r) > maxClip {
			b.WriteString("…")
			break
		}
		if notPrintable(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }
