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
	prompt, answers, err := p.promptAt()
	if err != nil {
		return usageError{"this needs a confirmation and there is no terminal to ask at: add --yes"}
	}
	defer prompt.Close()
	fmt.Fprintf(prompt, "Type %d or %q to go on: ", n, word)
	answer := make(chan string, 1)
	go func() { // a read of a terminal cannot be called off; it ends with the process
		line, _ := bufio.NewReader(answers).ReadString('\n')
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

// promptAt is where a question is seen and answered, if somebody sits at a
// terminal: at standard error and input, or at the terminal itself where the one
// goes elsewhere or the other brings the orders. Where both go elsewhere nobody
// is asked, though the process may have a terminal somewhere.
func (p *process) promptAt() (io.WriteCloser, io.Reader, error) {
	in, out := isTerminal(p.stdin), isTerminal(p.stderr)
	switch {
	case in && out:
		return stayOpen{p.stderr}, p.stdin, nil
	case !in && !out:
		return nil, nil, errNotConfirmed
	}
	terminal, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, errNotConfirmed
	}
	return terminal, terminal, nil
}

// stayOpen is a writer that belongs to somebody else.
type stayOpen struct{ io.Writer }

// Close does nothing.
func (stayOpen) Close() error { return nil }
