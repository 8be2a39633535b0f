package tui

import (
	"slices"
	"strings"

	"parley/room"
	"parley/text"
)

// A panel covers the talk until Esc.
type panel struct {
	title  string
	lines  []string                         // clean
	scroll int                              // rows above the first that is shown
	follow bool                             // begin at the end
	older  int                              // the window whose search goes on with o; 0: none
	doctor bool                             // findings are added
	live   func(width, height int) []string // instead of lines, every time anew; what it paints is ours
}

// keyHelp is what F1 and ? show.
var keyHelp = []string{
	"In the lobby",
	"  Enter\tjoin the room that is marked",
	"  n\topen a room of your own",
	"  a\tgo to an address or a parley:// link",
	"  c\tchange your name",
	"  d\tsee nobody? The doctor finds out why",
	"  Esc\tback to the room you were in",
	"  q, Ctrl-C\tleave",
	"In a room",
	"  Enter\tsay it",
	"  Alt-Enter\ta further line (also Ctrl-J)",
	"  Tab, Shift-Tab\tcomplete commands, names, rooms",
	"  Up, Down\twhat you typed; Ctrl-R searches it",
	"  PgUp, PgDn\tscroll (Alt-P, Alt-N); Esc: the newest",
	"  Ctrl-F\tsearch what was said",
	"  Alt-1 to Alt-9\tthat window; Alt-0 the lobby",
	"  Ctrl-P, Ctrl-N\twindow before, after; Alt-A: with news",
	"  Alt-R\tsend again what was not stored",
	"  /stats\twatch the connection; again: hide it",
	"  F2, /lanes\tthe packets, if you host with --lanes",
	"  Ctrl-L\tdraw the screen anew",
	"  Ctrl-C\tempty the line; twice on an empty one leaves",
	"  Ctrl-D\ton an empty line: leave the room",
	"Editing",
	"  Ctrl-A, Ctrl-E\tto the begin, to the end",
	"  Alt-B, Alt-F\ta word back, forward",
	"  Ctrl-W, Alt-D\tcut the word before, the word after",
	"  Ctrl-U, Ctrl-K\tcut all before, all after",
	"  Ctrl-Y\tput back what was cut",
	"  Ctrl-T\tswap two letters",
	"/help shows the commands. @NICK TEXT whispers. //TEXT says a line that begins with a slash.",
	"Behind what you say: … on its way, ✓ stored by the host, ✓✓ 2/3 two of three have it, ✓✓ everybody.",
}

func (m *model) helpPanel() *panel {
	p := &panel{title: "Keys (Esc closes, PgDn for more)", lines: slices.Clone(keyHelp)}
	if m.marks.words {
		p.lines[len(p.lines)-1] = "Behind what you say: ... on its way, (stored) by the host, (2 of 3) have it, (all)."
	}
	return p
}

// commandPanel shows all that can be typed behind a slash.
func (m *model) commandPanel() *panel {
	p := &panel{title: "Commands (Esc closes, PgDn for more)"}
	p.lines = append(p.lines, "What you type is said to all. @NICK TEXT whispers, //TEXT says a line that begins with a slash. F1 shows the keys.", "")
	for _, keeper := range []bool{false, true} {
		if keeper {
			p.lines = append(p.lines, "", "For the host and ops:")
		}
		for _, c := range room.Commands {
			if c.Keeper() == keeper {
				p.lines = append(p.lines, "/"+c.Name+" "+c.Args+"\t"+c.Help)
			}
		}
	}
	return p
}

// linkPanel shows how others come here.
func (m *model) linkPanel(w *window) *panel {
	return &panel{title: "How others join (Esc closes)", live: func(width, height int) []string { return m.linkRows(w, width, height) }}
}

const (
	linkGap  = 2
	linkText = 30 // columns that words beside the code need
)

// linkRows are the words of it, with the code for cameras beside or below them.
func (m *model) linkRows(w *window, width, height int) []string {
	var lines []string
	if w.ready.Invite == "" {
		return []string{"nobody knows a link to this room"}
	}
	say := func(width int) (rows []string) {
		for _, line := range lines {
			rows = append(rows, fill("", "", "", []string{line}, "", width)...)
		}
		return rows
	}
	lines = append(lines, "On this network:", "  parley", "  parley join "+text.Clean(w.ready.Room), "", "From elsewhere, the link:", "  "+text.Clean(w.ready.Invite))
	if w.ready.Words != "" {
		lines = append(lines, "", "The room's key, to compare:", "  "+text.Clean(w.ready.Words))
	}
	if m.o.QR == nil {
		return say(width)
	}
	if code := m.o.QR(w.ready.Invite, width-linkText-linkGap, height); code != nil {
		side := width - text.Width(code[0]) - linkGap
		rows := say(side)
		for i := range max(len(rows), len(code)) {
			if i == len(rows) {
				rows = append(rows, "")
			}
			if i < len(code) {
				rows[i] = pad(rows[i], side+linkGap) + code[i]
			}
		}
		return rows
	}
	rows := say(width)
	if code := m.o.QR(w.ready.Invite, width, height-len(rows)-1); code != nil {
		return append(append(rows, ""), code...)
	}
	return append(rows, "", paint(m.cut("(the window is too small for the code that cameras read)", width), m.theme.dim))
}

// explained is a key, or a command, and what it does beside it, or below.
func (m *model) explained(key, help string, width int) (rows []string) {
	column := 19
	if strings.HasPrefix(key, "/") {
		column = 26
	}
	if width-column < 18 { // the words go below
		column = 4
	}
	lead := pad(key, column)
	if text.Width(key) > column-1 {
		rows, lead = append(rows, paint(m.cut(key, width), m.theme.key)), strings.Repeat(" ", column)
	}
	for i, row := range text.Wrap(help, width-column, width-column) {
		if i > 0 {
			lead = strings.Repeat(" ", column)
		}
		rows = append(rows, paint(lead, m.theme.key)+row)
	}
	return rows
}

// statsPanel shows the counters where there is no room for them above the talk.
func (m *model) statsPanel(w *window) *panel {
	return &panel{title: "Connection (Esc closes)", live: func(width, _ int) []string { return m.statRows(w, width)[1:] }}
}

// diagnosed adds what the doctor has found.
func (m *model) diagnosed(msg doctorMsg) {
	p := m.panel
	if p == nil || !p.doctor {
		return
	}
	last := len(p.lines) - 1
	if msg.done {
		p.lines = p.lines[:last]
		return
	}
	p.lines = append(p.lines[:last], text.Clean(msg.line), p.lines[last])
}

// panelRows are the rows of a panel.
func (m *model) panelRows(width, height int) []string {
	p := m.panel
	rows := make([]string, 0, len(p.lines))
	room := max(1, height-1)
	if p.live != nil {
		rows = p.live(width, room)
	}
	for _, line := range p.lines {
		if key, help, found := strings.Cut(line, "\t"); found {
			rows = append(rows, m.explained(key, help, width)...)
		} else {
			rows = append(rows, fill("", "", "", []string{line}, "", width)...)
		}
	}
	if p.follow {
		p.follow, p.scroll = false, len(rows)
	}
	p.scroll = max(0, min(p.scroll, len(rows)-room))
	return append([]string{m.rule(text.Clean(p.title), width, "1")}, rows[p.scroll:min(len(rows), p.scroll+room)]...)
}
