package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/term"

	"parley/node"
	"parley/text"
)

// A doctorCmd looks for what keeps people from seeing each other.
type doctorCmd struct {
	Target string `arg:"" optional:"" name:"host" complete:"rooms" help:"A computer to reach, HOST[:PORT], or a room."`

	clusterFlags `embed:""`
}

// Run examines this computer, the network and the host, and tells what it
// finds. The exit code tells the class of the fault that explains most.
func (d *doctorCmd) Run(ctx context.Context, p *program) error {
	var t node.Target
	if d.Target != "" {
		var err error
		if t, err = node.ParseTarget(d.Target); err != nil {
			return &node.Error{Code: node.CodeTarget, Text: err.Error(), Hint: "parley doctor HOST[:PORT]"}
		}
	}
	n, err := p.doctorNode()
	if err != nil {
		return err
	}
	defer n.Close()
	var result node.Diagnosis
	if n.Cluster = d.options(n.Logger); n.Cluster == nil {
		result = n.Examine(ctx, t, p.examineHere(), p.printFinding, p.progress)
	} else if d.Target != "" {
		return usage{"--cluster looks at the servers of a cluster, and a host is looked at without it", "leave one of them out"}
	} else {
		result = n.ExamineCluster(ctx, p.examineHere(), p.printFinding, p.progress)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.printDiagnosis(result)
	if result.Class != node.Fine {
		return errQuiet(result.Class)
	}
	return nil
}

// doctorLines examines for the full screen, on the node that it has: show gets the
// lines as they come. An empty target is nobody in particular.
func (p *program) doctorLines(ctx context.Context, n *node.Node, target string, show func(line string)) error {
	var t node.Target
	if target != "" {
		var err error
		if t, err = node.ParseTarget(target); err != nil {
			return err
		}
	}
	n.ExamineLines(ctx, t, p.examineHere(), show)
	return ctx.Err()
}

// doctorNode makes a node that keeps and reads no keys, so that whatever is
// wrong with them is no obstacle.
func (p *program) doctorNode() (*node.Node, error) {
	c := p.flags
	logger, err := p.logger()
	if err != nil {
		return nil, err
	}
	peers, _ := parsePeers(c.Peers) // checked with the flags
	return &node.Node{
		Peers: peers, Transport: node.Transport(c.Transport), Plaintext: c.Plaintext, Port: c.Port, Bind: c.bind(), Iface: c.Iface,
		DiscoveryPort: c.DiscoveryPort, NoDiscovery: c.NoDiscovery, Logger: logger, Aside: p.remember,
	}, nil
}

// examineHere looks at what has nothing to do with the network.
func (p *program) examineHere() []node.Finding {
	all := []node.Finding{node.ExamineClock(time.Now())}
	dir, err := p.dataDir()
	if err != nil {
		all = append(all, node.Finding{Check: "data", Code: "data_nowhere", Class: node.ThisMachine,
			Text: fmt.Sprintf("there is no place to keep your identity: %v", err), Next: "name one with --data-dir"})
	} else {
		all = append(all, node.ExamineDir(dir))
	}
	return append(all, p.examineTerminal(os.Getenv))
}

// examineTerminal looks at what the terminal can show. None of it is a fault:
// there are plain lines for every terminal.
func (p *program) examineTerminal(env func(string) string) node.Finding {
	f := node.Finding{Check: "terminal", Code: "terminal"}
	screen, ok := p.out.(*os.File)
	if !ok || !isTerminal(screen) {
		f.Code, f.Text = "no_terminal", "what this prints goes to no terminal"
		return f
	}
	var says, lacks, next []string
	if w, h, err := term.GetSize(int(screen.Fd())); err == nil {
		if w > 0 && h > 0 {
			says = append(says, fmt.Sprintf("%d columns, %d lines", w, h))
		}
		if w > 0 && w < smallWidth || h > 0 && h < smallHeight {
			lacks = append(lacks, fmt.Sprintf("it is small: %d columns and %d lines are comfortable", smallWidth, smallHeight))
			next = append(next, "make the window larger")
		}
	}
	locale := env("LC_ALL")
	for _, name := range []string{"LC_CTYPE", "LANG"} {
		if locale == "" {
			locale = env(name)
		}
	}
	if utf8Locale(locale) {
		says = append(says, "UTF-8")
	} else {
		lacks = append(lacks, "it does not say that it shows UTF-8, so names may look broken")
		next = append(next, "set LANG to one that ends in UTF-8, such as C.UTF-8")
	}
	switch kind := env("TERM"); {
	case env("NO_COLOR") != "":
		says = append(says, "no colours, as NO_COLOR asks")
	case kind == "" || kind == "dumb":
		lacks = append(lacks, "it is a simple one, by what TERM says: lines are printed plain")
		next = append(next, "set TERM to what the terminal is, such as xterm-256color")
	case unknownTerm(kind, env):
		lacks = append(lacks, fmt.Sprintf("this computer knows no terminal called %s, which TERM says it is", kind))
		next = append(next, "set TERM to what the terminal is, such as xterm-256color")
	case env("COLORTERM") == "truecolor" || env("COLORTERM") == "24bit":
		says = append(says, "all colours")
	case strings.Contains(kind, "256"):
		says = append(says, "256 colours")
	default:
		says = append(says, "16 colours")
	}
	f.Text = text.Clean(strings.Join(append(says, lacks...), "; "))
	if len(lacks) > 0 {
		f.Note, f.Next = true, text.Clean(strings.Join(next, "; "))
	}
	return f
}

// Below these, the screen is crowded.
const (
	smallWidth  = 40
	smallHeight = 12
)

// unknownTerm tells whether the system has descriptions of terminals and none of
// this one.
func unknownTerm(kind string, env func(string) string) bool {
	if runtime.GOOS == "windows" || strings.ContainsAny(kind, "/\\") {
		return runtime.GOOS != "windows"
	}
	any := false
	for _, dir := range []string{env("TERMINFO"), filepath.Join(env("HOME"), ".terminfo"), "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"} {
		if s, err := os.Stat(dir); dir == "" || err != nil || !s.IsDir() {
			continue
		}
		any = true
		for _, sub := range []string{kind[:1], fmt.Sprintf("%02x", kind[0])} { // Linux and macOS
			if _, err := os.Stat(filepath.Join(dir, sub, kind)); err == nil {
				return false
			}
		}
	}
	return any
}

// utf8Locale tells whether the system's setting for text is UTF-8. Windows and
// macOS often have none, and use it all the same.
func utf8Locale(locale string) bool {
	l := strings.ToLower(locale)
	return runtime.GOOS == "windows" || runtime.GOOS == "darwin" || strings.Contains(l, "utf-8") || strings.Contains(l, "utf8")
}

// progress tells a person at a terminal what is being waited for.
func (p *program) progress(what string) {
	if !p.flags.JSON && !p.flags.Quiet && isTerminal(p.err) {
		p.print(p.err, "      ... "+what)
	}
}

// finding is a finding as it is printed for programs.
type finding struct {
	Type  string   `json:"type"`
	Check string   `json:"check"`
	State string   `json:"state"`
	Code  string   `json:"code"`
	Class int      `json:"class"`
	Text  string   `json:"text"`
	Next  string   `json:"next,omitempty"`
	Join  []string `json:"join,omitempty"`
}

func stateOf(f node.Finding) string {
	switch {
	case f.Class != node.Fine:
		return "fault"
	case f.Note:
		return "note"
	}
	return "ok"
}

func (p *program) printFinding(f node.Finding) {
	if p.flags.JSON {
		p.printJSON(finding{"finding", f.Check, stateOf(f), f.Code, int(f.Class), f.Text, f.Next, nil})
		return
	}
	p.printLines(f.Lines())
}

// printLines prints the first, and whole what may be there to be copied.
func (p *program) printLines(lines []string) {
	p.print(p.out, lines[0])
	for _, l := range lines[1:] {
		p.printWords(p.out, l)
	}
}

func (p *program) printDiagnosis(d node.Diagnosis) {
	if p.flags.JSON {
		p.printJSON(finding{"diagnosis", d.Check, stateOf(d.Finding), d.Code, int(d.Class), d.Text, d.Next, d.Join})
		return
	}
	p.printLines(d.Lines())
}
