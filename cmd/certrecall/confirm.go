package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
	if !p.canAsk() {
		return usageError{"this needs a confirmation and there is no terminal to ask at: add --yes"}
	}
	fmt.Fprintf(p.stderr, "Type %d or %q to go on: ", n, word)
	answer := make(chan string, 1)
	go func() { // a read of a terminal cannot be called off; it ends with the process
		line, _ := bufio.NewReader(p.stdin).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
		return errNotConfirmed
	case typed := <-answer:
		if typed == strconv.Itoa(n) || strings.EqualFold(typed, word) {
			return nil
		}
		return errNotConfirmed
	}
}

// canAsk reports whether somebody can answer a question.
func (p *process) canAsk() bool { return isTerminal(p.stdin) && isTerminal(p.stderr) }
