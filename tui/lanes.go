package tui

import (
	"strings"
	"time"

	"parley/text"
)

const (
	// leastLanes is how tall the screen has to be for packets and talk, below each other.
	leastLanes = 16
	// redrawing is how often packets are drawn: time goes by a column in that.
	redrawing = 100 * time.Millisecond
)

// watching tells whether the packets are shown above the talk.
func (m *model) watching() bool {
	return m.lanes && m.o.Lanes != nil && m.h >= leastLanes && m.current() != nil && m.panel == nil
}

// laneRows are the packets, and a rule below them: the larger part of the screen if
// they need it, because what is said is seen elsewhere, too.
func (m *model) laneRows() []string {
	top, bottom, _, _ := m.frame()
	rows := m.o.Lanes.Rows(m.w, max(4, (m.h-len(top)-len(bottom))*3/5)-1)
	return append(rows, strings.Repeat(m.marks.rule, m.w))
}

// lanesPanel shows the packets where there is no room for them above the talk.
func (m *model) lanesPanel() *panel {
	return &panel{title: "Packets (Esc closes)", live: m.o.Lanes.Rows}
}

// toggleLanes shows or hides the packets, or does what arg says with them.
func (m *model) toggleLanes(w *window, arg string) {
	switch {
	case m.o.Lanes == nil:
		w.add(m, trouble("packets are not recorded: they are where a room is hosted with parley host ROOM --lanes", m.now))
	case arg != "":
		if err := m.o.Lanes.Command(arg); err != nil {
			w.add(m, trouble(err.Error(), m.now))
			return
		}
		m.lanes = true
	case m.h < leastLanes:
		m.panel = m.lanesPanel()
	default:
		m.lanes = !m.lanes
	}
}

// impair changes what befalls the datagrams that are sent.
func (m *model) impair(w *window, spec string) {
	if m.o.Impair == nil {
		w.add(m, trouble("only who hosts the room can do that", m.now))
		return
	}
	said, err := m.o.Impair(spec)
	if err != nil {
		w.add(m, trouble(text.Clean(err.Error()), m.now))
		return
	}
	w.add(m, note(said, m.now))
}
