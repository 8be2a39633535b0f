package tui

import (
	"slices"
	"time"

	"parley/talk"
)

// A model is the machine.
type model struct {
	o      Options
	now    time.Time
	w, h   int
	theme  theme
	marks  marks
	zone   *time.Location
	blur   bool // the terminal is not looked at
	stamps bool
	bell   string
	quiet  bool

	lobby   lobby
	windows []*window // in the order they were opened
	at      int       // of the one shown; -1: the lobby
	last    int       // shown before
	prompt  *prompt
	panel   *panel
	stats   bool   // the counters are shown
	lanes   bool   // the packets are shown
	sitting string // what is being sat down in; empty: nothing
	waiting string // what that waits for
	warned  string // what a key has to be pressed again for
	failure []string
	notes   []string // before there is a window for them
	seek    *seek
	entered bool // a room was, or there was none to begin with
	rung    time.Time
	past    []string // what was typed, for windows to come

	out []effect
}

// ringPause is the least between two rings of the bell.
const ringPause = time.Second

func newModel(o Options) *model {
	m := &model{o: o, lanes: o.Lanes != nil, w: 80, h: 24, theme: plain, marks: unicodeMarks, zone: o.Zone, at: -1, last: -1, stamps: true, bell: o.Bell, quiet: o.Quiet}
	if o.Color {
		m.theme = themes["dark"]
		if t, ok := themes[o.Theme]; ok {
			m.theme = t
		}
	}
	if o.ASCII {
		m.marks = asciiMarks
	}
	if m.zone == nil {
		m.zone = time.Local
	}
	if m.bell == "" {
		m.bell = "mention"
	}
	return m
}

// do asks the shell for something.
func (m *model) do(e effect) { m.out = append(m.out, e) }

// begin is the first thing a model is told.
func (m *model) begin(now time.Time) []effect {
	m.now, m.lobby.since = now, now
	if m.entered = m.o.Start == nil; !m.entered {
		m.sit(doSit{start: true, target: m.o.Start.Target}, m.o.Start.Title)
	}
	return m.effects()
}

func (m *model) effects() []effect {
	out := m.out
	m.out = nil
	return out
}

// current is the window that is shown, or nil in the lobby.
func (m *model) current() *window {
	if m.at < 0 || m.at >= len(m.windows) {
		return nil
	}
	return m.windows[m.at]
}

// inLobby tells whether the rooms of the network are shown.
func (m *model) inLobby() bool { return m.entered && m.current() == nil }

// find returns a window by its number.
func (m *model) find(id int) *window {
	for _, w := range m.windows {
		if w.id == id {
			return w
		}
	}
	return nil
}

// told takes a message of the shell.
func (m *model) told(msg any) {
	switch msg := msg.(type) {
	case heardMsg:
		m.lobby.hear(msg.Listing, m.now)
	case satMsg:
		m.sat(msg)
	case unsatMsg:
		m.unsat(msg)
	case eventsMsg:
		if w := m.find(msg.win); w != nil {
			for _, e := range msg.events {
				m.happened(w, e)
			}
		}
	case countMsg:
		if w := m.find(msg.win); w != nil {
			w.count(msg)
		}
	case endedMsg:
		m.ended(msg)
	case actionMsg:
		m.acted(msg)
	case pageMsg:
		if w := m.find(msg.win); w != nil {
			w.paged(m, msg)
		}
	case askMsg:
		m.ask(msg)
	case tickMsg:
		if m.inLobby() {
			m.lobby.forget(m.now)
		}
	case noteMsg:
		m.note(msg.words)
	case doctorMsg:
		m.diagnosed(msg)
	case saidMsg:
		if w := m.find(msg.win); w != nil && msg.bad {
			w.add(m, trouble(msg.words, m.now))
		} else if w != nil {
			w.add(m, note(msg.words, m.now))
		}
	}
}

// sit begins to sit down somewhere.
func (m *model) sit(d doSit, title string) {
	if m.sitting != "" {
		return
	}
	if d.nick == "" {
		d.nick = m.o.Nick
		if w := m.current(); w != nil {
			d.nick = w.nick
		}
	}
	m.sitting, m.waiting, m.failure = title, "", nil
	m.do(d)
}

func (m *model) sat(msg satMsg) {
	w := newWindow(msg.win, msg.ready)
	w.edit.past = slices.Clone(m.past)
	w.edit.at = len(m.past)
	m.windows = append(m.windows, w)
	m.sitting, m.waiting, m.prompt, m.failure, m.entered = "", "", nil, nil, true
	for _, line := range talk.Greeting(msg.ready) {
		w.add(m, note(line, m.now))
	}
	for _, line := range m.notes {
		w.add(m, note(line, m.now))
	}
	m.notes = nil
	if msg.ready.Role == "host" {
		w.add(m, note("others see the room when they start parley; /link shows how to come from elsewhere", m.now))
	}
	if len(m.windows) == 1 {
		w.add(m, note("type and press Enter; /help lists commands, F1 keys, /quit leaves", m.now))
	}
	m.show(len(m.windows) - 1)
}

func (m *model) unsat(msg unsatMsg) {
	m.sitting, m.waiting, m.prompt = "", "", nil
	several := msg.code == "which_room" && len(msg.rooms) > 0
	if msg.was.start && !several { // the normal screen tells
		m.do(doQuit{})
		return
	}
	m.entered = true
	if several {
		m.prompt = &prompt{kind: "room", lines: append([]string{"There are several rooms:"}, msg.rooms...), label: "Which", was: msg.was}
		m.prompt.edit.set(msg.rooms[0])
		return
	}
	if w := m.current(); w != nil {
		for _, line := range msg.lines {
			w.add(m, trouble(line, m.now))
		}
		return
	}
	m.failure = msg.lines
}

// ended is the end of a seat.
func (m *model) ended(msg endedMsg) {
	w := m.find(msg.win)
	if w == nil {
		return
	}
	w.over, w.offer, w.files = true, "", nil
	if len(msg.lines) == 0 { // as we wished
		m.close(w)
		return
	}
	for _, line := range msg.lines {
		w.add(m, trouble(line, m.now))
	}
	if w.pending() > 0 {
		w.add(m, trouble("what you typed last may not have reached the host", m.now))
	}
	w.add(m, note("this is over: Ctrl-D closes the window, Alt-0 shows the rooms", m.now))
}

// close takes a window away.
func (m *model) close(w *window) {
	i := slices.Index(m.windows, w)
	m.past = w.edit.past
	m.windows = slices.Delete(m.windows, i, i+1)
	if m.at = min(m.at, len(m.windows)-1); m.at < 0 {
		m.lobby.since = m.now
	}
	m.show(m.at)
}

// show shows a window, or the lobby.
func (m *model) show(i int) {
	if i < -1 || i >= len(m.windows) {
		return
	}
	if i != m.at {
		if i < 0 {
			m.lobby.since = m.now
		}
		if w := m.current(); w != nil {
			w.mark = 0
		}
		m.last = m.at
	}
	m.at, m.panel, m.seek, m.warned = i, nil, nil, ""
	if w := m.current(); w != nil {
		w.news, w.called = 0, false
	}
}

// note shows a line of the program itself.
func (m *model) note(words string) {
	if w := m.current(); w != nil {
		w.add(m, note(words, m.now))
		return
	}
	if m.notes = append(m.notes, words); len(m.notes) > 50 {
		m.notes = m.notes[1:]
	}
}
