package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"parley/text"
)

const (
	peopleFrom  = 80 // columns from which people are listed
	peopleWidth = 20
	inputMost   = 5 // rows of the line being typed
)

// screen is what view draws: rows, and the cursor.
type screen struct {
	rows []string
	x, y int // -1: no cursor
}

// talkWidth is how wide what is said may be.
func (m *model) talkWidth() int {
	if m.w >= peopleFrom && m.current() != nil {
		return m.w - peopleWidth - 3
	}
	return max(m.w, 1)
}

// talkHeight is how many rows of what is said are seen.
func (m *model) talkHeight() int {
	top, bottom, _, _ := m.frame()
	h := m.h - len(top) - len(bottom)
	if w := m.current(); w != nil && m.counting() {
		h -= len(m.statRows(w, m.talkWidth()))
	}
	if m.watching() {
		h -= len(m.laneRows())
	}
	return max(1, h)
}

// frame are the rows above and below the talk, and where among the lower ones
// the cursor is.
func (m *model) frame() (top, bottom []string, x, y int) {
	if m.h >= 7 {
		top = []string{m.title()}
	}
	if m.h >= 5 {
		bottom = []string{m.status()}
	}
	most := min(inputMost, max(1, m.h/3))
	var rows []string
	x, y = -1, -1
	switch w := m.current(); {
	case m.prompt != nil:
		rows, x, y = m.promptRows(m.w, max(2, m.h-4))
	case w != nil && m.seek != nil:
		rows, x, y = w.edit.rows("(search) "+text.Clean(m.seek.what)+": ", m.w, 1, false)
	case w != nil:
		rows, x, y = w.edit.rows("> ", m.w, most, false)
		if w.edit.line == "" && m.warned == "leave" {
			rows = []string{"> " + paint(m.cut("Ctrl-C again leaves", max(1, m.w-3)), m.theme.dim)}
		}
	}
	if w := m.current(); w != nil && len(w.files) > 0 && m.h >= 8 {
		bottom = append(m.fileRows(w, m.w, max(1, m.h/6)), bottom...)
	}
	if w := m.current(); w != nil && w.offer != "" && m.h >= 8 {
		bottom = append(fill("", "", "", []string{w.offer}, m.theme.mark, m.w), bottom...)
	}
	if y >= 0 {
		y += len(bottom)
	}
	return top, append(bottom, rows...), x, y
}

// counting tells whether the counters are shown: only where the talk is seen, too.
func (m *model) counting() bool { return m.stats && !m.watching() && m.h >= 16 && m.w >= 30 }

// Fewer columns or rows than these show nothing but that they are too few.
const (
	leastWidth  = 20
	leastHeight = 5
)

// cramped is the screen that is too small. What is typed is kept meanwhile.
func (m *model) cramped() screen {
	rows := text.Wrap("too small", m.w, m.w)
	rows = rows[:min(len(rows), m.h)]
	for len(rows) < m.h {
		rows = append(rows, "")
	}
	return screen{rows, -1, -1}
}

// cut is text.Truncate, with a mark of this screen.
func (m *model) cut(s string, w int) string {
	short := text.Truncate(s, w)
	if m.marks.words && short != s {
		short = strings.Replace(short, "…", "~", 1)
	}
	return short
}

// view draws the screen.
func (m *model) view() screen {
	if m.w < leastWidth || m.h < leastHeight {
		return m.cramped()
	}
	top, bottom, x, y := m.frame()
	height := max(1, m.h-len(top)-len(bottom))
	var body []string
	w := m.current()
	switch {
	case w == nil && m.panel != nil:
		body = m.panelRows(m.w, height)
	case w == nil:
		body = m.lobbyRows(m.w, height)
	default:
		body = m.roomRows(w, height)
	}
	rows := make([]string, 0, m.h)
	rows = append(rows, top...)
	for i := range height {
		row := ""
		if i < len(body) {
			row = body[i]
		}
		rows = append(rows, row)
	}
	if y >= 0 {
		y += len(rows)
	}
	rows = append(rows, bottom...)
	if over := len(rows) - m.h; over > 0 {
		rows = rows[over:]
		y -= over
	}
	for i, row := range rows {
		if text.Width(row) > m.w {
			rows[i] = ansi.Truncate(row, m.w, "")
		}
	}
	return screen{rows, min(x, m.w-1), y}
}

// roomRows are the talk, with the people beside it.
func (m *model) roomRows(w *window, height int) []string {
	if m.panel != nil {
		return m.panelRows(m.w, height)
	}
	width := m.talkWidth()
	var lanes []string
	if m.watching() {
		lanes = m.laneRows()
		height -= len(lanes)
	}
	rows := m.talkRows(w, width, height)
	if m.w < peopleFrom {
		return append(lanes, rows...)
	}
	beside := m.peopleRows(w, len(rows))
	bar := "|"
	if !m.marks.words {
		bar = "│"
	}
	for i := range rows {
		rows[i] = pad(rows[i], width+1) + paint(bar, m.theme.dim) + " " + beside[i]
	}
	return append(lanes, rows...)
}

// talkRows are the talk, below the counters.
func (m *model) talkRows(w *window, width, height int) (rows []string) {
	if m.counting() {
		rows = m.statRows(w, width)
		height -= len(rows)
	}
	body, _ := w.body(m, width, height)
	rows = append(rows, make([]string, max(0, height-len(body)))...) // talk stands at the bottom
	rows = append(rows, body...)
	if w.scroll > 0 {
		words := fmt.Sprintf("more below (%d rows, PgDn)", w.scroll)
		if w.news > 0 {
			words = fmt.Sprintf("%d new below (Esc goes there)", w.news)
		}
		rows[len(rows)-1] = m.rule(words, width, m.theme.mark)
	}
	if w.asked {
		rows[0] = m.rule("looking for older messages "+m.marks.pending, width, m.theme.dim)
	}
	return rows
}

// peopleRows list who is here.
func (m *model) peopleRows(w *window, height int) []string {
	rows := make([]string, height)
	rows[0] = paint(fmt.Sprintf("%d here", len(w.people)), "1")
	for i, p := range w.people {
		at := i + 1
		if at >= height {
			break
		}
		if at == height-1 && i < len(w.people)-1 {
			rows[at] = paint(fmt.Sprintf("and %d more", len(w.people)-i), m.theme.dim)
			break
		}
		note := ""
		switch {
		case p.Role == "host" || p.Role == "op" || p.Role == "guest":
			note = " " + p.Role
		}
		if p.Away != "" {
			note += " away"
		}
		if text.Key(p.Nick) == text.Key(w.nick) {
			note += " (you)"
		}
		nick := m.cut(text.Clean(p.Nick), max(4, peopleWidth-text.Width(note)))
		rows[at] = paint(nick, m.nickStyle(p.Nick)) + paint(m.cut(note, max(0, peopleWidth-text.Width(nick))), m.theme.dim)
	}
	return rows
}

// nickStyle is the colour of a nick.
func (m *model) nickStyle(nick string) style {
	painted := m.theme.name(nick)
	if i := strings.IndexByte(painted, 'm'); strings.HasPrefix(painted, "\x1b[") && i > 0 {
		return style(painted[2:i])
	}
	return ""
}
