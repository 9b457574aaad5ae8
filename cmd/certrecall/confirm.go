package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

var errNotConfirmed = errors.New("not confirmed: nothing was done")

// confirm asks the person at the terminal to type the number of what is about
// to be done, or the word for it. Without a terminal nobody can be asked, and
// only yes, a flag, will do.
func (p *process) confirm(ctx context.Context, yes bool, n int, word string) error {
	if yes {
		return nil
	}
	prompt, err := p.promptAt()
	if err != nil {
		return usageError{"this needs a confirmation and there is no terminal to ask at: add --yes"}
	}
	defer prompt.Close()
	fmt.Fprintf(prompt, "Type %d or %q to go on: ", n, word)
	answer := make(chan string, 1)
	go func() { // a read of a terminal cannot be called off; it ends with the process
		line, _ := bufio.NewReader(p.stdin).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(prompt)
		return errNotConfirmed
	case typed := <-answer:
		if typed == strconv.Itoa(n) || strings.EqualFold(typed, word) {
			return nil
		}
		return errNotConfirmed
	}
}

// promptAt is where a question is seen, if somebody sits at standard input: at
// standard error, or at the terminal itself where that goes elsewhere.
func (p *process) promptAt() (io.WriteCloser, error) {
	if !isTerminal(p.stdin) {
		return nil, errNotConfirmed
	}
	if isTerminal(p.stderr) {
		return stayOpen{p.stderr}, nil
	}
	return os.OpenFile("/dev/tty", os.O_WRONLY, 0)
}

// stayOpen is a writer that belongs to somebody else.
type stayOpen struct{ io.Writer }

// Close does nothing.
func (stayOpen) Close() error { return nil }
