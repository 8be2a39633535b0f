package tui

import (
	"slices"
	"strings"

	"parley/room"
	"parley/talk"
	"parley/text"
	"parley/transport"
)

// A seek is a search in what was typed before.
type seek struct {
	what string
	at   int // in past, of what was found
	kept string
}

// key takes a key by its name, with what it types, if anything.
func (m *model) key(name, typed string) {
	warned := m.warned
	if m.warned != "quit" {
		m.warned = ""
	}
	switch {
	case name == "ctrl+l":
		m.do(doClear{})
	case m.prompt != nil && m.prompt.kind == "paste":
		m.pasteKey(name)
	case m.prompt != nil:
		m.promptKey(name, typed)
	case m.panel != nil && m.panelKey(name):
	case m.windowKey(name):
	case m.current() == nil:
		m.lobbyKey(name, warned)
	default:
		m.roomKey(m.current(), name, typed, warned)
	}
}

func (m *model) promptKey(name, typed string) {
	switch name {
	case "enter":
		m.answer()
	case "ctrl+c":
		if m.prompt.waits() && !m.entered {
			m.do(doQuit{broken: true})
			return
		}
		m.refuse()
	case "esc":
		m.refuse()
	case "alt+enter", "ctrl+j", "shift+enter":
	default:
		m.prompt.edit.key(name, typed)
	}
}

func (m *model) panelKey(name string) bool {
	page := max(1, m.talkHeight()-2)
	switch name {
	case "esc", "q", "ctrl+c", "enter", "?", "f1":
		m.panel = nil
	case "o":
		if m.panel.older == 0 {
			m.panel = nil
			return false
		}
		m.do(doInput{m.panel.older, "/search"})
	case "up", "k":
		m.panel.scroll--
	case "down", "j":
		m.panel.scroll++
	case "pgup", "alt+p":
		m.panel.scroll -= page
	case "pgdown", "alt+n", "space":
		m.panel.scroll += page
	default:
		m.panel = nil
		return false
	}
	return true
}

// windowKey takes keys that go from window to window.
func (m *model) windowKey(name string) bool {
	switch name {
	case "ctrl+p":
		if m.show(m.at - 1); m.at < 0 {
			m.show(-1)
		}
	case "ctrl+n":
		m.show(m.at + 1)
	case "alt+a":
		best := -1
		for i, w := range m.windows {
			if w.news > 0 && i != m.at && (best < 0 || w.called && !m.windows[best].called) {
				best = i
			}
		}
		if best >= 0 {
			m.show(best)
		}
	case "alt+0":
		m.show(-1)
	case "f1":
		m.panel = m.helpPanel()
	case "f2":
		if w := m.current(); w != nil {
			m.toggleLanes(w, "")
		}
	default:
		if n, ok := strings.CutPrefix(name, "alt+"); ok && len(n) == 1 && n >= "1" && n <= "9" {
			m.show(int(n[0] - '1'))
			return true
		}
		return false
	}
	return true
}

func (m *model) lobbyKey(name, warned string) {
	l := &m.lobby
	if m.sitting != "" {
		switch {
		case name == "ctrl+c" && !m.entered:
			m.do(doQuit{broken: true})
		case name == "esc" || name == "ctrl+c" || name == "q":
			m.do(doGiveUp{})
		}
		return
	}
	switch name {
	case "up", "k", "shift+tab":
		l.at = max(0, l.at-1)
	case "down", "j", "tab":
		l.at = max(0, min(len(l.rooms)-1, l.at+1))
	case "home":
		l.at = 0
	case "end":
		l.at = max(0, len(l.rooms)-1)
	case "enter":
		if l.at < len(l.rooms) {
			r := l.rooms[l.at].Listing
			for i, w := range m.windows { // we sit there
				if !w.over && w.ready.Key == r.Key && r.Key != (transport.Key{}) {
					m.show(i)
					return
				}
			}
			m.sit(doSit{heard: &r}, "joining "+text.Clean(r.Room))
		}
	case "n":
		m.failure = nil
		m.prompt = &prompt{kind: "host", label: "Name of your room"}
	case "a", "/":
		m.failure = nil
		m.prompt = &prompt{kind: "address", label: "Address or link"}
	case "c":
		m.failure = nil
		m.prompt = &prompt{kind: "name", label: "Your name"}
		m.prompt.edit.set(m.o.Nick)
	case "d":
		if m.failure = nil; m.o.Doctor != nil {
			m.panel = &panel{title: "What keeps people from seeing each other (Esc closes)", lines: []string{"looking " + m.marks.pending}, doctor: true}
			m.do(doDoctor{})
		}
	case "?", "h":
		m.panel = m.helpPanel()
	case "esc":
		m.failure = nil
		if len(m.windows) > 0 {
			m.show(max(0, min(m.last, len(m.windows)-1)))
		}
	case "q", "ctrl+c", "ctrl+d":
		m.quit("")
	}
}

func (m *model) roomKey(w *window, name, typed, warned string) {
	if m.seek != nil && m.seekKey(w, name, typed) {
		return
	}
	page := max(1, m.talkHeight()-1)
	switch name {
	case "enter":
		m.say(w)
	case "tab", "shift+tab":
		w.edit.tab(name == "shift+tab", func(line, word string, first bool) []string { return m.complete(w, line, word, first) })
	case "up":
		w.edit.older()
	case "down":
		w.edit.newer()
	case "pgup", "alt+p":
		w.move(m, page)
	case "pgdown", "alt+n":
		w.move(m, -page)
	case "ctrl+home":
		w.move(m, 1<<20)
	case "ctrl+end", "esc":
		w.move(m, -w.scroll)
	case "ctrl+r":
		m.seek = &seek{at: len(w.edit.past), kept: w.edit.line}
	case "alt+r":
		m.do(doInput{w.id, "/resend"})
	case "ctrl+f":
		if w.edit.line == "" {
			m.prompt = &prompt{kind: "search", label: "Search"}
		} else {
			w.edit.right()
		}
	case "ctrl+c":
		switch {
		case w.edit.line != "":
			w.edit.take()
		case warned == "leave" || warned == "quit":
			m.quit("")
		default:
			m.warned = "leave"
		}
	case "ctrl+d":
		switch {
		case w.edit.line != "":
			w.edit.key(name, "")
		case w.over:
			m.close(w)
		case len(m.windows) == 1 && m.o.Start != nil:
			m.quit("")
		default:
			m.do(doLeave{w.id, ""})
		}
	default:
		w.edit.key(name, typed)
	}
}

// seekKey takes a key while what was typed before is searched; false: the search
// is over and the key means what it always does.
func (m *model) seekKey(w *window, name, typed string) bool {
	s := m.seek
	switch {
	case name == "ctrl+r":
	case name == "backspace" && s.what != "":
		_, n := lastCluster(s.what)
		s.what, s.at = s.what[:n], len(w.edit.past)
	case name == "esc" || name == "ctrl+c" || name == "ctrl+g":
		w.edit.set(s.kept)
		m.seek = nil
		return true
	case typed != "":
		s.what, s.at = s.what+typed, min(s.at+1, len(w.edit.past))
	default:
		m.seek = nil
		return name == "enter" // it is on the line now, to be sent by another
	}
	if i, ok := w.edit.recall(s.what, s.at); ok && s.what != "" {
		s.at = i
		w.edit.set(w.edit.past[i])
	}
	return true
}

// lastCluster is the last cluster of s, and where it begins.
func lastCluster(s string) (string, int) {
	e := edit{line: s, pos: len(s)}
	e.left()
	return s[e.pos:], e.pos
}

// say gives the line to the room.
func (m *model) say(w *window) {
	line := text.Mark(w.edit.line)
	switch {
	case strings.TrimSpace(line) == "":
		w.edit.set("")
		return
	case w.over && talk.Front(strings.Fields(line)[0]) == "":
		w.add(m, trouble("you are not in this room any more: /join ROOM, or Alt-0 for the rooms", m.now))
		return
	}
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	if strings.TrimSpace(line) == "/help" {
		m.took(w)
		m.panel = m.commandPanel()
		return
	}
	if word == "/stats" {
		m.took(w)
		if m.stats = !m.stats; m.stats && !m.counting() {
			m.stats, m.panel = false, m.statsPanel(w)
		}
		return
	}
	parts := []string{line}
	if len(line) > text.MaxText {
		if parts = talk.InParts(line); parts == nil {
			w.add(m, trouble("a message may have 4,096 bytes: send it in parts", m.now))
			return
		}
	}
	m.took(w)
	w.move(m, -w.scroll)
	w.mark = 0
	for _, part := range parts {
		m.do(doInput{w.id, part})
	}
}

// took takes the line that was typed, for what comes and for another day.
func (m *model) took(w *window) {
	if line := w.edit.take(); line != "" && talk.Secret(line) == len(line) && m.o.Past != "" && w.ready.Kept { // a room that keeps nothing is kept by nobody
		m.do(doKeep{line})
	}
}

// complete offers what a word may become.
func (m *model) complete(w *window, line, word string, first bool) []string {
	if strings.HasPrefix(line, "/join ") || strings.HasPrefix(line, "/j ") || !first && strings.HasPrefix(word, "#") {
		var offers []string
		hash := ""
		if strings.HasPrefix(word, "#") {
			hash = "#"
		}
		for _, r := range m.lobby.rooms {
			if strings.HasPrefix(text.RoomKey(r.Room), text.RoomKey(strings.TrimPrefix(word, "#"))) {
				offers = append(offers, hash+text.Clean(r.Room)+" ")
			}
		}
		return slices.Compact(offers)
	}
	if strings.HasPrefix(line, "/help ") {
		var offers []string
		for _, c := range room.Commands {
			if strings.HasPrefix(c.Name, strings.TrimPrefix(word, "/")) {
				offers = append(offers, c.Name+" ")
			}
		}
		return offers
	}
	return talk.Complete(word, first, w.people)
}
