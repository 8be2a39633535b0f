package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"

	"parley/room"
)

// A completionCmd prints what has a shell complete the command line.
type completionCmd struct {
	Shell string `arg:"" complete:"shells" help:"bash, zsh, fish or powershell."`
}

// The scripts ask for the names of rooms by running parley completion again.
const (
	askRooms = "rooms" // that are heard now, or known
	askKnown = "known" // the pins
	askKept  = "kept"  // those with a history
)

// moreNames are what else can be asked for, by what asks for it.
var moreNames = map[string]func() []string{}

// askFiles is asked of the shell itself.
const askFiles = "files"

const (
	// roomsWait is how long rooms are listened for: those of an idle LAN are heard
	// within 300 ms, and somebody has pressed a key.
	roomsWait = 400 * time.Millisecond
	// maxCompleted bounds what a shell is given to choose from.
	maxCompleted = 200
)

// Run prints a script, or names for one.
func (c *completionCmd) Run(ctx context.Context, p *program) error {
	g := grammarOf(p.model)
	switch c.Shell {
	case "bash":
		fmt.Fprint(p.out, g.bash())
	case "zsh":
		fmt.Fprint(p.out, g.zsh())
	case "fish":
		fmt.Fprint(p.out, g.fish())
	case "powershell":
		fmt.Fprint(p.out, g.powershell())
	default:
		if more, ok := moreNames[c.Shell]; ok {
			for _, name := range more() {
				fmt.Fprintln(p.out, name)
			}
			return nil
		}
		if !slices.Contains([]string{askRooms, askKnown, askKept}, c.Shell) {
			return usage{fmt.Sprintf("there is no completion for %q: want bash, zsh, fish or powershell", c.Shell), "see parley completion --help"}
		}
		for _, name := range p.completeNames(ctx, c.Shell) {
			fmt.Fprintln(p.out, name)
		}
	}
	return nil
}

// completeNames are names of rooms. Nothing that goes wrong is told: somebody is
// in the middle of typing.
func (p *program) completeNames(ctx context.Context, ask string) (names []string) {
	dir, err := p.dataDir()
	if err == nil && ask == askKept {
		names, _ = p.histories(dir).Rooms()
	} else if err == nil {
		pins, _ := p.pins(dir).List()
		for _, pin := range pins {
			names = append(names, pin.Room)
		}
	}
	if ask == askRooms && !p.flags.NoDiscovery {
		if n, err := p.doctorNode(); err == nil {
			p.list(ctx, n, roomsWait, func(l room.Listing) { names = append(names, l.Room) })
			n.Close()
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !typeable(name) })
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxCompleted)]
}

// typeable tells whether a name means itself to every shell. Others, which
// somebody in the network may have made up, are not put on a command line.
func typeable(name string) bool {
	return name != "" && name[0] != '-' && name[0] != '.' && !strings.ContainsFunc(name, func(r rune) bool {
		return !(unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' || r == '.')
	})
}

// A grammar is what can be typed, command by command.
type grammar struct {
	nodes  []grammarNode // the program itself first
	values []grammarFlag // the flags with a value, each name once
}

// A grammarNode is a command.
type grammarNode struct {
	path     string // "pins accept"
	commands []grammarWord
	flags    []grammarFlag // besides those of the program itself
	first    string        // what the first argument is: rooms, known, kept, lessons, files, shells, or ""
}

type grammarWord struct{ name, help string }

// A grammarFlag is a flag. what its value is is told by words, or by kind: bool,
// file, dir or text.
type grammarFlag struct {
	grammarWord
	short string
	kind  string
	words []string
}

// shells are those there are scripts for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

// grammarOf is the grammar of the command line.
func grammarOf(app *kong.Application) *grammar {
	g := new(grammar)
	g.add(app.Node, "", nil)
	seen := make(map[string]bool)
	for _, n := range g.nodes {
		for _, f := range n.flags {
			if !seen[f.name] {
				seen[f.name] = true
				g.values = append(g.values, f)
			}
		}
	}
	return g
}

// add adds a command and those below it.
func (g *grammar) add(n *kong.Node, path string, above []grammarFlag) {
	node := grammarNode{path: path, flags: slices.Clone(above)}
	for _, f := range n.Flags {
		if !f.Hidden {
			node.flags = append(node.flags, grammarFlagOf(f))
		}
	}
	positional := n.Positional
	if d := n.DefaultCmd; takesArgs(d) { // which need not be named
		positional = d.Positional
		for _, f := range d.Flags {
			node.flags = append(node.flags, grammarFlagOf(f))
		}
	}
	if len(positional) > 0 {
		node.first = positional[0].Tag.Get("complete")
	}
	var below []*kong.Node
	for _, child := range n.Children {
		if !child.Hidden {
			below = append(below, child)
			node.commands = append(node.commands, grammarWord{child.Name, brief(child.Help)})
		}
	}
	g.nodes = append(g.nodes, node)
	if path == "" {
		node.flags = nil // those of the program itself go without saying
	}
	inherited := node.flags
	if takesArgs(n.DefaultCmd) {
		inherited = above
	}
	for _, child := range below {
		g.add(child, strings.TrimSpace(path+" "+child.Name), inherited)
	}
}

// takesArgs tells of a command that is run where none is named whether it takes arguments
// then.
func takesArgs(d *kong.Node) bool { return d != nil && d.Tag.Default == "withargs" }

func grammarFlagOf(f *kong.Flag) grammarFlag {
	g := grammarFlag{grammarWord: grammarWord{f.Name, brief(f.Help)}, kind: "text"}
	if f.Short != 0 {
		g.short = string(f.Short)
	}
	switch {
	case f.IsBool():
		g.kind = "bool"
	case f.Enum != "":
		g.words = f.EnumSlice()
	case f.PlaceHolder == "FILE":
		g.kind = "file"
	case f.PlaceHolder == "DIR":
		g.kind = "dir"
	}
	return g
}

// brief is the first sentence of a help, without what a shell could take for
// something of its own.
func brief(help string) string {
	for i := range help {
		if strings.ContainsRune(".:;?", rune(help[i])) && (i+1 == len(help) || help[i+1] == ' ') {
			help = help[:i]
			break
		}
	}
	return strings.NewReplacer("'", "", `"`, "", "`", "", "$", "", `\`, "", "[", "(", "]", ")", ":", " ").Replace(help)
}

// names are the names of words.
func names(words []grammarWord) (all []string) {
	for _, w := range words {
		all = append(all, w.name)
	}
	return all
}

// asTyped are flags as they are typed.
func (n grammarNode) asTyped() (all []string) {
	for _, f := range n.flags {
		all = append(all, "--"+f.name)
		if f.short != "" {
			all = append(all, "-"+f.short)
		}
	}
	return all
}

// as is a flag as it is typed, in both ways, with bar between them.
func (f grammarFlag) as(bar string) string {
	if f.short == "" {
		return "--" + f.name
	}
	return "--" + f.name + bar + "-" + f.short
}
