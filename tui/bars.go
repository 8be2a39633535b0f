package tui

import (
	"fmt"
	"strings"

	"parley/text"
)

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
		tabs = m.tabs(max(m.w/2, m.w-text.Width(left)-2)) + " "
	}
	return m.bar(left, tabs)
}

// tabs are the windows, as many as fit around the one that is shown. What is hidden
// at either end is counted, with a plus if something was said there.
func (m *model) tabs(width int) string {
	parts := make([]string, len(m.windows))
	for i, w := range m.windows {
		tab := fmt.Sprintf("%d:%s", i+1, m.cut(text.Clean(w.ready.Room), 12))
		if w.news > 0 {
			tab += fmt.Sprintf("+%d", w.news)
		}
		if w.called {
			tab += "!"
		}
		if i == m.at {
			tab = "[" + tab + "]"
		}
		parts[i] = tab
	}
	hidden := func(from, to int, format string) string {
		if from >= to {
			return ""
		}
		news := ""
		for _, w := range m.windows[from:to] {
			if w.news > 0 {
				news = "+"
			}
		}
		return fmt.Sprintf(format, fmt.Sprint(to-from)+news)
	}
	from := max(0, min(m.at, len(parts)-1))
	to := from + 1
	draw := func(from, to int) string {
		return hidden(0, from, "<%s ") + strings.Join(parts[from:to], " ") + hidden(to, len(parts), " %s>")
	}
	for grew := true; grew; {
		grew = false
		if to < len(parts) && text.Width(draw(from, to+1)) <= width {
			to, grew = to+1, true
		}
		if from > 0 && text.Width(draw(from-1, to)) <= width {
			from, grew = from-1, true
		}
	}
	return draw(from, to)
}

// bar is a row from edge to edge, with words at both.
func (m *model) bar(left, right string) string {
	right = m.cut(right, m.w)
	left = m.cut(left, max(0, m.w-text.Width(right)))
	return paint(pad(left, m.w-text.Width(right))+right, m.theme.bar)
}

// status is the row above the line being typed.
func (m *model) status() string {
	w := m.current()
	clock := m.now.In(m.zone).Format("15:04 ")
	if w == nil {
		rooms := fmt.Sprintf("%d rooms", len(m.lobby.rooms))
		if len(m.lobby.rooms) == 1 {
			rooms = "1 room"
		}
		return m.bar(" "+text.Clean(m.o.Nick)+m.marks.sep+rooms, clock)
	}
	parts := []string{text.Clean(w.nick)}
	switch {
	case w.over:
		parts = append(parts, "OVER")
	case w.lost:
		parts = append(parts, "CONNECTION LOST, trying again")
	case w.carrier == "pipe": // this program hosts the room
		parts = append(parts, "hosting")
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
	} else if m.w >= 60 {
		clock = "F1 keys  " + clock
	}
	return m.bar(" "+strings.Join(parts, m.marks.sep), clock)
}
