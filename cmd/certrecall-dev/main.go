package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// cli is the command line: one field a subcommand.
type cli struct {
	Dev       devCmd       `cmd:"" default:"withargs" help:"NATS, a simulated DigiCert, a worker, a gateway and the console in one process (the default)."`
	Simulator simulatorCmd `cmd:"" help:"The simulated DigiCert alone."`
	Bench     benchCmd     `cmd:"" help:"Measure throughput, latency, the fleet's budget and memory, beside a bare loop."`

	// The processes that bench starts.
	BenchNATS   benchNATSCmd   `cmd:"" name:"bench-nats" hidden:""`
	BenchWorker benchWorkerCmd `cmd:"" name:"bench-worker" hidden:""`
	BenchBare   benchBareCmd   `cmd:"" name:"bench-bare" hidden:""`
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// process is what a subcommand is given of its surroundings. A Run method takes
// it beside the context, which ends at the first SIGINT or SIGTERM.
type process struct {
	stdout, stderr io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], &process{stdout: os.Stdout, stderr: os.Stderr}))
}

// run parses the command line, runs its subcommand and gives the exit code.
func run(args []string, p *process) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from here on a second signal ends the process at once

	parser, err := kong.New(&cli{}, kong.Name("certrecall-dev"),
		kong.Description("Try and test certrecall: everything it needs in one process. Not for production."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Vars{"bench_parts": benchPartNames()}, kong.Writers(p.stdout, p.stderr), kong.Bind(p), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return p.fail(err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return p.fail(usageError{err.Error(), "see certrecall-dev --help"})
	}
	return p.fail(command.Run())
}

// usageError is wrong usage, one line a problem.
type usageError []string

func (e usageError) Error() string { return strings.Join(e, "\n") }

// fail says what went wrong, if anything did, and gives the exit code.
func (p *process) fail(err error) int {
	if err == nil {
		return exitDone
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(p.stderr, "certrecall-dev: %s\n", strings.TrimRight(line, "\n"))
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}
