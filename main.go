// Parley is chat for people on one network. See README.md for how to use it;
// this program is the command line: it reads flags, opens files and the
// terminal, starts one node and waits.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"

	"parley/room"
)

// The exit codes, which scripts rely on.
const (
	exitOK          = 0
	exitFailure     = 1   // something here went wrong
	exitUsage       = 2   // the command line makes no sense, or more than one
	exitNotFound    = 3   // no such room, no such host
	exitRefused     = 4   // name, ban, kick, key, or encrypted against plaintext
	exitUndelivered = 5   // the network, or the host behind it, does not answer
	exitInterrupted = 130 // Ctrl-C, or being told to end
)

func main() {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	ctx, interrupted := untilSignal()
	code := p.run(ctx, os.Args[1:])
	if interrupted.Load() {
		code = exitInterrupted
	}
	os.Exit(code)
}

// untilSignal returns a context that ends when the system or the person asks
// the program to. A second signal ends it without ceremony.
func untilSignal() (context.Context, *atomic.Bool) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var interrupted atomic.Bool
	go func() { // lives as long as the program
		<-signals
		interrupted.Store(true)
		signal.Stop(signals)
		cancel()
	}()
	return ctx, &interrupted
}

// program is one run of parley: its streams and what the command line said.
type program struct {
	in       *os.File
	out, err io.Writer
	flags    *cli
	secret   string       // the password that was given; empty: none
	ignored  room.Ignored // by the person, in whatever room

	lock   sync.Mutex
	asides []string // what may explain why no room is found
}

// run does what args say and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	p.flags = new(cli)
	exited := -1
	parser, err := kong.New(p.flags,
		kong.Name("parley"),
		kong.Description("Chat for people on one network: rooms that find each other, over UDP or TCP. No server to set up, no internet."),
		kong.DefaultEnvars("PARLEY"),
		kong.Writers(p.out, p.err),
		kong.Exit(func(code int) { exited = code }),
		kong.Help(examplesFirst),
		kong.ValueFormatter(withoutEnv),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"port": portText, "discovery": discoveryText, "history": historyText},
	)
	if err != nil { // a mistake in cli's tags
		panic(err)
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help has been answered
		return exited
	}
	if err == nil {
		err = p.flags.check()
	}
	if err == nil {
		err = passwordShown(args)
	}
	if err != nil {
		return p.misused(args, err)
	}
	if err := p.readPassword(command.Selected()); err != nil {
		return p.misused(args, err)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return p.finish(command.Run(p))
}

// misused reports a command line that cannot be followed.
func (p *program) misused(args []string, err error) int {
	p.flags.JSON = p.flags.JSON || contains(args, "--json") || contains(args, "-j")
	text := strings.ReplaceAll(err.Error(), "expected a valid 16 bit uint but got", "want a number up to 65535, not")
	if shown := passwordShown(args); shown != nil {
		p.report(explain(shown))
		return exitUsage
	}
	hint := "see parley --help"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil && commandName(node) != "" {
			hint = "see parley " + commandName(node) + " --help"
		}
	}
	if word, ok := strings.CutPrefix(text, "unexpected argument "); ok && !strings.Contains(word, " ") && hint == "see parley --help" {
		hint = "to join a room of that name: parley join " + word + "; " + hint
	}
	p.report(failure{code: "usage", text: text, hint: hint})
	return exitUsage
}

// finish reports err, if it is one, and returns the exit code it stands for.
func (p *program) finish(err error) int {
	if err == nil {
		return exitOK
	}
	f := explain(err)
	if f.exit == exitNotFound {
		f.more = append(f.more, p.remembered()...)
		if alone() {
			f.more = append(f.more, noNetwork+" is the cable in, the Wi-Fi on?")
		}
	}
	if f.text != "" {
		p.report(f)
	}
	return f.exit
}

// report tells the person, or the program, that reads us what went wrong.
func (p *program) report(f failure) {
	if p.flags.JSON {
		p.printJSON(f)
		return
	}
	p.print(p.err, "parley: "+f.text)
	for _, line := range f.more {
		p.print(p.err, "  "+line)
	}
	if f.hint != "" {
		p.print(p.err, f.hint)
	}
	if f.command != "" {
		p.printWords(p.err, "  "+f.command)
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
		if s == "--" {
			break
		}
	}
	return false
}
