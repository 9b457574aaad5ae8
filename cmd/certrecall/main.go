package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"certrecall/client"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// cli is the command line: one field a subcommand.
type cli struct {
	Worker     workerCmd     `cmd:"" help:"Take commands from NATS, call DigiCert, publish events."`
	Setup      setupCmd      `cmd:"" help:"Create the streams, consumers and buckets that are absent, and check the others."`
	Submit     submitCmd     `cmd:"" help:"Send commands: revoke orders, or list their duplicates."`
	Status     statusCmd     `cmd:"" help:"Tell where things stand, or where an incident, a command or an order does."`
	Duplicates duplicatesCmd `cmd:"" help:"Show the lists of duplicate certificates that there are."`
	Events     eventsCmd     `cmd:"" help:"Print events as they come, or those that are there."`
	Watch      watchCmd      `cmd:"" help:"Follow an incident, or everything, until all is final."`
	Cancel     cancelCmd     `cmd:"" help:"Cancel what was not sent to DigiCert yet, by incident, source, command or order."`
	DLQ        dlqCmd        `cmd:"" name:"dlq" help:"Look at dead letters, send them again, or drop them."`
	Allow      allowCmd      `cmd:"" help:"Let more orders be revoked than the policy does: for an incident, or a source."`
	Audit      auditCmd      `cmd:"" help:"Tell what operators have said: who, when, why."`
	Policy     policyCmd     `cmd:"" help:"Try a policy file."`
	Pause      pauseCmd      `cmd:"" help:"Stop revocations, listings or both, in every worker."`
	Resume     resumeCmd     `cmd:"" help:"End a pause."`
	Console    consoleCmd    `cmd:"" help:"Show where things stand on a web page, and act from there."`
	Gateway    gatewayCmd    `cmd:"" help:"Take commands over HTTP, and deliver events as webhooks."`
	Deliveries deliveriesCmd `cmd:"" help:"Look at the deliveries of the gateway, switch one on again, or send its events once more."`
	NATSConf   natsConfCmd   `cmd:"" name:"nats-conf" help:"Write the configuration of a NATS server from a list of systems and people."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
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
	stdin          io.Reader
	stdout, stderr io.Writer
	// selected is the parsed command line: what settings names its flags by.
	selected *kong.Context
}

func main() {
	os.Exit(run(os.Args[1:], &process{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// run parses the command line, runs its subcommand and gives the exit code.
func run(args []string, p *process) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from here on a second signal ends the process at once

	parser, err := kong.New(&cli{}, kong.Name("certrecall"),
		kong.Description("Revoke DigiCert orders and list their duplicate certificates by commands over NATS JetStream."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Vars{"digicert_url": client.DefaultBaseURL, "log_format": logFormatFor(p.stderr)},
		kong.Writers(p.stdout, p.stderr), kong.Bind(p), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return p.fail(ctx, err)
	}
	dropEmptyVariables(parser.Model.Node)
	if p.selected, err = parser.Parse(asked(args)); err != nil {
		return p.fail(ctx, usageOf(err))
	}
	return p.fail(ctx, p.selected.Run())
}

// asked takes the ways in which people ask for help and version.
func asked(args []string) []string {
	switch {
	case len(args) == 0:
		return args
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && (args[0] == "--version" || args[0] == "-v"):
		return []string{"version"}
	}
	return args
}

// usageError is wrong usage or wrong settings, one line a problem.
type usageError []string

func (e usageError) Error() string { return strings.Join(e, "\n") }

// usageOf makes a usage error of what the parser found, with the way to the help.
func usageOf(err error) error {
	command := "certrecall"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		if selected := parse.Context.Selected(); selected != nil {
			command = selected.FullPath()
		}
	}
	return usageError{err.Error(), "see " + command + " --help"}
}

// fail says what went wrong, if anything did, and gives the exit code.
func (p *process) fail(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	code := exitFailed
	if _, ok := errors.AsType[usageError](err); ok {
		code = exitUsage
	} else if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(p.stderr, "certrecall: %s\n", strings.TrimRight(line, "\n"))
	}
	return code
}

// dropEmptyVariables makes an empty variable of a flag count as not set: the
// parser would take it for a value.
func dropEmptyVariables(n *kong.Node) {
	for _, flag := range n.Flags {
		for _, name := range flag.Envs {
			if value, set := os.LookupEnv(name); set && value == "" {
				_ = os.Unsetenv(name)
			}
		}
	}
	for _, child := range n.Children {
		dropEmptyVariables(child)
	}
}
