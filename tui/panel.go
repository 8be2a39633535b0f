package tui

import (
	"fmt"
	"slices"
	"strings"

	"parley/text"
)

// A panel covers the talk until Esc.
type panel struct {
	title  string
	lines  []string // clean
	scroll int      // rows above the first that is shown
	follow bool     // begin at the end
}

// keyHelp is what F1 and ? show.
var keyHelp = []string{
	"In the lobby",
	"  Enter            join the room that is marked",
	"  n                open a room of your own",
	"  a                go to an address or a parley:// link",
	"  Esc              back to the room you were in",
	"  q, Ctrl-C        leave",
	"In a room",
	"  Enter            say it",
	"  Alt-Enter        a further line (also Ctrl-J)",
	"  Tab, Shift-Tab   complete commands, names, rooms",
	"  Up, Down         what you typed; Ctrl-R searches it",
	"  PgUp, PgDn       scroll (Alt-P, Alt-N); Esc: the newest",
	"  Ctrl-F           search what was said",
	"  Alt-1 to Alt-9   that window; Alt-0 the lobby",
	"  Ctrl-P, Ctrl-N   window before, after; Alt-A: with news",
	"  Alt-R            send again what was not stored",
	"  /stats           watch the connection; again: hide it",
	"  Ctrl-L           draw the screen anew",
	"  Ctrl-C           empty the line; twice on an empty one leaves",
	"  Ctrl-D           on an empty line: leave the room",
	"Editing",
	"  Ctrl-A, Ctrl-E   to the begin, to the end",
	"  Alt-B, Alt-F     a word back, forward",
	"  Ctrl-W, Alt-D    cut the word before, the word after",
	"  Ctrl-U, Ctrl-K   cut all before, all after",
	"  Ctrl-Y           put back what was cut",
	"  Ctrl-T           swap two letters",
	"/help lists commands. @NICK TEXT whispers. //TEXT says a line that begins with a slash.",
	"Behind what you say: … on its way, ✓ stored by the host, ✓✓ 2/3 two of three have it, ✓✓ everybody.",
}

func (m *model) helpPanel() *panel {
	p := &panel{title: "Keys (Esc closes, PgDn for more)", lines: slices.Clone(keyHelp)}
	if m.marks.words {
		p.lines[len(p.lines)-1] = "Behind what you say: ... on its way, (stored) by the host, (2 of 3) have it, (all)."
	}
	return p
}

// linkPanel shows how others come here.
func linkPanel(w *window) *panel {
	p := &panel{title: "How others join"}
	if w.ready.Invite != "" {
		p.lines = append(p.lines, "  parley join "+text.Clean(w.ready.Invite))
	}
	p.lines = append(p.lines, "", "on this network also: parley join "+text.Clean(w.ready.Room))
	if w.ready.Words != "" {
		p.lines = append(p.lines, "", "the room's key, to compare: "+text.Clean(w.ready.Words))
	}
	return p
}

// panelRows are the rows of a panel.
func (m *model) panelRows(width, height int) []string {
	p := m.panel
	rows := make([]string, 0, len(p.lines))
	for _, line := range p.lines {
		rows = append(rows, fill("", "", "", []string{line}, "", width)...)
	}
	room := max(1, height-1)
	if p.follow {
		p.follow, p.scroll = false, len(rows)
	}
	p.scroll = max(0, min(p.scroll, len(rows)-room))
	return append([]string{m.rule(text.Clean(p.title), width, "1")}, rows[p.scroll:min(len(rows), p.scroll+room)]...)
}

// statRows draw what the connection counts: the round trip as it was, and what is
// under way, lost and sent again.
func (m *model) statRows(w *window, width int) []string {
	if len(w.stats) == 0 {
		return []string{m.rule("connection", width, "1"), "nothing was counted yet"}
	}
	s := w.stats[len(w.stats)-1]
	rows := []string{m.rule("connection, over "+w.carrier+" (/stats hides)", width, "1")}
	rtt := make([]float64, 0, len(w.stats))
	flight := make([]float64, 0, len(w.stats))
	lost := make([]float64, 0, len(w.stats))
	for i, c := range w.stats {
		rtt, flight = append(rtt, c.RTT), append(flight, float64(c.InFlight))
		if i > 0 {
			lost = append(lost, float64(after(c.Lost, w.stats[i-1].Lost)))
		}
	}
	label := func(name string, now string, values []float64) string {
		head := pad(text.Truncate(fmt.Sprintf("%-10s %s", name, now), 28), 28)
		return text.Truncate(head, width) + m.spark(values, max(0, width-29))
	}
	rows = append(rows,
		label("round trip", fmt.Sprintf("%.2f ms", s.RTT), rtt),
		label("in flight", fmt.Sprintf("%d of %d bytes", s.InFlight, s.Window), flight),
		label("lost", fmt.Sprintf("%d of %d packets", s.Lost, s.Sent), lost))
	rows = append(rows, fill("", "", "", []string{fmt.Sprintf("%d sent again, %d received, %s out, %s in, %d events, %d twice, %d missed, reconnected %d times, %d unsent",
		s.Resent, s.Received, bytes(s.BytesOut), bytes(s.BytesIn), s.Events, s.Twice, s.Missed, s.Reconnect, s.Pending)}, m.theme.dim, width)...)
	return append(rows, strings.Repeat(m.marks.rule, width))
}

// after is how much a counter has grown; it begins anew with a connection.
func after(now, before uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}

// spark draws the last values as bars.
func (m *model) spark(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	if len(values) == 0 {
		return ""
	}
	most := slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		i := 0
		if most > 0 {
			i = int(v / most * float64(len(m.marks.spark)-1))
		}
		b.WriteRune(m.marks.spark[max(0, min(i, len(m.marks.spark)-1))])
	}
	return b.String()
}

func bytes(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// loss is what part of the packets was lost lately, in percent.
func (w *window) loss() float64 {
	if len(w.stats) < 2 {
		return 0
	}
	first, last := w.stats[max(0, len(w.stats)-20)], w.stats[len(w.stats)-1]
	sent := after(last.Sent, first.Sent)
	if sent == 0 {
		return 0
	}
	return 100 * float64(after(last.Lost, first.Lost)) / float64(sent)
}
