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
			rows = []string{"> " + paint(text.Truncate("Ctrl-C again leaves", max(1, m.w-3)), m.theme.dim)}
		}
	}
	if y >= 0 {
		y += len(bottom)
	}
	return top, append(bottom, rows...), x, y
}

// counting tells whether the counters are shown: only where the talk is seen, too.
func (m *model) counting() bool { return m.stats && m.h >= 16 && m.w >= 30 }

// view draws the screen.
func (m *model) view() screen {
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
	width := m.talkWidth()
	var rows []string
	if m.counting() {
		rows = m.statRows(w, width)
		height -= len(rows)
	}
	if m.panel != nil {
		rows = append(rows, m.panelRows(width, height)...)
	} else {
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
	}
	if m.w < peopleFrom {
		return rows
	}
	beside := m.peopleRows(w, len(rows))
	bar := "|"
	if !m.marks.words {
		bar = "│"
	}
	for i := range rows {
		rows[i] = pad(rows[i], width+1) + paint(bar, m.theme.dim) + " " + beside[i]
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
		nick := text.Truncate(text.Clean(p.Nick), max(4, peopleWidth-text.Width(note)))
		rows[at] = paint(nick, m.nickStyle(p.Nick)) + paint(text.Truncate(note, max(0, peopleWidth-text.Width(nick))), m.theme.dim)
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

// title is the first row: where one is, what it is about, what other windows there are.
func (m *model) title() string {
	left := " parley"
	if w := m.current(); w != nil {
		left = " " + text.Clean(w.ready.Room)
		if w.topic != "" {
			left += m.marks.sep + text.Clean(w.topic)
		}
	}
	tabs := ""
	if len(m.windows) > 1 || m.at < 0 && len(m.windows) > 0 {
		var parts []string
		for i, w := range m.windows {
			tab := fmt.Sprintf("%d:%s", i+1, text.Truncate(text.Clean(w.ready.Room), 12))
			if w.news > 0 {
				tab += fmt.Sprintf("+%d", w.news)
			}
			if w.called {
				tab += "!"
			}
			if i == m.at {
				tab = "[" + tab + "]"
			}
			parts = append(parts, tab)
		}
		tabs = strings.Join(parts, " ") + " "
	}
	return m.bar(left, tabs)
}

// bar is a row from edge to edge, with words at both.
func (m *model) bar(left, right string) string {
	right = text.Truncate(right, m.w)
	left = text.Truncate(left, max(0, m.w-text.Width(right)))
	return paint(pad(left, m.w-text.Width(right))+right, m.theme.bar)
}

// status is the row above the line being typed.
func (m *model) status() string {
	w := m.current()
	clock := m.now.In(m.zone).Format("15:04 ")
	if w == nil {
		left := " " + text.Clean(m.o.Nick)
		if m.o.Nick != "" {
			left += m.marks.sep
		}
		return m.bar(left+"? help", clock)
	}
	parts := []string{text.Clean(w.nick)}
	switch {
	case w.over:
		parts = append(parts, "OVER")
	case w.lost:
		parts = append(parts, "CONNECTION LOST, trying again")
	default:
		parts = append(parts, text.Clean(w.carrier))
	}
	if n := w.pending(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d unsent", n))
	}
	switch {
	case !w.ready.Secure:
		parts = append(parts, "PLAINTEXT")
	case w.ready.Guests:
		parts = append(parts, "guests read in clear")
	default:
		parts = append(parts, "encrypted")
	}
	if m.w < peopleFrom && len(w.people) > 0 {
		parts = append(parts, fmt.Sprintf("%d here", len(w.people)))
	}
	if n := len(w.stats); n > 0 && !w.lost && !w.over && w.carrier != "pipe" {
		parts = append(parts, fmt.Sprintf("%.1f ms", w.stats[n-1].RTT), fmt.Sprintf("loss %.0f%%", w.loss()))
	}
	if m.sitting != "" {
		parts = append(parts, text.Clean(m.sitting)+m.marks.pending)
	}
	if m.w < 40 {
		clock = ""
	}
	return m.bar(" "+strings.Join(parts, m.marks.sep), clock)
}
