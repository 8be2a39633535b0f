package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// A manCmd prints the manual page.
type manCmd struct{}

// Run prints the page as roff, made of the same commands and flags as --help.
func (c *manCmd) Run(p *program) error {
	pristine := program{flags: new(cli)} // whatever the configuration makes of the defaults
	fmt.Fprint(p.out, manPage(pristine.parser(nil).Model))
	return nil
}

// manual is a manual page in the making.
type manual struct{ strings.Builder }

// manPage is the manual page of the program.
func manPage(app *kong.Application) string {
	var m manual
	fmt.Fprintf(&m, ".\\\" Made by parley man.\n.TH PARLEY 1 \"%s\" \"parley %s\" \"User Commands\"\n", built, version)
	m.section("NAME")
	m.line(`parley \- chat for people on one network`)
	m.section("SYNOPSIS")
	m.line(`.B parley`)
	m.line(`.RI [ command ]`)
	m.line(`.RI [ flags ]`)
	m.section("DESCRIPTION")
	m.text("Somebody opens a room; everybody else on the network sees it and joins. There is no server to set up, no account, and no internet is needed. Everything is encrypted. Messages travel as UDP datagrams that parley makes reliable itself, or over TCP where UDP is blocked.")
	m.line(".PP")
	m.text("Without a command, the rooms of this network are shown to pick one, or to open one. In a room, what is typed is said to all, and /help lists the commands.")
	m.section("COMMANDS")
	for _, n := range app.Children {
		m.command(n)
	}
	m.section("OPTIONS")
	m.text("These go with every command. A flag of yes or no is set by its name alone, and unset by --NAME=false.")
	for _, f := range app.Flags {
		m.flag(f)
	}
	m.section("EXIT STATUS")
	for _, e := range exitCodes {
		m.item(fmt.Sprint(e.code), e.means)
	}
	m.section("ENVIRONMENT")
	for _, e := range environment {
		m.item(e[0], e[1])
	}
	m.section("FILES")
	for _, f := range manFiles {
		m.item(f[0], f[1])
	}
	m.section("EXAMPLES")
	m.line(".EX")
	for line := range strings.Lines(strings.TrimPrefix(examples[""], "\n")) {
		m.line(roff(strings.TrimSuffix(strings.TrimPrefix(line, "  "), "\n")))
	}
	m.line(".EE")
	return m.String()
}

// exitCodes are what the exit codes mean.
var exitCodes = []struct {
	code  int
	means string
}{
	{exitOK, "It worked."},
	{exitFailure, "Something failed here: a port, a file, a line that could not be sent."},
	{exitUsage, "The command line, or the configuration, makes no sense, or names more than one room."},
	{exitNotFound, "No such room, no such host, nothing that was said there."},
	{exitRefused, "Refused: the name, the password, a ban, a full or locked room, a key that is not the one you know, another version, or encrypted against plaintext."},
	{exitUndelivered, "Nobody answers, or what was said was not delivered."},
	{exitInterrupted, "Interrupted: Ctrl-C, or a signal to end."},
}

// environment is which variables count.
var environment = [][2]string{
	{"PARLEY_NICK, PARLEY_TRANSPORT, ...", "Every flag has a variable, with the name of the flag in capitals and _ for -. A flag goes before it, and it goes before the configuration."},
	{"PARLEY_PASSWORD", "The password of the room. It is taken out of the environment at once."},
	{"PARLEY_CONFIG", "The configuration file; none: read none."},
	{"NO_COLOR, TERM", "No colours where NO_COLOR is set; plain lines where TERM is dumb or not set."},
	{"XDG_CONFIG_HOME, XDG_DATA_HOME", "Where configuration and data are kept on Linux, instead of ~/.config and ~/.local/share."},
}

// manFiles are what is kept on the disk.
var manFiles = [][2]string{
	{"~/.config/parley/parley.conf", "The configuration, lines of KEY = VALUE; parley config --init makes it, and parley config --path says where it is on this system."},
	{"~/.local/share/parley/", "Your identity, the rooms you know (pins), and what was said in them (history). On macOS ~/Library/Application Support/parley, on Windows %AppData%\\parley. See --data-dir."},
}

// command describes a command and those below it.
func (m *manual) command(n *kong.Node) {
	if n.Hidden {
		return
	}
	words := []string{`\fBparley ` + roff(commandName(n)) + `\fR`}
	for _, arg := range n.Positional {
		name := `\fI` + roff(strings.ToUpper(arg.Name)) + `\fR`
		if arg.IsSlice() {
			name += " ..."
		}
		if !arg.Required {
			name = "[" + name + "]"
		}
		words = append(words, name)
	}
	m.line(".SS \"" + strings.Join(words, " ") + "\"")
	m.text(n.Help)
	for _, arg := range n.Positional {
		m.item(strings.ToUpper(arg.Name), arg.Help)
	}
	for _, f := range n.Flags {
		m.flag(f)
	}
	for _, child := range n.Children {
		m.command(child)
	}
}

// flag describes a flag.
func (m *manual) flag(f *kong.Flag) {
	if f.Hidden {
		return
	}
	name := `\fB` + roff("--"+f.Name) + `\fR`
	if f.Short != 0 {
		name = `\fB` + roff("-"+string(f.Short)) + `\fR, ` + name
	}
	if !f.IsBool() {
		value := f.PlaceHolder
		if f.Enum != "" {
			value = strings.Join(f.EnumSlice(), "|")
		} else if value == "" {
			value = "VALUE"
		}
		name += ` \fI` + roff(value) + `\fR`
	}
	help := f.Help
	if f.Default != "" && !strings.Contains(help, "Default:") {
		help += " Default: " + f.Default + "."
	}
	m.line(".TP")
	m.line(name)
	m.text(help)
}

// item is a name and what it is.
func (m *manual) item(name, what string) {
	m.line(".TP")
	m.line(`.B "` + roff(name) + `"`)
	m.text(what)
}

func (m *manual) section(title string) { m.line(`.SH "` + title + `"`) }
func (m *manual) line(s string)        { m.WriteString(s + "\n") }
func (m *manual) text(s string)        { m.line(roff(s)) }

// roffMarks are what roff would take for something else.
var roffMarks = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, `"`, `\(dq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`)

// roff is text as roff has it.
func roff(text string) string {
	var b strings.Builder
	for _, r := range roffMarks.Replace(text) {
		if r > '~' {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		} else {
			b.WriteRune(r)
		}
	}
	if s := b.String(); !strings.HasPrefix(s, ".") {
		return s
	}
	return `\&` + b.String()
}
