// Command kith runs a node of a private cluster, of an open network, or of both,
// makes certificates and keys, and talks to nodes that run.
//
// Start with "kith demo", or read "kith --help"; every command's --help has an
// example. Data goes to standard output, notes and errors to standard error;
// what the process ends with is in internal/exit.
//
// A command that needs a running node finds it by its admin socket, see
// internal/admin; "kith up" is the one that runs it, see internal/live.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"kith/cmd/kith/internal/exit"
	"kith/cmd/kith/internal/show"
)

// cli is the whole command line; kong reads it off the tags.
type cli struct {
	Node   string      `help:"The running node to talk to: its admin socket, or its name or id if several run here." placeholder:"PATH" env:"KITH_NODE"`
	Output show.Format `short:"o" enum:"table,wide,json,yaml" default:"table" help:"How to write what was found: table, wide, json or yaml." placeholder:"FORMAT"`

	Demo    demoCmd    `cmd:"" help:"Show both kinds of network on this machine."`
	Init    initCmd    `cmd:"" help:"Write a configuration, with keys and certificates."`
	Up      upCmd      `cmd:"" help:"Run a node."`
	Status  statusCmd  `cmd:"" help:"Say how the node is."`
	Members membersCmd `cmd:"" help:"List the members of the cluster."`
	Peers   peersCmd   `cmd:"" help:"List who is connected, in either network."`
	Events  eventsCmd  `cmd:"" help:"Show what happens, as it happens."`
	Ports   portsCmd   `cmd:"" help:"List the services of the members, and ours."`
	Ping    pingCmd    `cmd:"" help:"Measure the way to a peer and back."`
	Call    callCmd    `cmd:"" help:"Send a request to a port and print the reply."`
	Send    sendCmd    `cmd:"" help:"Send a message to a port."`
	Dgram   dgramCmd   `cmd:"" help:"Send a message that may be lost to a port."`
	Serve   serveCmd   `cmd:"" help:"Serve a port with a command."`
	Leave   leaveCmd   `cmd:"" help:"Leave and stop the node."`
	Certs   certsCmd   `cmd:"" help:"Make, inspect, renew and revoke certificates."`
	Config  configCmd  `cmd:"" help:"Check and explain configurations."`
	Devp2p  devp2pCmd  `cmd:"" name:"devp2p" help:"Tools for open networks: keys, a node to try, a ping."`
	Version versionCmd `cmd:"" help:"Tell which kith this is, and whose code is in it."`
}

// app is what every command gets.
type app struct {
	ctx  context.Context // ends at Ctrl-C or SIGTERM
	node string
	in   io.Reader
	out  io.Writer
	err  io.Writer
	*show.Printer
}

func main() { os.Exit(int(run(os.Args[1:]))) }

func run(args []string) exit.Code {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	err := execute(ctx, args)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exit.Interrupted
	}
	return exit.Report(os.Stderr, err)
}

func execute(ctx context.Context, args []string) error {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("kith"),
		kong.Description("Private clusters: nodes with certificates of one authority, who is there, and services on numbered ports. Open networks: anybody, over RLPx."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return usageError(err)
	}
	printer := &show.Printer{Out: os.Stdout, Notes: os.Stderr, Format: c.Output, Color: colorful(os.Stdout)}
	a := &app{ctx: ctx, node: c.Node, in: os.Stdin, out: os.Stdout, err: os.Stderr, Printer: printer}
	return parsed.Run(a)
}

// usageError says which command's help to read.
func usageError(err error) error {
	command := "kith"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		for _, step := range parse.Context.Path {
			if step.Command != nil {
				command += " " + step.Command.Name
			}
		}
	}
	return exit.Errorf(exit.Usage, command+" --help", "%s", strings.TrimSpace(err.Error()))
}

// colorful tells whether f is a terminal and nobody asked for no colours
// (no-color.org).
func colorful(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Name() != os.DevNull
}

// outliveReaders lets writes to a closed standard output fail, instead of ending
// the process. What we start is not affected, as it would be by signal.Ignore.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
