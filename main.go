// Parley is chat for people on one network. See README.md for how to use it;
// this program is the command line: it reads flags, opens files and the
// terminal, starts one node and waits.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"

	"parley/metrics"
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
	beEngine(os.Args)
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
	screen   bool              // the full screen is shown
	model    *kong.Application // of the command line
	config   *preset
	typed    map[string]bool // the flags on the command line, by name
	command  string          // that is run
	secret   string          // the password that was given; empty: none
	ignored  room.Ignored    // by the person, in whatever room
	metrics  *metrics.Server // of --metrics; nil: off
	shown    net.Addr        // where it is

	lock   sync.Mutex
	asides []string // what may explain why no room is found
}

// parser makes the parser of the command line. exit is called when it has done
// all there is to do.
func (p *program) parser(exit func(code int)) *kong.Kong {
	parser, err := kong.New(p.flags,
		kong.Name("parley"),
		kong.Description("Chat for people on one network: rooms that find each other, over UDP or TCP. No server to set up, no internet."),
		kong.DefaultEnvars("PARLEY"),
		kong.Writers(p.out, p.err),
		kong.Exit(exit),
		kong.Help(examplesFirst),
		kong.ValueFormatter(withoutEnv),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 80}),
		helpVars,
	)
	if err != nil { // a mistake in cli's tags
		panic(err)
	}
	return parser
}

// run does what args say and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	p.flags = new(cli)
	exited := -1
	parser := p.parser(func(code int) { exited = code })
	p.model = parser.Model
	p.config = configure(parser, args)
	command, err := parser.Parse(args)
	if exited >= 0 { // --help has been answered
		p.warnBroken()
		return exited
	}
	p.typed = typedFlags(command)
	more, err := p.check(args, err)
	if err != nil {
		return p.misused(args, err, more)
	}
	if len(p.config.faults) > 0 {
		if !mayWorkBroken(command.Selected()) {
			p.report(p.config.broken())
			return exitUsage
		}
		p.warnBroken()
	}
	if err := p.readPassword(command.Selected()); err != nil {
		return p.misused(args, err, nil)
	}
	if node := command.Selected(); node != nil {
		p.command = node.Name
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return p.finish(command.Run(p))
}

// check finds what is wrong with the flags together, err being what is wrong with one
// of them. What is the fault of the configuration is noted there.
func (p *program) check(args []string, err error) (more []string, _ error) {
	if err != nil {
		return nil, err
	}
	if err := passwordShown(args); err != nil {
		return nil, err
	}
	if err = p.flags.check(); err != nil {
		var ours bool
		if ours, more = p.config.blame(err, p.typed); ours {
			return nil, nil
		}
	}
	return more, err
}

// warnBroken tells what is wrong with the configuration to those who go on.
func (p *program) warnBroken() {
	if len(p.config.faults) == 0 {
		return
	}
	f := p.config.broken()
	p.print(p.err, "parley: "+f.text)
	for _, line := range f.more {
		p.print(p.err, "  "+line)
	}
}

// plainly says what the parser of the command line says in other words.
func plainly(text string) string {
	return strings.ReplaceAll(text, "expected a valid 16 bit uint but got", "want a number up to 65535, not")
}

// misused reports a command line that cannot be followed.
func (p *program) misused(args []string, err error, more []string) int {
	p.flags.JSON = p.flags.JSON || contains(args, "--json") || contains(args, "-j")
	text := plainly(err.Error())
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
	if word, ok := strings.CutPrefix(text, "unexpected argument "); ok && hint == "see parley lab --help" {
		hint = "to run a lesson of that name: parley lab run " + word + "; " + hint
	}
	for _, word := range []string{"export", "import"} { // which are names of rooms, too
		if strings.HasPrefix(text, `expected "<room>`) && hint == "see parley history "+word+" --help" {
			hint = fmt.Sprintf("which room? Or, for what was said in a room called %s: parley history show %[1]s; %s", word, hint)
		}
	}
	if strings.HasPrefix(text, "unexpected argument ") && hint == "see parley host --help" { // kong takes a list in one piece
		hint = "names of rooms stand together, before the flags: parley host physics maths --nick ana; " + hint
	}
	p.report(failure{code: "usage", text: text, more: more, hint: hint})
	return exitUsage
}

// finish reports err, if it is one, and returns the exit code it stands for.
func (p *program) finish(err error) int {
	if err == nil {
		return exitOK
	}
	f := explain(err)
	if f.exit == exitNotFound && f.code != codeImpossible {
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
